"""The contact policy row by row (the table "Default contact policy"): its default, its hard limit, and where it acts.

Where it acts is judged at the claim and again at the placing, just before the boundary and at it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from callflow import line
from callflow.access.sessions import Limits
from callflow.ahead import is_over
from callflow.briefing import brief
from callflow.campaigns import rules_of
from callflow.clock import TOKYO, SimulatedClock
from callflow.config import load
from callflow.errors import ConfigError
from callflow.followup.deadlines import Terms
from callflow.followup.promises import judge_due
from callflow.followup.terms import Rules as Terms_
from callflow.retention.classes import cutoffs
from callflow.retention.plan import plan
from callflow.sections import Asterisk, FollowUp, Quality, Twilio
from callflow.standing import Opening
from callflow.switchboard import Switchboard
from callflow.telephony.allowed import why_not
from callflow.telephony.asterisk import words as asterisk_words
from callflow.telephony.asterisk.settings import pbx_of
from callflow.telephony.simulated import SimulatedPhone
from callflow.telephony.twilio import words as twilio_words
from callflow.telephony.twilio.settings import account_of
from models.database import Database
from models.ids import new_id
from models.tables import (
    arrears,
    audit_events,
    call_events,
    calls,
    campaigns,
    cases,
    phone_numbers,
    promises,
    suppressions,
)
from scheduler import dealing, queue
from scheduler.calendar import Calendar
from scheduler.dealing import Deal, NothingNow, Rules
from scheduler.facts import Attempt, CaseFacts, History, Instalment, NumberFacts
from scheduler.pacing.pacer import Trail
from scheduler.policy import judge
from scheduler.settings import HARD_CAP, Policy
from scheduler.verdict import Allowed, Notice, Refused
from tests.conftest import START
from tests.world import DESK, IDENTITY, MUNICIPALITY, TestCase, World, add_case, build, running_campaign

one_database = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DAY, HOUR = 1_440, 60

# row of the table: the setting, its default, the loosest value that is allowed (None: no hard limit), a tighter one
ROWS: dict[str, list[tuple[str, int, int | None, int]]] = {
    "last dial": [("last_dial_minutes", 10, None, 30)],
    "ring time": [("ring_seconds", 30, 15, 40)],
    "abandoned": [("abandoned_percent", 3, 3, 1)],
    "after an abandoned call": [("abandoned_gap_hours", 72, 72, 96)],
    "busy retry": [("busy_retry_minutes", 15, 5, 30), ("busy_retries", 2, None, 1)],
    "no-answer retry": [("no_answer_retry_minutes", 180, 60, 240)],
    "attempts per number and household": [
        ("attempts_per_day", 2, 3, 1),
        ("attempts_per_7_days", 5, 7, 3),
        ("attempts_per_campaign", 8, None, 4),
    ],
    "quiet after talking to the right party": [("quiet_days", 7, None, 14)],
    "after HU0 and a refusal": [("hang_up_unverified_days", 3, None, 5), ("refusal_days", 14, None, 20)],
    "first call": [
        ("reminder_days", 10, None, 20),
        ("payments_warn_business_days", 2, 5, 1),
        ("payments_block_business_days", 5, 5, 3),
    ],
    "promise horizon": [("promise_horizon_days", 14, 30, 7)],
    "promise grace": [("promise_grace_days", 10, None, 15)],
    "broken promises": [("broken_promises_to_staff", 2, None, 1)],
    "machine message": [("machine_message_every_days", 7, None, 10)],
}
SETTINGS = [each for row in ROWS.values() for each in row]
TIGHTER = {name: tighter for name, _, _, tighter in SETTINGS}
SHIPPED = (Path(__file__).parents[2] / "config.yaml").read_text(encoding="utf-8")


def test_every_default_is_the_tables() -> None:
    config = load(Path(__file__).parents[2] / "config.yaml", {})
    for claim_type in config.claim_types:
        policy = config.policy_for(claim_type)
        assert {name: getattr(policy, name) for name, *_ in SETTINGS} == {name: value for name, value, *_ in SETTINGS}
    hours = config.calendar_for("national_health_insurance")
    assert (str(hours.day), str(hours.evening), str(hours.rest)) == tuple(
        f"Hours(start={time(start)!r}, end={time(end)!r})" for start, end in ((9, 17), (18, 20), (9, 16))
    )
    assert HARD_CAP == 0.03
    follow_up, terms = FollowUp(), Terms()
    assert (follow_up.post_business_days, follow_up.return_days) == (2, 14)
    assert (follow_up.ask_again_days, follow_up.give_up_days) == (7, 14)
    assert (follow_up.slip_business_days, follow_up.slip_urgent_minutes) == (2, 30)
    assert (terms.slip_urgent_minutes, terms.return_days) == (30, 14)
    assert (Quality().sample_percent, Quality().sample_at_least) == (5, 10)
    assert {"HS", "RF", "HU1"} <= set(Quality().sample_always)
    assert Limits() == Limits(timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=12))
    assert config.recordings.keep_days == 180
    assert config.kept_for()["call_log"] == config.kept_for()["access_log"] == 5 * 365 + 2, (
        "with both leap days that five years may have"
    )


def _loosened(limit: int, tighter: int, default: int) -> int:
    return limit + 1 if tighter < default else limit - 1


def test_nothing_beyond_a_hard_limit_is_taken_for_all_or_for_one_claim_type(tmp_path: Path) -> None:
    """`callflow config check` reads by the same function; every fault has its line."""
    loose = {
        name: _loosened(limit, tighter, default) for name, default, limit, tighter in SETTINGS if limit is not None
    }
    lines = [f"{name}: {value}" for name, value in loose.items()]
    head, _policy, _rest = SHIPPED.partition("\npolicy:\n")
    nursery = head.replace("  nursery_fee:\n", "  nursery_fee:\n    policy:\n" + "".join(f"      {x}\n" for x in lines))
    hours = head.replace("\n  nursery_fee:\n", "\n  nursery_fee:\n    rest_hours: 07:59-21:00\n", 1)
    for text in (head + "\npolicy:\n" + "".join(f"  {each}\n" for each in lines), nursery):
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            load(file, {})
        told = str(caught.value)
        for name, value in loose.items():
            number = next(n for n, line in enumerate(text.splitlines(), 1) if line.strip() == f"{name}: {value}")
            assert f"config.yaml:{number}" in told, name
            assert f".{name}" in told
    file.write_text(hours, encoding="utf-8")
    with pytest.raises(ConfigError, match="08:00 から 21:00"):
        load(file, {})


def test_a_claim_type_has_a_policy_of_its_own_within_the_limits(tmp_path: Path) -> None:
    own = "  nursery_fee:\n    policy: {attempts_per_day: 3, quiet_days: 9, last_dial_minutes: 30}\n"
    file = tmp_path / "config.yaml"
    file.write_text(SHIPPED.replace("  nursery_fee:\n", own), encoding="utf-8")
    config = load(file, {})
    nursery, other = config.policy_for("nursery_fee"), config.policy_for("resident_tax")
    assert (nursery.attempts_per_day, nursery.quiet_days, nursery.refusal_days) == (3, 9, 14)
    assert (other.attempts_per_day, other.quiet_days) == (2, 7)
    assert config.calendar_for("nursery_fee").last_dial == timedelta(minutes=30)
    assert config.desk().policies["nursery_fee"].quiet_days == 9


@pytest.mark.parametrize(("name", "default", "limit", "tighter"), SETTINGS, ids=[each[0] for each in SETTINGS])
def test_a_campaign_may_only_be_tighter(name: str, default: int, limit: int | None, tighter: int) -> None:
    assert getattr(Policy().tightened({name: tighter}), name) == tighter
    looser = default + (1 if tighter < default else -1)
    with pytest.raises(ValueError, match=f"{name}: {looser} is looser"):
        Policy().tightened({name: looser})
    assert getattr(Policy().tightest({name: looser}), name) == default, "the file has become tighter since"
    if limit is not None:
        with pytest.raises(ValueError, match="hard limit"):
            replace(Policy(), **{name: _loosened(limit, tighter, default)})  # type: ignore[arg-type]


# Where a row acts ------------------------------------------------------------------------------------------------


@dataclass
class Bench:
    """One case in a running campaign; what happened to it is written and taken back by the caller's transaction."""

    conn: Connection
    world: World
    case: TestCase
    sister: TestCase
    policy: Policy = field(default_factory=Policy)
    calendar: Calendar = field(default_factory=Calendar)
    refs: Iterator[int] = field(default_factory=itertools.count)

    def called(self, code: str, minutes: int, *, case: TestCase | None = None, number: int | None = None) -> int:
        """A call that ended so, minutes after START."""
        at, of = START + timedelta(minutes=minutes), case or self.case
        one = new_id(self.conn, calls, MUNICIPALITY)
        told = {"RF": (1, 1), "PX": (1, 1), "PD": (1, 1), "CB": (1, 0), "HU0": (1, 0), "AB": (1, 0)}.get(code, (0, 0))
        self.conn.execute(
            insert(calls).values(
                municipality_id=MUNICIPALITY,
                id=one,
                campaign_id=1,
                case_id=of.case_id,
                household_id=of.household_id,
                number_id=of.number_id if number is None else number,
                operator_id=self.world.operator,
                direction="outbound",
                script_hash=self.world.script_hash,
                attempt_ref=f"ref-{next(self.refs)}",
                line_state="ended",
                live=False,
                disposition=code,
                attempt=0 if code == "TF" else 1,
                contact=told[0],
                right_party=told[1],
                opened_at=at,
                placed_at=at,
                closed_at=at,
                last_event_at=at,
            )
        )
        return one

    def at(self, moment: datetime) -> Allowed | Refused:
        """The answer at the placing, which must be the claim's too."""
        rules = Rules(1, self.policy, self.calendar)
        verdict = dealing.judge_for_placing(
            self.conn, MUNICIPALITY, self.case.case_id, self.case.number_id, moment, rules
        )
        with self.conn.begin_nested() as inner:
            entry = queue.Entry(self.case.case_id, self.case.household_id, moment, 1)
            queue.enqueue(self.conn, MUNICIPALITY, 1, [entry])
            queue.wake(self.conn, MUNICIPALITY, moment)
            dealt = dealing.deal(self.conn, MUNICIPALITY, moment, [rules], worker="w", lease=timedelta(minutes=1))
            inner.rollback()
        assert isinstance(dealt, Deal if isinstance(verdict, Allowed) else NothingNow), (moment, dealt, verdict)
        return verdict

    def free_from(self, minutes: int, reason: str) -> Allowed:
        """Refused for `reason` in the minute before, allowed in this one."""
        moment = START + timedelta(minutes=minutes)
        before = self.at(moment - timedelta(minutes=1))
        assert isinstance(before, Refused)
        assert reason in [each.code for each in before.reasons]
        assert before.earliest == moment
        now = self.at(moment)
        assert isinstance(now, Allowed), now
        return now

    def refused(self, minutes: int) -> list[str]:
        verdict = self.at(START + timedelta(minutes=minutes))
        assert isinstance(verdict, Refused)
        return [each.code for each in verdict.reasons]


