"""An import is taken back: every table of the list is as it was, on both databases, until dialling begins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from callflow.clock import SimulatedClock
from callflow.errors import NotFoundError, RefusedError
from callflow.intake.takeback import take_back
from models.database import Database
from models.ids import new_id
from models.tables import (
    arrears,
    audit_events,
    calls,
    campaigns,
    cases,
    debtor_phones,
    debtors,
    households,
    import_changes,
    imports,
    payments,
    phone_numbers,
    queue_entries,
    script_versions,
)
from tests.integration.test_import import MUNICIPALITY, PAID, ROW, Office, office  # noqa: F401

LIST = (households, debtors, phone_numbers, debtor_phones, cases, arrears, payments)
OTHER = ROW | {"宛名番号": "0090000002", "世帯番号": "0080000002", "通知書番号": "N2", "電話番号1": "03-6659-0002"}
BOTH = {"電話番号2": "03-6659-0003"}


def held(database: Database) -> dict[str, list[Any]]:
    with database.read() as conn:
        return {
            table.name: sorted(
                map(tuple, conn.execute(select(table).where(table.c.municipality_id == MUNICIPALITY))), key=repr
            )
            for table in LIST
        }


def back(office: Office, clock: SimulatedClock, number: int | None) -> dict[str, int]:  # noqa: F811
    return take_back(office.database, MUNICIPALITY, number or 0, clock.now(), 1)


def test_what_was_changed_added_and_removed_is_as_it_was(office: Office, clock: SimulatedClock) -> None:  # noqa: F811
    first = office.rows(ROW | BOTH, OTHER, ROW | {"期別": "5", "電話番号2": "03-6659-0003"})
    before = held(office.database)
    new = OTHER | {"宛名番号": "0090000003", "世帯番号": "0080000003", "通知書番号": "N3", "電話番号1": "03-6659-0009"}
    second = office.rows(
        ROW | {"氏名": "見本　次郎", "収納額": "6000", "未納額": "0", "世帯番号": "0080000009", "支援措置区分": "1"},
        OTHER | BOTH,
        new,
        full=True,
    )
    assert second.counts["instalments_vanished"] == 1
    assert second.counts["phones_removed"] == 1
    assert held(office.database) != before
    with pytest.raises(RefusedError, match="あとの取り込み"):
        back(office, clock, first.import_id)
    counts = back(office, clock, second.import_id)
    assert held(office.database) == before
    assert (counts["cases_removed"], counts["debtors_removed"], counts["debtor_phones_removed"]) == (1, 1, 2)
    with office.database.read() as conn:
        own = imports.c.municipality_id == MUNICIPALITY
        row = conn.execute(select(imports).where(own, imports.c.id == second.import_id)).one()
        noted = conn.execute(select(import_changes).where(import_changes.c.municipality_id == MUNICIPALITY)).all()
        acts = audit_events.c
        undone = select(acts.object).where(acts.municipality_id == MUNICIPALITY, acts.verb == "case:undo-import")
        assert (row.state, row.taken_back_by, noted) == ("abandoned", 1, [])
        assert conn.execute(undone).scalars().all() == [f"import:{second.import_id}"]
    with pytest.raises(RefusedError, match="取り消し済み"):
        back(office, clock, second.import_id)
    with pytest.raises(NotFoundError):
        back(office, clock, 999)


def test_payments_and_a_first_list_are_taken_back_and_may_come_again(office: Office, clock: SimulatedClock) -> None:  # noqa: F811
    nothing = held(office.database)
    listed = office.rows(ROW, OTHER)
    before = held(office.database)
    told = office.rows(PAID)
    assert office.states() == ["paid", "open"]
    paid = held(office.database)
    cancelled = office.rows(PAID, PAID | {"取消区分": "1", "収納データ基準日": "2026-11-25"})
    back(office, clock, cancelled.import_id)
    assert held(office.database) == paid
    with pytest.raises(RefusedError, match="控えがありません"):
        back(office, clock, told.import_id)
    again = office.rows(PAID, PAID | {"収納データ基準日": "2026-11-25"})
    assert again.state == "active"
    assert before != paid
    alone = Office(office.database, clock, office._folder)
    assert alone.rows(ROW, OTHER | {"期別": "6"}).state == "active"
    assert listed.import_id == 1
    assert nothing["cases"] == []


def test_a_first_list_goes_whole(office: Office, clock: SimulatedClock) -> None:  # noqa: F811
    nothing = held(office.database)
    one = office.rows(ROW | BOTH, OTHER)
    back(office, clock, one.import_id)
    assert held(office.database) == nothing
    assert office.rows(ROW | BOTH, OTHER).counts["cases_added"] == 2


def test_not_once_its_people_are_planned_or_dialled(office: Office, clock: SimulatedClock) -> None:  # noqa: F811
    one = office.rows(ROW)
    own = {"municipality_id": MUNICIPALITY}
    with office.database.write() as conn:
        _campaign(conn, clock)
        conn.execute(
            queue_entries.insert().values(
                **own, campaign_id=1, case_id=1, household_id=1, state="ready", due_at=clock.now()
            )
        )
    with pytest.raises(RefusedError, match="「見本」に入っています"):
        back(office, clock, one.import_id)
    with office.database.write() as conn:
        conn.execute(queue_entries.delete().where(queue_entries.c.municipality_id == MUNICIPALITY))
        opened = {"opened_at": clock.now() + timedelta(minutes=1), "attempt_ref": "x", "line_state": "claimed"}
        who = {"case_id": 1, "household_id": 1, "operator_id": 1, "direction": "outbound", "script_hash": "0" * 64}
        conn.execute(calls.insert().values(**own, id=1, live=True, **opened, **who))
    with pytest.raises(RefusedError, match="架電が始まっています"):
        back(office, clock, one.import_id)


def _campaign(conn: Connection, clock: SimulatedClock) -> None:
    own = {"municipality_id": MUNICIPALITY}
    published = {"published_at": clock.now(), "published_by": 1, "approved_by": 1, "sources": "{}"}
    conn.execute(script_versions.insert().values(**own, hash="0" * 64, name="x", version=1, **published))
    conn.execute(
        campaigns.insert().values(
            **own,
            id=new_id(conn, campaigns, MUNICIPALITY),
            name="見本",
            claim_type="national_health_insurance",
            script_hash="0" * 64,
            state="draft",
            created_by=1,
            created_at=clock.now(),
        )
    )
