"""Planning a campaign and running it, on both databases."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from callflow.campaigns import MOVES, Act, Campaigns, Draft, Plan, next_state, plan_of, rules_of
from callflow.clock import SimulatedClock
from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.planning import Exclusion, Question, count_cases, edges, oldest_fresh, years_before
from callflow.progress import first_in_queue, progress
from models.calling import CAMPAIGN_STATES
from models.database import Database
from models.ids import new_id
from models.tables import (
    accounts,
    arrears,
    audit_events,
    calls,
    campaigns,
    cases,
    debtors,
    households,
    metadata,
    municipalities,
    organisations,
    payments,
    phone_numbers,
    queue_entries,
    script_versions,
    suppressions,
)
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import Rules, record_refusal
from scheduler.facts import years_later
from scheduler.policy import judge
from scheduler.settings import Policy
from scheduler.snapshot import facts_for
from scheduler.verdict import Block, Reason, Refused
from tests.world import MUNICIPALITY, account, add_case, on_shift

NHI = "national_health_insurance"
RULES = Rules(0, Policy(), Calendar())
HASH = "f" * 64
DRAFT = Draft("11月の架電", NHI, HASH)


@pytest.fixture
def people(database: Database, clock: SimulatedClock) -> dict[str, int]:
    """Accounts by role, and a published script."""
    with database.write() as conn:
        contractor, ward = (organisation(conn, kind) for kind in ("contractor", "ward"))
        roles = {"operator": contractor, "supervisor": contractor, "staff": ward}
        found = {role: account(conn, of, role, "見本 太郎", role, clock.now()) for role, of in roles.items()}
        found["second"] = account(conn, ward, "second", "見本 次郎", "staff", clock.now())
        on_shift(conn, found["supervisor"], clock.now())
        conn.execute(
            insert(script_versions).values(
                municipality_id=MUNICIPALITY,
                hash=HASH,
                name="nhi-premium",
                version=1,
                sources="{}",
                published_at=clock.now(),
                published_by=found["staff"],
                approved_by=found["supervisor"],
            )
        )
    return found


def organisation(conn: Connection, kind: str) -> int:
    one = new_id(conn, organisations, MUNICIPALITY)
    conn.execute(organisations.insert().values(municipality_id=MUNICIPALITY, id=one, kind=kind, name=f"見本{kind}"))
    return one


def create(database: Database, clock: SimulatedClock, by: int, draft: Draft = DRAFT) -> tuple[int, Plan]:
    with database.write() as conn:
        return Campaigns(conn, MUNICIPALITY, clock.now()).create(draft, RULES, by)


def approve(database: Database, clock: SimulatedClock, campaign_id: int, by: int) -> None:
    with database.write() as conn:
        Campaigns(conn, MUNICIPALITY, clock.now()).approve(campaign_id, by)


def state(database: Database) -> str:
    with database.read() as conn:
        return str(conn.execute(select(campaigns.c.state)).scalar_one())


def change(conn: Connection, table: Any, one: int, **values: Any) -> None:
    conn.execute(update(table).where(table.c.id == one).values(**values))


def test_every_case_is_counted_once_under_its_first_exclusion(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    with database.write() as conn:
        plain = add_case(conn, 1)
        made = {code: add_case(conn, number) for number, code in enumerate(AS_JUDGED, start=2)}
        for exclusion, case in made.items():
            exclude(conn, exclusion, case.case_id, case.household_id, case.number_id, clock.now())
        change(conn, cases, made[Exclusion.PAID].case_id, payments_as_of=None)  # paid, and of no date: counted as paid
    campaign_id, plan = create(database, clock, people["supervisor"])
    assert plan == Plan(1, dict.fromkeys(AS_JUDGED, 1))
    with database.read() as conn:
        (entry,) = conn.execute(select(queue_entries)).all()
        stored = json.loads(conn.execute(select(campaigns.c.plan)).scalar_one())
    assert (entry.case_id, entry.state, entry.due_at, entry.fence) == (plain.case_id, "scheduled", clock.now(), 0)
    assert Plan.from_data(stored) == plan
    assert campaign_id == 1


def exclude(  # noqa: C901, PLR0912  one case for each exclusion
    conn: Connection, exclusion: Exclusion, case_id: int, household_id: int, number_id: int, now: datetime
) -> None:
    match exclusion:
        case Exclusion.PROTECTED:
            change(conn, households, household_id, protected=True)
        case Exclusion.PAID:
            conn.execute(update(arrears).where(arrears.c.case_id == case_id).values(unpaid=0, paid=12_000))
        case Exclusion.CLOSED:
            change(conn, cases, case_id, status="closed")
        case Exclusion.STAFF:
            change(conn, cases, case_id, status="staff")
        case Exclusion.SUPPRESSED:
            suppress(conn, case_id, now, None)
        case Exclusion.CORPORATE:
            debtor = conn.execute(select(cases.c.debtor_id).where(cases.c.id == case_id)).scalar_one()
            change(conn, debtors, debtor, is_corporate=True)
        case Exclusion.EXPIRED:
            conn.execute(update(arrears).where(arrears.c.case_id == case_id).values(expires_on=date(2026, 11, 24)))
        case Exclusion.NO_NUMBER:
            change(conn, phone_numbers, number_id, status="wrong")
        case Exclusion.NO_REMINDER:
            conn.execute(update(arrears).where(arrears.c.case_id == case_id).values(reminder_on=None))
        case Exclusion.CAP_REACHED:
            for hours in (1, 30, 60, 90, 120):
                call(conn, case_id, household_id, number_id, now - timedelta(hours=hours))
        case Exclusion.PAYMENTS_UNKNOWN:
            change(conn, cases, case_id, payments_as_of=None)
        case Exclusion.PAYMENTS_STALE:
            change(conn, cases, case_id, payments_as_of=date(2026, 11, 13))


def suppress(conn: Connection, case_id: int, since: datetime, until: datetime | None) -> None:
    conn.execute(
        insert(suppressions).values(
            municipality_id=MUNICIPALITY,
            id=new_id(conn, suppressions, MUNICIPALITY),
            case_id=case_id,
            reason="staff",
            since=since,
            until=until,
        )
    )


def call(conn: Connection, case_id: int, household_id: int, number_id: int, at: datetime, **more: Any) -> None:
    """A call that has ended, without an answer unless said otherwise."""
    one = new_id(conn, calls, MUNICIPALITY)
    values = {"disposition": "NA", "attempt": 1, "contact": 0, "placed_at": at, "closed_at": at, **more}
    conn.execute(
        insert(calls).values(
            municipality_id=MUNICIPALITY,
            id=one,
            case_id=case_id,
            household_id=household_id,
            number_id=number_id,
            operator_id=1,
            direction="outbound",
            script_hash=HASH,
            attempt_ref=f"ref{one}",
            line_state="ended",
            live=False,
            opened_at=at,
            **values,
        )
    )


AS_JUDGED = {
    Exclusion.PROTECTED: Reason.PROTECTED,
    Exclusion.PAID: Reason.NOTHING_OWED,
    Exclusion.CLOSED: Reason.CASE_CLOSED,
    Exclusion.STAFF: Reason.STAFF_IN_CHARGE,
    Exclusion.SUPPRESSED: Reason.SUPPRESSED,
    Exclusion.CORPORATE: Reason.CORPORATE,
    Exclusion.EXPIRED: Reason.EXPIRED,
    Exclusion.NO_REMINDER: Reason.NO_REMINDER,
    Exclusion.NO_NUMBER: Reason.NUMBER_UNUSABLE,
    Exclusion.PAYMENTS_UNKNOWN: Reason.PAYMENTS_UNKNOWN,
    Exclusion.PAYMENTS_STALE: Reason.PAYMENTS_STALE,
    Exclusion.CAP_REACHED: Reason.WEEK_CAP,
}
"""Hold-outs and the filter stand on their own: `test_campaign_plans`."""


def test_the_plan_excludes_exactly_what_the_policy_would_never_call(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    """Random cases: the one statement over all of them against the policy's judgement of each."""
    chance, now = random.Random(7), clock.now()
    with database.write() as conn:
        made = [add_case(conn, number) for number in range(1, 81)]
        for case in made:
            for exclusion in chance.sample(list(AS_JUDGED), chance.choice([0, 0, 1, 1, 2])):
                exclude(conn, exclusion, case.case_id, case.household_id, case.number_id, now)
            age_at_random(conn, case.case_id, chance)
    _, plan = create(database, clock, people["supervisor"])
    expected: dict[str, int] = {}
    with database.read() as conn:
        queued = set(conn.execute(select(queue_entries.c.case_id)).scalars())
        for case in made:
            code = judged(conn, case.case_id, now)
            expected[code] = expected.get(code, 0) + 1
            assert (case.case_id in queued) == (code == "")
    assert plan_of(expected) == plan
    assert len(plan.excluded) >= 8