@pytest.fixture
def bench(database: Database, clock: SimulatedClock) -> Iterator[Bench]:
    world = build(database, clock)
    with database.write() as conn:
        running_campaign(conn, world)
        case = add_case(conn, 1)
        sister = add_case(conn, 2, household=case.household_id)
        conn.execute(update(cases).values(payments_as_of=date(2027, 6, 1)))
        yield Bench(conn, world, case, sister)


Calls = list[tuple[str, int]]
WAITS: dict[str, tuple[Calls, int, str, Mapping[str, int], int]] = {
    # row: what happened, from which minute on it is free, why not before; tightened how, and from when on then
    "busy retry": ([("BZ", 0)], 15, "busy_retry", {"busy_retry_minutes": 30}, 30),
    "busy, the third time as no answer": (
        [("BZ", 0), ("BZ", 15), ("BZ", 30)],
        DAY + 2 * HOUR,
        "another_band",
        {"busy_retries": 1},
        DAY + 2 * HOUR,
    ),
    "no answer": ([("NA", 0)], 3 * HOUR, "no_answer_retry", {"no_answer_retry_minutes": 240}, 4 * HOUR),
    "five in seven days": (
        [("CB", 0), ("CB", 1), ("CB", DAY), ("CB", DAY + 1), ("CB", 2 * DAY)],
        7 * DAY,
        "week_cap",
        {"attempts_per_7_days": 4},
        7 * DAY + 1,
    ),
    "right party": ([("PX", 0)], 7 * DAY, "quiet", {"quiet_days": 10}, 10 * DAY),
    "HU0": ([("HU0", 0)], 3 * DAY, "hang_up", {"hang_up_unverified_days": 7}, 7 * DAY),
    "refusal": ([("RF", 0)], 14 * DAY, "refusal", {"refusal_days": 15}, 15 * DAY),
    "abandoned": ([("AB", 0)], 3 * DAY, "abandoned", {"abandoned_gap_hours": 7 * 24}, 7 * DAY),
    "machine message": ([("AM1", 0)], 3 * DAY, "machine_message", {"machine_message_gap_hours": 7 * 24}, 7 * DAY),
    "said to have paid": ([("PD", 0)], 10 * DAY, "payment_claimed", {"payment_claim_days": 14}, 14 * DAY),
}  # fmt: skip


