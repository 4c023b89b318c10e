"""Invented residents: who answers the telephone, what they want, and how they say it.

Proportions follow the seed where it gives any: about 70 % had forgotten and pay when reminded, about 1,000
wished to be advised, 26 of them in real hardship [seed, line 129]; the rest is our own judgement, stated in
docs/simulation.md. Everything follows from the seed of the run, so that a run can be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from callflow.clock import TOKYO
from callflow.script.model import Answer, Field

LINE_WEIGHTS: Mapping[str, float] = {
    "answered": 0.53,
    "no_answer": 0.33,
    "busy": 0.06,
    "unreachable": 0.05,
    "invalid_number": 0.02,
    "fax": 0.01,
}
"""What the line does, by day; about half of all calls are answered (performance.md: Kawasaki)."""

INTENTS: Mapping[str, float] = {
    "PP": 50.0,
    "PX": 5.0,
    "PD": 7.0,
    "PR": 5.0,
    "DD": 2.0,
    "HC": 3.0,
    "HR": 2.0,
    "HS": 1.0,
    "IN": 3.0,
    "RF": 2.0,
    "DA": 1.0,
    "DQ": 1.0,
    "CP": 0.5,
    "AV": 0.3,
    "EM": 0.2,
    "DC": 0.3,
    "MV": 0.7,
    "LG": 0.6,
    "HI": 0.4,
    "GD": 0.2,
    "LW": 0.3,
    "DV": 0.2,
    "NC": 0.6,
    "OS": 0.6,
    "CB": 4.0,
    "VD": 2.0,
    "VF": 1.0,
    "CH": 2.0,
    "TP": 6.0,
    "WN": 1.5,
    "AM0": 6.0,
    "AM1": 6.0,
}
"""What a voice that answers leads to, as weights of the outcomes."""

UNKNOWN = "不明"
REASONS: Mapping[str, float] = {
    "忘れていた": 70.0,
    "収入の減少・失業": 9.0,
    "ほかの支払い": 7.0,
    "納付書がない": 5.0,
    "病気・けが": 4.0,
    "制度への疑問": 2.0,
    UNKNOWN: 3.0,
}
"""Why a resident has not paid. 70 % had forgotten [seed, line 129]; the rest is our own judgement."""

_HARD = {"PP": 0.3, "PX": 2.0, "HC": 12.0, "HR": 12.0, "HS": 12.0, "IN": 8.0}
LEANINGS: Mapping[str, Mapping[str, float]] = {
    "忘れていた": {"HC": 0.1, "HR": 0.1, "HS": 0.1, "IN": 0.3},
    "収入の減少・失業": _HARD,
    "病気・けが": _HARD,
    "ほかの支払い": {"PX": 4.0, "IN": 4.0},
    "納付書がない": {"PR": 10.0},
    "制度への疑問": {"RF": 15.0, "DA": 8.0, "DQ": 8.0},
}
"""How much more, or less, a reason makes an outcome likely."""

REASON_FIELD = "arrears_reason.kind"
CANDOUR = 0.8
"""How likely a resident who is asked gives the true reason; the operator notes 不明 otherwise."""

HANG_UP, SIGNAL, SECOND_THOUGHT = 0.008, 0.006, 0.015
"""How likely a resident hangs up, shows a sign of hardship, or makes the operator step back, at each line."""

WANDERING, LATE = 0.05, 0.05
"""How likely a talk takes another way than a shortest one, by any state; how likely a date is beyond two weeks."""

SIGNAL_WORDS = ("仕事・収入", "病気・障害", "食事・光熱費")


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What this resident could say to be identified, and owes."""

    birth_date: str
    address: str
    amount: int  # yen of the oldest instalment


def reason_of(seed: int, case_id: int) -> str:
    """Why this case is in arrears: the truth of the run with this seed, the same in all calls of the case."""
    return _pick(random.Random(f"{seed}:{case_id}:reason"), REASONS)


class Resident:
    """One voice in one call. `chance` is the resident's own, so that residents do not disturb each other."""

    def __init__(self, chance: random.Random, knowledge: Knowledge, reason: str = UNKNOWN) -> None:
        self.chance = chance
        self._knowledge = knowledge
        self.reason = reason
        self._told: dict[str, Any] = {}

    def line(self) -> str:
        """What the telephone line does: a kind of `callflow.line` event."""
        return _pick(self.chance, LINE_WEIGHTS)

    def intent(self, reachable: Mapping[str, Any]) -> str:
        """The outcome that this talk leads to if nothing comes between."""
        leaning = LEANINGS.get(self.reason, {})
        codes = [code for code in reachable if code not in ("HU0", "HU1")]
        return _pick(self.chance, {code: INTENTS.get(code, 0.2) * leaning.get(code, 1.0) for code in codes})

    def wandering(self, reachable: Mapping[str, Any]) -> str | None:
        """The state by which this talk goes without need; mostly none."""
        return self.chance.choice(sorted(reachable)) if self.chance.random() < WANDERING else None

    def interruption(self) -> str | None:
        """What comes between at one line: `hang_up`, `signal`, `back`, or nothing."""
        drawn = self.chance.random()
        for name, share in (("hang_up", HANG_UP), ("signal", SIGNAL), ("back", SECOND_THOUGHT)):
            if drawn < share:
                return name
            drawn -= share
        return None

    def says(
        self,
        answer: Answer,
        fields: Mapping[str, Field],
        now: datetime,
        asks: Sequence[str] = (),
        anew: Set[str] = frozenset(),
    ) -> dict[str, Any]:
        """What is typed with an answer: a fitting value for every field that it needs, and the reason if asked.

        What was told before is told again, but for the fields of `anew` (`script.fields.told_anew`).
        """
        matching = answer.only_if is None or not answer.only_if.negated
        for name in answer.needs:
            if name in anew or name not in self._told:
                self._told[name] = self._value(fields[name], now, matching)
        typed = {name: self._told[name] for name in answer.needs}
        if REASON_FIELD in asks and not answer.from_anywhere and not answer.new_voice:
            told = self.reason if self.chance.random() < CANDOUR else UNKNOWN
            typed |= {REASON_FIELD: told} if told in fields[REASON_FIELD].options else {}
        return typed

    def _value(self, field: Field, now: datetime, matching: bool) -> Any:
        today = now.astimezone(TOKYO).date()
        match field.type:
            case "identity":
                return self._identity(matching)
            case "date":
                past = field.latest == "today"
                ahead = self.chance.randint(15, 28) if self.chance.random() < LATE else self.chance.randint(2, 13)
                days = -self.chance.randint(1, 20) if past else ahead
                return (today + timedelta(days=days)).isoformat()
            case "slot":
                return (
                    f"{(today + timedelta(days=self.chance.randint(1, 6))).isoformat()} {self.chance.randint(9, 16)}:00"
                )
            case "yen":
                return self._knowledge.amount or 1_000
            case "choice":
                return self.chance.choice(field.options)
            case "choices":
                return [self.chance.choice(field.options)]
            case "phone":
                return "03-0000-0000"
            case "arrears":
                return "oldest"
            case _:
                return "（模擬の申し出）"

    def _identity(self, matching: bool) -> dict[str, Any]:
        if not matching:
            return {"name": True, "birth_date": "1900-01-01"}
        if self._knowledge.birth_date:
            return {"name": True, "birth_date": self._knowledge.birth_date}
        return {"name": True, "address": self._knowledge.address}


def _pick(chance: random.Random, weights: Mapping[str, float]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]
