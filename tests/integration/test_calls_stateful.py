"""Any sequence of acts, on both databases, keeps the invariants of a call (I1, I3–I7, I10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, text

from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.errors import InputError, RefusedError
from callflow.playback import verify_all
from callflow.script.model import END, Level
from callflow.script.reader import read
from callflow.standing import Opening, Standing
from models.database import Database
from models.tables import (
    calls,
    contact_slips,
    living_report_links,
    living_reports,
    metadata,
    negotiation_records,
    promises,
    slip_reasons,
)
from tests.world import DESK, IDENTITY, MUNICIPALITY, WRONG_IDENTITY, TestCase, World, add_case, build

VALUES: dict[str, Any] = {
    "date": "2026-12-01",
    "slot": "2026-12-01 14:00",
    "yen": "12000",
    "phone": "03-0000-0000",
    "text": "（申し出）",
    "arrears": "oldest",
}
CANCELLED_BY = {"DV", "DC", "GD", "LW"}


class CallMachine(RuleBasedStateMachine):
    """Two cases of one household, one of another; calls opened, talked through, crashed, closed, in any order."""

    database: Database

    @initialize()
    def begin(self) -> None:
        self.clock = SimulatedClock(datetime(2026, 11, 24, 1, 0, tzinfo=UTC))
        self.world: World = build(self.database, self.clock)
        with self.database.write() as conn:
            first = add_case(conn, 1)
            self.cases: list[TestCase] = [first, add_case(conn, 2, household=first.household_id), add_case(conn, 3)]
        self.standing: Standing | None = None

    @precondition(lambda self: self.standing is None)
    @rule(
        which=st.integers(0, 2), events=st.lists(st.sampled_from(["ringing", "busy", "answered", "placed"]), max_size=4)
    )
    def dial(self, which: int, events: list[str]) -> None:
        case = self.cases[which]
        opening = Opening(case.case_id, self.world.operator, self.world.script_hash, {}, number_id=case.number_id)
        call_id = self.world.calls.open(opening)
        states = [self.world.calls.line(call_id, event) for event in ("placing", *events)]
        if states[-1] == "answered":
            self._stand(self.world.calls.begin(call_id, self.world.operator))
        else:
            self.world.calls.line(call_id, "no_answer")
            self.world.calls.close(call_id, "system")

    @precondition(lambda self: self.standing is not None)
    @rule(data=st.data(), right=st.booleans(), stale=st.sampled_from([0, 0, 0, 1]))
    def answer(self, data: st.DataObject, right: bool, stale: int) -> None:
        assert self.standing
        self.clock.advance(timedelta(seconds=5))
        if not self.standing.answers:
            return
        chosen = data.draw(st.sampled_from(sorted(answer.name for answer in self.standing.answers)))
        answer = next(one for one in self.standing.answers if one.name == chosen)
        fields = {name: self._value(name, right) for name in answer.needs}
        before = self.standing
        after = self.world.calls.answer(before.call_id, self.world.operator, before.step - stale, chosen, fields=fields)
        if after.refused:
            assert (after.state, after.step, after.party) == (before.state, before.step, before.party)
        self._stand(after)

    @precondition(lambda self: self.standing is not None)
    @rule()
    def back(self) -> None:
        assert self.standing
        self._stand(self.world.calls.back(self.standing.call_id, self.world.operator, self.standing.step))

    @precondition(lambda self: self.standing is not None)
    @rule(words=st.text(max_size=5))
    def note(self, words: str) -> None:
        assert self.standing
        try:
            self._stand(self.world.calls.note(self.standing.call_id, self.world.operator, words))
        except InputError:
            assert not words.strip() or not words.isprintable()

    @precondition(lambda self: self.standing is not None)
    @rule()
    def another_machine(self) -> None:
        """The process dies; another one shows exactly what was acknowledged."""
        assert self.standing
        self.world.calls = Calls(self.database, self.clock, self.world.shelf, DESK, MUNICIPALITY)
        found = self.world.calls.standing(self.standing.call_id, self.world.operator)
        assert (found.step, found.state, found.line, found.party) == (
            self.standing.step,
            self.standing.state,
            self.standing.line,
            self.standing.party,
        )

    @precondition(lambda self: self.standing is not None)
    @rule(give_up=st.booleans())
    def close(self, give_up: bool) -> None:
        assert self.standing
        try:
            self.world.calls.close(self.standing.call_id, "system", reason="unended" if give_up else "ended")
        except RefusedError:
            assert self.standing.state != END
            return
        self.standing = None

    @invariant()
    def no_debt_before_verification(self) -> None:
        if self.__dict__.get("standing") and self.standing and self.standing.level is Level.DEBT:
            assert self.standing.party

    def teardown(self) -> None:
        if "world" not in self.__dict__:
            return
        if self.standing:
            self.world.calls.close(self.standing.call_id, "system", reason="unended")
        with self.database.read() as conn:
            assert all(verdict.proved for verdict in verify_all(conn, self.world.shelf, MUNICIPALITY))
            ended = conn.execute(select(calls)).all()
            assert all(row.disposition and not row.live for row in ended)
            assert conn.execute(select(func.count()).select_from(negotiation_records)).scalar() == len(ended)
            made = conn.execute(select(promises.c.call_id)).scalars().all()
            assert {row.id for row in ended if row.disposition == "PP"} <= set(made)
            self._hardship(conn, {row.id: row.disposition for row in ended})

    def _hardship(self, conn: Any, codes: dict[int, str]) -> None:
        """I4: hardship said ⇔ a reason of the slip ⇔ linked to the household's one open report, unless cancelled."""
        said = set(
            conn.execute(
                select(contact_slips.c.call_id)
                .join(slip_reasons, slip_reasons.c.slip_id == contact_slips.c.id)
                .where(slip_reasons.c.reason == "hardship")
            ).scalars()
        )
        linked = {row.call_id: row.kind for row in conn.execute(select(living_report_links))}
        for call_id in said:
            assert call_id in linked or codes[call_id] in CANCELLED_BY
        assert {call_id for call_id, kind in linked.items() if kind != "cancelled"} <= said
        per_household = conn.execute(
            select(living_reports.c.household_id, func.count())
            .where(living_reports.c.state == "requested")
            .group_by(living_reports.c.household_id)
        ).all()
        assert all(count == 1 for _, count in per_household)

    def _stand(self, standing: Standing) -> None:
        self.standing = standing

    def _value(self, name: str, right: bool) -> Any:
        field = _fields()[name]
        if field.type == "identity":
            return IDENTITY if right else WRONG_IDENTITY
        if field.type == "choice":
            return field.options[0]
        if field.type == "date" and field.latest == "today":
            return "2026-11-20"
        return VALUES[field.type]


@cache
def _fields() -> Any:
    return read(Path(__file__).parents[2] / "scripts" / "nhi-premium.yaml").fields


def test_any_sequence_of_acts_keeps_the_invariants(database: Database) -> None:
    runs = 0

    class Machine(CallMachine):
        def __init__(self) -> None:
            nonlocal runs
            runs += 1
            super().__init__()
            self.database = database
            _empty(database)

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert runs >= 8


def _empty(database: Database) -> None:
    """All rows gone but the municipality's: a new world is quicker than a new database."""
    kept = {"municipalities"}
    with database.write() as conn:
        if database.is_sqlite:
            conn.execute(text("PRAGMA defer_foreign_keys = ON"))
            for table in reversed(metadata.sorted_tables):
                if table.name not in kept:
                    conn.execute(table.delete())
        else:
            conn.execute(text("SET LOCAL synchronous_commit = off"))
            names = ", ".join(table.name for table in metadata.sorted_tables if table.name not in kept)
            conn.execute(text(f"TRUNCATE {names}"))