@one_database
def test_what_was_tried_holds_until_its_minute_and_a_campaigns_own_holds_longer(bench: Bench) -> None:
    for row, (happened, free, why, changes, later) in WAITS.items():
        base = Policy(attempts_per_day=3) if row.startswith("busy") else Policy()
        for policy, minute in ((base, free), (base.tightened(changes), later)):
            with bench.conn.begin_nested() as inner:
                for code, at in happened:
                    bench.called(code, at)
                bench.policy = policy
                allowed = bench.free_from(minute, why)
                assert (Notice.LIVE_OPERATOR_ONLY in allowed.notices) is (row == "abandoned"), row
                inner.rollback()


@one_database
def test_what_ends_with_the_band_or_the_day_is_free_when_the_next_one_opens(bench: Bench) -> None:
    for code, happened, probe in (("another_band", [("NA", 2 * HOUR)], 6 * HOUR), ("day_cap", [("CB", 0)] * 2, 1)):
        with bench.conn.begin_nested() as inner:
            for each, at in happened:
                bench.called(each, at)
            assert bench.refused(probe) == [code]
            bench.free_from(23 * HOUR, "out_of_hours")
            inner.rollback()
    bench.called("CB", 0)
    bench.policy = Policy(attempts_per_day=1)
    assert bench.refused(1) == ["day_cap"]