def age_at_random(conn: Connection, case_id: int, chance: random.Random) -> None:
    """Instalments around the edge of the limitation, some with a part payment, some without any date."""
    edge = date(2024, 11, 24)
    for arrear in conn.execute(select(arrears.c.id).where(arrears.c.case_id == case_id)).scalars().all():
        if chance.random() < 0.5:
            days = [chance.choice([-11, -10, -9, -1, 0, 1, 200]) for _ in range(3)]
            dates = [None if chance.random() < 0.2 else edge + timedelta(days=each) for each in days]
            change(conn, arrears, arrear, due_on=dates[0], reminder_on=dates[1])
            if chance.random() < 0.3:
                conn.execute(
                    insert(payments).values(
                        municipality_id=MUNICIPALITY,
                        id=new_id(conn, payments, MUNICIPALITY),
                        arrear_id=arrear,
                        paid_on=edge + timedelta(days=days[2]),
                        amount=100,
                        as_of=date(2026, 11, 20),
                        cancelled_as_of=chance.choice([None, date(2026, 11, 20)]),
                    )
                )


def judged(conn: Connection, case_id: int, now: datetime) -> str:
    """The code of the first exclusion among the reasons of the policy; empty: none of them."""
    facts = facts_for(conn, MUNICIPALITY, case_id)
    (number,) = facts.numbers
    verdict = judge(facts.case, number, facts.history, RULES.policy, RULES.calendar, now)
    reasons = verdict.reasons if isinstance(verdict, Refused) else ()
    return next((each.code for each, reason in AS_JUDGED.items() if reason in reasons), "")


