"""What the people of a list have in common: one household with several claims, one number in several households.

Neither may become two calls; the queue and the caps hold that by household and by number (I1). This only counts them.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, and_, func, select

from models.tables import cases, debtor_phones, debtors, import_people


def shared(conn: Connection, municipality_id: int, import_id: int) -> Counter[str]:
    """Households of the staged list with cases of several claims, and its numbers that stand in several households."""
    told = and_(import_people.c.municipality_id == municipality_id, import_people.c.import_id == import_id)
    person = and_(debtors.c.municipality_id == municipality_id, debtors.c.addressee_no == import_people.c.addressee_no)
    people = select(debtors.c.id, debtors.c.household_id).join(import_people, person).where(told).subquery()
    claims = (
        select(cases.c.household_id)
        .where(cases.c.municipality_id == municipality_id, cases.c.household_id.in_(select(people.c.household_id)))
        .group_by(cases.c.household_id)
        .having(func.min(cases.c.claim_type) != func.max(cases.c.claim_type))
    )
    phone, owner = debtor_phones, debtors
    theirs = select(phone.c.number_id).where(
        phone.c.municipality_id == municipality_id, phone.c.debtor_id.in_(select(people.c.id))
    )
    numbers = (
        select(phone.c.number_id)
        .join(owner, and_(owner.c.municipality_id == municipality_id, owner.c.id == phone.c.debtor_id))
        .where(phone.c.municipality_id == municipality_id, phone.c.number_id.in_(theirs))
        .group_by(phone.c.number_id)
        .having(func.min(owner.c.household_id) != func.max(owner.c.household_id))
    )
    found = {"households_with_several_claims": claims, "numbers_in_several_households": numbers}
    return Counter(
        {
            what: conn.execute(select(func.count()).select_from(query.subquery())).scalar_one()
            for what, query in found.items()
        }
    )