@one_database
def test_limits_count_the_household_over_all_claims_and_the_number_whoever_has_it(bench: Bench) -> None:
    with bench.conn.begin_nested() as inner:
        bench.called("CB", 0, case=bench.sister)
        bench.called("CB", 1, case=bench.sister)
        assert bench.refused(2) == ["day_cap"]
        inner.rollback()
    stranger = add_case(bench.conn, 3)
    with bench.conn.begin_nested() as inner:
        bench.called("CB", 0, case=stranger, number=bench.case.number_id)
        bench.called("CB", 1, case=stranger, number=bench.case.number_id)
        assert bench.refused(2) == ["day_cap"]
        inner.rollback()
    bench.called("AB", 0, case=bench.sister)
    assert Notice.LIVE_OPERATOR_ONLY in bench.free_from(3 * DAY, "abandoned").notices, "another number was abandoned"
    bench.called("CB", 3 * DAY)
    after = bench.at(START + timedelta(days=3, minutes=1))
    assert isinstance(after, Allowed)
    assert Notice.LIVE_OPERATOR_ONLY not in after.notices, "somebody was spoken to since"
    for week in range(1, 6):
        bench.called("CB", -week * 8 * DAY)
    assert "campaign_cap" not in bench.refused(8 * HOUR)
    bench.called("CB", -70 * DAY)
    assert bench.refused(3 * DAY + 1) == ["campaign_cap"]


