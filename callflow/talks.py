"""The talk of a call inside a transaction: its first line, an answer, a step back, and where it stands after each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, select

from callflow import calllog, caserecord, replay
from callflow.callbook import CallBook, Held
from callflow.calllog import Entry, by_operator
from callflow.clock import Clock
from callflow.errors import RefusedError
from callflow.identity import Known, matches
from callflow.script.model import Level
from callflow.script.talk import NotTaken, begin
from callflow.standing import Standing
from callflow.typed import is_beyond, read, said_otherwise, why_not
from models.tables import cases, debtors
from scheduler.settings import Policy

_HORIZON = timedelta(days=Policy().promise_horizon_days)
_STALE = "画面が古くなっていました。いまの段階を表示します。"
_KNOWN = (
    select(debtors.c.birth_date, debtors.c.address)
    .join(cases, (cases.c.municipality_id == debtors.c.municipality_id) & (cases.c.debtor_id == debtors.c.id))
    .where(cases.c.municipality_id == bindparam("m", type_=Integer), cases.c.id == bindparam("case"))
)


class Talks:
    """The talks of one municipality. Each method is given a call that its caller holds (`CallBook.hold`), and the
    caller's transaction.
    """

    def __init__(self, book: CallBook, clock: Clock, municipality_id: int, *, blind_identification: bool) -> None:
        self._book = book
        self._clock = clock
        self._municipality_id = municipality_id
        self._blind_identification = blind_identification

    def begin(self, conn: Connection, held: Held, operator_id: int, taken: Mapping[str, str]) -> Standing:
        """The first line. `taken`: what was not known when the call was opened (who speaks)."""
        script, told = held.flow.script, replay.taken_by(held.told, taken)
        talk = begin(script, told.direction, told.conditions)
        payload = {"to": talk.state, "line": replay.spoken(script, told, talk, {}), **taken}
        return self._step(conn, held, Entry(calllog.BEGIN, by_operator(operator_id), payload))

    def answer(
        self,
        conn: Connection,
        held: Held,
        step: int,
        name: str,
        fields: Mapping[str, Any],
        holds: Mapping[str, bool],
    ) -> Standing:
        """What `Calls.answer` says."""
        if held.told.talk is None or held.row.step != step:
            return self.standing(held, _STALE)
        now = self._clock.now()
        values = read(held.flow.script, fields, now)
        changed = said_otherwise(held.flow.script, held.told, name, values)
        if changed:
            return self.standing(held, f"読み上げた内容と違う入力です: {'、'.join(changed)}。戻って直してください。")
        screen = self._screen_conditions(conn, held, fields, {**held.told.won.values, **values}, holds, now)
        return self._take(conn, held, name, values, screen, now)

    def back(self, conn: Connection, held: Held, step: int) -> Standing:
        """One answer back: an event of its own that takes back what that answer had won."""
        if held.told.talk is None or held.row.step != step:
            return self.standing(held, _STALE)
        talk = held.flow.back(held.told.talk)
        if isinstance(talk, NotTaken):
            return self.standing(held, "これより前には戻れません。")
        after = replay.given_up(held.told, talk)
        spoken = replay.spoken(held.flow.script, after, talk, after.won.values)
        payload = {"state": held.told.talk.state, "to": talk.state, "line": spoken}
        return self._step(conn, held, Entry(calllog.BACK, by_operator(held.row.operator_id), payload))

    def note(self, conn: Connection, held: Held, operator_id: int, text: str) -> Standing:
        """`text` in the record of the call."""
        return self._step(conn, held, Entry(calllog.NOTE, by_operator(operator_id), {"text": text}), steps=0)

    def standing(self, held: Held, refused: str = "", *, step: int | None = None) -> Standing:
        """Where the talk stands. `step`: that of the row by now, where it moved in this transaction.

        Raises RefusedError where a line that touches the debt would be shown before anybody is verified (I5).
        """
        talk, script = held.told.talk, held.flow.script
        state = script.states.get(talk.state) if talk else None
        level = replay.level_of(script, held.told, state.name) if state else Level.NOTHING
        if talk and level is Level.DEBT and talk.party is None:
            raise RefusedError("本人確認の前に債務に触れる台詞は表示できません", mend="台本の検査を受けてください")
        return Standing(
            call_id=held.row.id,
            step=held.row.step if step is None else step,
            line_state=held.line_state,
            state=talk.state if talk else "",
            line=held.told.line,
            level=level,
            party=talk.party if talk else None,
            asks=state.asks if state else (),
            answers=tuple(state.answers.values()) if state else (),
            refused=refused,
            values=held.told.won.values,
            facts=held.told.facts if talk and talk.party else {},
        )

    def _take(
        self,
        conn: Connection,
        held: Held,
        name: str,
        values: Mapping[str, Any],
        screen: Mapping[str, bool],
        now: datetime,
    ) -> Standing:
        told, flow = held.told, held.flow
        assert told.talk is not None
        holds = {**told.conditions, **screen}
        taken = flow.answer(told.talk, name, fields=frozenset(values), holds=holds)
        if isinstance(taken, NotTaken):
            return self.standing(held, why_not(taken))
        seq = held.head.count + 1
        after = replay.won_by(flow.script, told, taken, name, values, seq)
        spoken = replay.spoken(flow.script, after, taken.talk, after.won.values)
        payload = {
            "step": held.row.step,
            "state": told.talk.state,
            "answer": name,
            "fields": dict(values),
            "holds": dict(screen),
            "to": taken.talk.state,
            "line": spoken,
            "party": taken.talk.party,
        }
        for signal in after.signals[len(told.signals) :]:
            caserecord.raise_signal(self._book.owner(conn, held, now), signal)
        return self._step(conn, held, Entry(calllog.ANSWER, by_operator(held.row.operator_id), payload))

    def _step(self, conn: Connection, held: Held, entry: Entry, *, steps: int = 1) -> Standing:
        now = self._clock.now()
        step = held.row.step + steps
        return self.standing(self._book.append(conn, held, [entry], now, {"step": step}), step=step)

    def _screen_conditions(
        self,
        conn: Connection,
        held: Held,
        typed: Mapping[str, Any],
        values: Mapping[str, Any],
        given: Mapping[str, bool],
        now: datetime,
    ) -> dict[str, bool]:
        declared = {name for name, kind in held.flow.script.conditions.items() if kind == "screen"}
        holds = {name: bool(value) for name, value in given.items() if name in declared}
        if "identity_matches" in declared and self._blind_identification:
            tried = typed.get("identity")
            holds["identity_matches"] = isinstance(tried, Mapping) and matches(self._known(conn, held.row), tried)
        if "beyond_horizon" in declared:
            days = held.told.facts.get("promise_horizon_days")
            horizon = _HORIZON if days is None else timedelta(days=int(days))
            holds["beyond_horizon"] = is_beyond(values.get("promise.due"), horizon, now)
        return {name: holds.get(name, False) for name in sorted(declared)}

    def _known(self, conn: Connection, row: Row[Any]) -> Known:
        known = conn.execute(_KNOWN, {"m": self._municipality_id, "case": row.case_id}).one()
        return Known(known.birth_date, known.address)