@pytest.mark.parametrize("today", [date(2026, 11, 24), date(2028, 2, 29), date(2027, 2, 28), date(2027, 3, 1)])
@pytest.mark.parametrize("years", [2, 5])
def test_the_edge_of_the_limitation_is_the_inverse_of_its_years(today: date, years: int) -> None:
    edge = years_before(today, years)
    assert years_later(edge, years) <= today < years_later(edge + timedelta(days=1), years)


@pytest.mark.parametrize("day", range(1, 29))
def test_the_edge_of_fresh_payment_data_is_what_the_policy_counts(day: int) -> None:
    today, calendar = date(2027, 1, day), Calendar()
    edge = oldest_fresh(calendar, today, 5)
    assert calendar.business_days_between(edge, today) <= 5
    assert calendar.business_days_between(edge - timedelta(days=1), today) > 5


def test_edges_are_judged_in_tokyo() -> None:
    assert edges(NHI, RULES, datetime(2026, 11, 23, 15, 30, tzinfo=UTC)).today == date(2026, 11, 24)


def test_larger_and_older_debts_are_called_first_and_broken_promises_before_them(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    with database.write() as conn:
        small, large, old = (add_case(conn, number) for number in (1, 2, 3))
        conn.execute(update(arrears).where(arrears.c.case_id == large.case_id).values(unpaid=200_000))
        conn.execute(
            update(arrears)
            .where(arrears.c.case_id == old.case_id)
            .values(due_on=date(2025, 6, 30), reminder_on=date(2025, 7, 20))
        )
    create(database, clock, people["supervisor"])
    with database.read() as conn:
        order = conn.execute(select(queue_entries.c.case_id).order_by(queue_entries.c.priority)).scalars().all()
        priorities = conn.execute(select(queue_entries.c.priority)).scalars().all()
    assert order == [large.case_id, old.case_id, small.case_id]
    assert all(200 <= priority <= 999 for priority in priorities)


def test_planning_anew_adds_what_has_become_callable_and_touches_nothing_else(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    with database.write() as conn:
        add_case(conn, 1)
        later = add_case(conn, 2)
        suppress(conn, later.case_id, clock.now(), clock.now() + timedelta(hours=1))
    campaign_id, plan = create(database, clock, people["supervisor"])
    assert plan.excluded == {Exclusion.SUPPRESSED: 1}
    with database.write() as conn:
        queue.wake(conn, MUNICIPALITY, clock.now())
        held = queue.claim(conn, MUNICIPALITY, [campaign_id], worker="w", lease_until=clock.now())
    assert held is not None
    clock.advance(timedelta(hours=1))
    with database.write() as conn:
        plan, added = Campaigns(conn, MUNICIPALITY, clock.now()).replan(campaign_id, RULES, people["supervisor"])
        assert (plan.included, added) == (2, 1)
        assert queue.holds(conn, held)
        _, added = Campaigns(conn, MUNICIPALITY, clock.now()).replan(campaign_id, RULES, people["supervisor"])
        assert added == 0


def test_another_municipality_is_not_touched(empty_database: Database, clock: SimulatedClock) -> None:
    with empty_database.write() as conn:
        metadata.create_all(conn)
    with empty_database.write() as conn:
        for one in (1, 2):
            conn.execute(municipalities.insert().values(id=one, code=f"13999{one}", name="見本区"))
        add_case(conn, 1)
        assert count_cases(conn, Question(2, NHI, RULES, clock.now())) == {}
        assert count_cases(conn, Question(1, NHI, RULES, clock.now())) == {"": 1}


def test_counting_writes_nothing(database: Database, clock: SimulatedClock, people: dict[str, int]) -> None:
    with database.write() as conn:
        add_case(conn, 1)
    with database.read() as conn:
        assert Campaigns(conn, MUNICIPALITY, clock.now()).count(DRAFT, RULES) == Plan(1)
        assert conn.execute(select(func.count()).select_from(campaigns)).scalar_one() == 0


@pytest.mark.parametrize(
    ("draft", "message"),
    [
        (replace(DRAFT, name=" "), "名前"),
        (replace(DRAFT, script_hash="0" * 64), "台本"),
        (replace(DRAFT, policy={"attempts_per_day": 3}), "より緩く"),
        (replace(DRAFT, policy={"attempts": 1}), "規則 attempts はありません"),
    ],
)
def test_a_draft_that_cannot_be(
    database: Database, clock: SimulatedClock, people: dict[str, int], draft: Draft, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        create(database, clock, people["supervisor"], draft)


def test_a_name_is_given_once(database: Database, clock: SimulatedClock, people: dict[str, int]) -> None:
    create(database, clock, people["supervisor"])
    with pytest.raises(InputError, match="もうあります"):
        create(database, clock, people["supervisor"])


def test_a_campaign_starts_only_with_a_supervisor(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    campaign_id, _ = create(database, clock, people["supervisor"])
    approve(database, clock, campaign_id, people["staff"])
    for role in ("operator", "staff"):
        with database.write() as conn, pytest.raises(RefusedError, match="業務責任者"):
            Campaigns(conn, MUNICIPALITY, clock.now()).start(campaign_id, people[role], people[role])
    with database.write() as conn:
        Campaigns(conn, MUNICIPALITY, clock.now()).start(campaign_id, people["supervisor"], people["supervisor"])
    assert state(database) == "running"


def test_a_supervisor_whose_account_is_closed_is_not_on_shift(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    campaign_id, _ = create(database, clock, people["supervisor"])
    with database.write() as conn:
        Campaigns(conn, MUNICIPALITY, clock.now()).approve(campaign_id, people["staff"])
        change(conn, accounts, people["supervisor"], disabled_at=clock.now())
    with database.write() as conn, pytest.raises(RefusedError):
        Campaigns(conn, MUNICIPALITY, clock.now()).start(campaign_id, people["supervisor"], people["staff"])


def test_from_plan_to_stop_with_every_act_in_the_audit(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    with database.write() as conn:
        add_case(conn, 1)
    campaign_id, _ = create(database, clock, people["supervisor"])
    by, seen = people["supervisor"], []
    with database.write() as conn:
        desk = Campaigns(conn, MUNICIPALITY, clock.now())
        desk.approve(campaign_id, people["staff"])
        desk.start(campaign_id, by, by)
        seen.append(desk.get(campaign_id).state)
        desk.pause(campaign_id, by, "昼休み")
        seen.append(desk.get(campaign_id).state)
        desk.resume(campaign_id, by)
        seen.append(desk.named("11月の架電").supervisor_id)
        desk.stop(campaign_id, by, "期間終了")
        seen.append((desk.named("1").state, desk.named("1").supervisor_id, desk.named("1").state_reason))
        verbs = conn.execute(select(audit_events.c.verb).order_by(audit_events.c.id)).scalars().all()
        entry = conn.execute(select(queue_entries)).one()
    assert seen == ["running", "paused", by, ("stopped", None, "期間終了")]
    acts = ("plan", "approve", "start", "pause", "resume", "stop")
    assert verbs == [f"campaign:{act}" for act in acts]
    assert (entry.state, entry.reason) == ("done", "campaign_stopped")


@pytest.mark.parametrize("act", MOVES)
@pytest.mark.parametrize("before", CAMPAIGN_STATES)
def test_every_state_either_allows_an_act_or_says_when_it_would(act: Act, before: str) -> None:
    allowed, target = MOVES[act]
    if before in allowed:
        assert next_state(before, act) == target
    else:
        with pytest.raises(RefusedError) as refused:
            next_state(before, act)
        assert refused.value.mend


@pytest.mark.parametrize("word", ["9", "ない名前"])
def test_there_is_no_such_campaign(database: Database, clock: SimulatedClock, word: str) -> None:
    with database.read() as conn, pytest.raises(NotFoundError):
        Campaigns(conn, MUNICIPALITY, clock.now()).named(word)


def test_progress_counts_the_queue_the_calls_and_what_was_not_dialled(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    with database.write() as conn:
        made = [add_case(conn, number) for number in range(1, 6)]
    campaign_id, _ = create(database, clock, people["supervisor"])
    now = clock.now()
    with database.write() as conn:
        conn.execute(update(queue_entries).where(queue_entries.c.case_id > 2).values(due_at=now + timedelta(days=1)))
        queue.wake(conn, MUNICIPALITY, now)
        hours = Refused((Block(Reason.OUT_OF_HOURS), Block(Reason.DAY_CAP)), None)
        for case, refused in zip(made[:2], (hours, Refused((Block(Reason.DAY_CAP),), None)), strict=True):
            record_refusal(conn, MUNICIPALITY, case.case_id, now, refused, "placing", campaign_id)
    with database.read() as conn:
        found = progress(conn, MUNICIPALITY, campaign_id, now)
        first = first_in_queue(conn, MUNICIPALITY, campaign_id, 3)
    assert found.queue == {"ready": 2, "scheduled": 3}
    assert (found.refused_dials, found.refusals) == (2, {"day_cap": 2, "out_of_hours": 1})
    assert (found.live_calls, found.in_review, found.outcomes) == (0, 0, {})
    assert found.next_due_at == now + timedelta(days=1)
    assert [(each.case_id, each.state) for each in first] == [(1, "ready"), (2, "ready"), (3, "scheduled")]


def test_a_campaigns_rules_are_those_of_its_type_only_tighter(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    draft = replace(DRAFT, policy={"attempts_per_day": 1})
    campaign_id, _ = create(database, clock, people["supervisor"], draft)
    with database.read() as conn:
        rules = rules_of(Campaigns(conn, MUNICIPALITY, clock.now()).get(campaign_id), RULES)
    assert (rules.campaign_id, rules.policy.attempts_per_day, rules.calendar) == (campaign_id, 1, RULES.calendar)


def test_a_supervisor_chooses_how_lines_are_opened_and_lines_ahead_before_the_approval_only(
    database: Database, clock: SimulatedClock, people: dict[str, int]
) -> None:
    campaign_id, _ = create(database, clock, people["supervisor"])

    def choose(mode: str, by: str = "supervisor") -> str:
        with database.write() as conn:
            desk = Campaigns(conn, MUNICIPALITY, clock.now())
            desk.dial_by(campaign_id, mode, people[by])
            return str(desk.get(campaign_id).mode)

    with database.read() as conn:
        assert Campaigns(conn, MUNICIPALITY, clock.now()).get(campaign_id).mode == "progressive"
    with pytest.raises(RefusedError, match="業務責任者だけ"):
        choose("preview", "staff")
    with pytest.raises(InputError, match="robocall"):
        choose("robocall")
    assert choose("predictive") == "predictive"
    approve(database, clock, campaign_id, people["second"])
    assert choose("progressive") == "progressive"
    with pytest.raises(RefusedError, match="predictive"):
        choose("predictive")
    with pytest.raises(InputError, match="robocall"):
        create(database, clock, people["supervisor"], replace(DRAFT, name="別", mode="robocall"))  # type: ignore[arg-type]