@one_database
def test_written_only_ends_calls(bench: Bench) -> None:
    bench.conn.commit()
    world, case = bench.world, bench.case
    number = bench.case.number_id
    one = world.calls.open(
        Opening(case.case_id, world.operator, world.script_hash, {}, number_id=number, campaign_id=1)
    )
    for event in ("placing", "ringing", "answered"):
        world.calls.line(one, event)
    standing = world.calls.begin(one, world.operator)
    for name in ("no_phone", "done", "done"):
        standing = world.calls.answer(one, world.operator, standing.step, name)
        assert not standing.refused, standing
    closed = world.calls.close(one, "operator:1")
    assert closed.disposition == "NC"
    with world.database.write() as conn:
        held = conn.execute(select(suppressions.c.reason, suppressions.c.until)).all()
        assert held
        assert {row.until for row in held} == {None}
        bench.conn = conn
        assert "suppressed" in bench.refused(30 * DAY)


@one_database
def test_first_call_payment_data_and_hours_at_their_edges(bench: Bench) -> None:
    with bench.conn.begin_nested() as inner:
        bench.conn.execute(update(arrears).values(reminder_on=date(2026, 11, 15)))
        assert bench.refused(13 * HOUR) == ["out_of_hours", "reminder_recent"]
        bench.free_from(23 * HOUR, "out_of_hours")
        bench.policy = Policy(reminder_days=11)
        assert bench.refused(23 * HOUR) == ["reminder_recent"]
        bench.policy = Policy()
        inner.rollback()
    age: dict[date, tuple[bool, bool]] = {  # 11/23 is a holiday: business days are counted
        date(2026, 11, 19): (True, False),
        date(2026, 11, 18): (True, True),
        date(2026, 11, 16): (True, True),
        date(2026, 11, 13): (False, False),
    }
    for as_of, (allowed, warned) in age.items():
        bench.conn.execute(update(cases).values(payments_as_of=as_of))
        verdict = bench.at(START)
        assert isinstance(verdict, Allowed) is allowed, as_of
        assert (isinstance(verdict, Allowed) and Notice.PAYMENTS_AGEING in verdict.notices) is warned
    bench.policy = Policy(payments_block_business_days=3)
    bench.conn.execute(update(cases).values(payments_as_of=date(2026, 11, 16)))
    assert bench.refused(0) == ["payments_stale"]
    bench.policy = Policy()
    bench.conn.execute(update(cases).values(payments_as_of=date(2027, 6, 1)))
    evening, sunday = date(2026, 11, 25), date(2026, 11, 29)
    bench.calendar = Calendar(evening_days=frozenset({evening}), rest_days=frozenset({sunday, date(2026, 12, 31)}))
    edges = {
        (evening, 9, 0): (evening, 16, 50),
        (evening, 18, 0): (evening, 19, 50),
        (sunday, 9, 0): (sunday, 15, 50),
    }
    for first, end in edges.items():
        opens, closes = (datetime.combine(on, time(h, m), TOKYO).astimezone(UTC) for on, h, m in (first, end))
        assert [
            isinstance(bench.at(each), Allowed)
            for each in (opens - timedelta(minutes=1), opens, closes - timedelta(minutes=1), closes)
        ] == [False, True, True, False]
    for closed in (date(2026, 12, 29), date(2026, 12, 31), date(2027, 1, 3)):
        verdict = bench.at(datetime.combine(closed, time(10), TOKYO))
        assert isinstance(verdict, Refused)
        assert "office_closed" in [each.code for each in verdict.reasons]
    bench.calendar = replace(bench.calendar, last_dial=timedelta(minutes=30))
    assert isinstance(bench.at(datetime.combine(evening, time(16, 29), TOKYO)), Allowed)
    assert isinstance(bench.at(datetime.combine(evening, time(16, 30), TOKYO)), Refused)


@one_database
def test_logs_are_kept_for_five_years_to_the_second(bench: Bench) -> None:
    """Recordings at their edge: `test_recordings`."""
    event = {
        "call_id": bench.called("NA", 0),
        "seq": 1,
        "at": START,
        "kind": "open",
        "actor": "system",
        "payload": "{}",
    }
    sealed = {"salt": b"s", "commitment": b"c", "hash": b"h"}
    bench.conn.execute(insert(call_events).values(municipality_id=MUNICIPALITY, **event, **sealed))
    bench.conn.execute(
        insert(audit_events).values(
            municipality_id=MUNICIPALITY, id=1_000_000, chain=1_000_000, seq=1, at=START, verb="case:view",
            object="case:1", **sealed,
        )
    )  # fmt: skip
    kept = load(Path(__file__).parents[2] / "config.yaml", {}).kept_for()
    last = START + timedelta(days=5 * 365 + 2)
    assert last >= START.replace(year=START.year + 5)
    for moment, due in ((last, 0), (last + timedelta(seconds=1), 1)):
        found = {each.kind.name: each.count for each in plan(bench.conn, MUNICIPALITY, cutoffs(kept, moment))}
        assert (found["call_log"], found["access_log"]) == (due, due), moment


def test_a_call_that_is_turned_down_is_one_that_nobody_answered_and_none_is_withheld() -> None:
    turned_down = [twilio_words.KIND_OF_SIP[code] for code in ("433", "603", "607", "608")]
    turned_down.append(asterisk_words.KIND_OF_CAUSE[21])
    for kind in turned_down:
        moved = line.move("ringing", kind)
        assert isinstance(moved, line.Moved)
        assert (moved.state, moved.code) == ("ended", "NA"), "it waits as WAITS says of no answer"
    for prefix in ("184", "+184"):
        assert why_not(prefix + "0366590001"), "184 withholds the number"
    config = load(Path(__file__).parents[2] / "config.yaml", {})
    with pytest.raises(ConfigError, match="caller_id"):
        account_of(Twilio(account_sid="AC" + "0" * 32, webhook_url="https://callflow.example"))
    with pytest.raises(ConfigError, match="caller_id"):
        pbx_of(
            config.model_copy(update={"asterisk": Asterisk(url="http://localhost:8088", dial="PJSIP/{number}@trunk")})
        )
    with pytest.raises(ValueError, match="caller_id"):
        Twilio(caller_id="anonymous")


@one_database
def test_a_campaigns_own_terms_hold_for_promises_messages_ringing_and_the_last_dial(bench: Bench) -> None:
    """What acts outside the judgement: the grace at the judging, the message, the ring time."""
    conn, case = bench.conn, bench.case
    conn.execute(update(campaigns).values(policy=str({name: TIGHTER[name] for name in TIGHTER}).replace("'", '"')))
    rules = rules_of(conn.execute(select(campaigns)).one(), Rules(0, Policy(), Calendar()))
    assert {name: getattr(rules.policy, name) for name in TIGHTER} == TIGHTER
    assert rules.calendar.last_dial == timedelta(minutes=30)
    bench.called("NA", -10 * DAY)
    call_id = bench.called("AM1", -8 * DAY)
    now, who = START, (case.case_id, bench.world.operator)
    plain = brief(conn, MUNICIPALITY, *who, DESK, now, number_id=case.number_id)
    tight = brief(conn, MUNICIPALITY, *who, DESK, now, number_id=case.number_id, policy=rules.policy)
    assert plain is not None
    assert tight is not None
    assert (plain.conditions["may_leave_message"], tight.conditions["may_leave_message"]) == (True, False)
    assert (plain.facts["promise_horizon_days"], tight.facts["promise_horizon_days"]) == (14, 7)
    due = date(2026, 11, 10)
    conn.execute(
        insert(promises).values(
            municipality_id=MUNICIPALITY, id=1, call_id=call_id, case_id=case.case_id, state="open", due_on=due,
            amount=12_000, place="銀行", promiser="householder", made_at=START - timedelta(days=20),
        )
    )  # fmt: skip
    conn.commit()
    terms = Terms_(Terms(), Calendar(), lambda _: Policy())
    for days, judged in ((11, 0), (15, 0), (16, 1)):
        moment = datetime.combine(due + timedelta(days=days), time(12), TOKYO)
        assert judge_due(bench.world.database, MUNICIPALITY, moment, terms) == judged, "grace of the campaign: 15 days"
    phone = SimulatedPhone(bench.world.clock)
    world, other = bench.world, bench.sister
    board = Switchboard(world.database, world.clock, world.calls, phone, MUNICIPALITY, lambda _: rules)
    with world.database.write() as conn:
        conn.execute(update(calls).values(household_id=add_case(conn, 5).household_id))
        conn.execute(update(phone_numbers).where(phone_numbers.c.id == case.number_id).values(status="invalid"))
        queue.enqueue(conn, MUNICIPALITY, 1, [queue.Entry(other.case_id, other.household_id, START, 1)])
        queue.wake(conn, MUNICIPALITY, START)
    dealt = board.deal(world.operator, [1])
    assert isinstance(dealt, Deal)
    board.dial(dealt, world.operator)
    for seconds, over in ((39, False), (1, True)):
        world.clock.advance(timedelta(seconds=seconds))
        assert any(heard.closed for heard in board.listen()) is over, "it rings for 40 seconds"


def test_the_horizon_is_what_the_call_was_told(database: Database, clock: SimulatedClock) -> None:
    world = build(database, clock)
    with database.write() as conn:
        case = add_case(conn)
    verified = [("yes", {}), ("yes", {}), ("match", {"identity": IDENTITY}), ("yes", {}), ("pays", {})]
    states = []
    for days in (14, 7):
        opening = Opening(
            case.case_id,
            world.operator,
            world.script_hash,
            {},
            number_id=case.number_id,
            policy=Policy(promise_horizon_days=days),
        )
        one = world.calls.open(opening)
        for event in ("placing", "ringing", "answered"):
            world.calls.line(one, event)
        standing = world.calls.begin(one, world.operator)
        for name, typed in [*verified, ("told", {"promise.due": "R8.12.4"})]:
            standing = world.calls.answer(one, world.operator, standing.step, name, fields=typed)
        states.append(standing.state)
        with database.write() as conn:
            conn.execute(update(calls).values(live=False, line_state="ended", disposition="CB"))
    assert states[0] != states[1], "ten days on is beyond seven"


OWED = (Instalment(1, reminder_on=date(2026, 6, 1)),)
BROKEN = CaseFacts(1, 7, "national_health_insurance", 1, OWED, date(2027, 1, 1))


def test_promises_and_their_breaking() -> None:
    def ask(case: CaseFacts, at: datetime, policy: Policy | None = None, *tried: Attempt) -> Any:
        return judge(case, NumberFacts(1), History(tried), policy or Policy(), Calendar(), at)

    talked = Attempt(START, 7, 1, 1, 1, "PP", right_party=True)
    promised = replace(BROKEN, promise_due_on=date(2026, 11, 27))
    first = datetime.combine(date(2026, 12, 8), time(9), TOKYO)  # ten days on is a Monday; the follow-up a day later
    assert isinstance(ask(promised, first - timedelta(hours=17)), Refused)
    assert isinstance(ask(promised, first, None, talked), Allowed)
    assert isinstance(ask(promised, first, Policy(promise_grace_days=11), talked), Refused)
    assert isinstance(ask(replace(BROKEN, broken_promises=1), START), Allowed)
    assert isinstance(ask(replace(BROKEN, broken_promises=2), START), Refused)
    assert isinstance(ask(replace(BROKEN, broken_promises=1), START, Policy(broken_promises_to_staff=1)), Refused)
    soon = START + timedelta(hours=1)
    assert isinstance(ask(BROKEN, soon, None, talked), Refused)
    assert isinstance(ask(replace(BROKEN, promise_broken_at=START), soon, None, talked), Allowed)
    assert isinstance(ask(BROKEN, soon, Policy(disaster_stop=True)), Refused)


@pytest.mark.parametrize(("abandoned", "answered", "percent"), [(3, 100, 3), (6, 200, 3), (1, 100, 1)])
def test_a_campaign_stops_beyond_its_share_of_abandoned_calls(abandoned: int, answered: int, percent: int) -> None:
    assert not is_over(Trail(abandoned, answered - abandoned), percent)
    assert is_over(Trail(abandoned + 1, answered - abandoned - 1), percent)
