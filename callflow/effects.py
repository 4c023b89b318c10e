"""What a call causes, as data.

The effects are what the call's log amounts to when it ends: computed once, here, by a pure function, and
applied in one place (`callflow.caserecord`), in the transaction that ends the call. Only a signal and an
emergency act at once; they are in the log like everything else, and repeated here so that replay sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

NEXT_CALL_NEVER: frozenset[str] = frozenset({"DV", "DC", "GD", "LW", "NC"})
"""Codes after which the contractor does not call again until staff say so."""

Values = Mapping[str, Any]
InWords = Callable[[Sequence[Values]], Sequence[str]]
"""What was typed, as it stood at several moments, oldest first, in lines that staff read."""
Urgency = Literal["normal", "same_day", "urgent"]
CONSULTATION = {"HC": "staff_calls", "HR": "resident_calls"}

EFFECT_WORDS: Mapping[str, str] = {
    "negotiation_record": "交渉経過の記録",
    "promise": "納付約束",
    "contact_slip": "連絡票",
    "living_report": "生活状況報告書の申出",
    "hardship": "生活が苦しいという申出",
    "callback": "かけ直し",
    "suppress": "架電の停止",
    "number_invalid": "番号の無効",
    "signal": "シグナル",
    "emergency": "緊急の知らせ",
    "off_script": "台本外",
    "reissue": "納付書の再発行",
    "written_only": "文書だけでの案内",
    "address_check": "転居の確認",
    "payment_check": "納付の確認",
    "form": "口座振替の用紙",
}
"""Every word that a script may write under `does`, `makes` and `cancels`, and what people read for it."""

EFFECT_NAMES = frozenset(EFFECT_WORDS)

IMMEDIATE = frozenset({"signal", "emergency"})
_TASKS = {
    "reissue": "reissue",
    "address_check": "address_check",
    "payment_check": "payment_check",
    "form": "form",
}


@dataclass(frozen=True, slots=True)
class Earned:
    """An effect that a talk has won: with what was filled in, by whom it was said, and where in the log."""

    seq: int
    state: str
    party: str | None
    values: Values


@dataclass(frozen=True, slots=True)
class Ending:
    """What the log of a call amounts to. `code` is the disposition, `makes`/`cancels` are that code's own."""

    code: str
    party: str | None = None
    earned: Mapping[str, Earned] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    makes: tuple[str, ...] = ()
    cancels: tuple[str, ...] = ()
    signals: tuple[RaiseSignal, ...] = ()
    off_scripts: tuple[NoteOffScript, ...] = ()
    notes: tuple[str, ...] = ()
    in_words: InWords = field(default=lambda _times: [], compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RecordNegotiation:
    """One line of the 交渉経過記録. `ack_candidate`: the verified householder promised (R10)."""

    code: str
    party: str | None
    text: str
    ack_candidate: bool


@dataclass(frozen=True, slots=True)
class MakePromise:
    due_on: str  # ISO date
    amount: int  # yen
    place: str
    promiser: str
    covers: str  # `oldest`, `all`, or empty: the amount fills the oldest first


@dataclass(frozen=True, slots=True)
class RaiseContactSlip:
    reasons: tuple[str, ...]  # sorted; disposition codes, `hardship`, `signal`, `emergency`
    urgency: Urgency
    consultation: str  # staff_calls | resident_calls | undecided | empty
    text: str


@dataclass(frozen=True, slots=True)
class RequestLivingReport:
    """One open report per household: created, or the open one is marked as reminded."""


@dataclass(frozen=True, slots=True)
class CancelLivingReport:
    """Nothing goes to that address: the request of this call and any open one is cancelled by `code`."""

    code: str


@dataclass(frozen=True, slots=True)
class ScheduleCallback:
    at: str  # ISO instant, UTC
    phone: str  # as given; empty: the number that was dialled
    unverified: bool


@dataclass(frozen=True, slots=True)
class SuppressCase:
    reason: str  # the code
    household: bool  # the whole household, not only this case


@dataclass(frozen=True, slots=True)
class InvalidateNumber:
    status: Literal["invalid", "wrong"]


@dataclass(frozen=True, slots=True)
class RaiseTask:
    kind: str  # a kind of `ward_tasks`


@dataclass(frozen=True, slots=True)
class RaiseSignal:
    kind: Literal["signal", "emergency"]
    reason: str
    seq: int


@dataclass(frozen=True, slots=True)
class NoteOffScript:
    state: str
    reason: str
    seq: int


Effect = (
    RecordNegotiation
    | MakePromise
    | RaiseContactSlip
    | RequestLivingReport
    | CancelLivingReport
    | ScheduleCallback
    | SuppressCase
    | InvalidateNumber
    | RaiseTask
    | RaiseSignal
    | NoteOffScript
)


_BY_NAME: dict[str, type[Any]] = {each.__name__: each for each in get_args(Effect)}

EFFECT_LABELS: Mapping[str, str] = {
    "RecordNegotiation": "交渉経過",
    "MakePromise": "納付約束",
    "RaiseContactSlip": "連絡票",
    "RequestLivingReport": "生活状況報告書の申出",
    "CancelLivingReport": "報告書の取りやめ",
    "ScheduleCallback": "かけ直し",
    "SuppressCase": "架電の停止",
    "InvalidateNumber": "番号の無効",
    "RaiseTask": "区への依頼",
    "RaiseSignal": "シグナル",
    "NoteOffScript": "台本外",
}
"""What people read for each effect's name."""


def as_data(effect: Effect) -> dict[str, Any]:
    """The effect as it stands in the log: its name and its values."""
    values = ((name, getattr(effect, name)) for name in effect.__dataclass_fields__)
    return {
        "effect": type(effect).__name__,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in values},
    }


def from_data(data: Mapping[str, Any]) -> Effect:
    """The effect that `as_data` wrote."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k != "effect"}
    made: Effect = _BY_NAME[data["effect"]](**values)
    return made


def effects_of(ending: Ending) -> tuple[Effect, ...]:
    """Everything that the ended call causes, in the order in which it is applied."""
    earned = dict(ending.earned)
    for name in ending.makes:
        earned.setdefault(name, Earned(0, "", ending.party, ending.values))
    found: list[Effect] = [_negotiation(ending, earned)]
    if (promise := earned.get("promise")) and promise.party:
        found.append(_promise(promise))
    found += _slip(ending, earned)
    found += _living_report(ending, earned)
    found += _callback(earned)
    found += _suppression(ending, earned)
    if "number_invalid" in earned:
        found.append(InvalidateNumber("wrong" if ending.code == "WN" else "invalid"))
    found += [RaiseTask(kind) for name, kind in _TASKS.items() if name in earned]
    if "written_only" in earned:
        found.append(RaiseTask("letter"))
    return (*found, *ending.signals, *ending.off_scripts)


def _negotiation(ending: Ending, earned: Mapping[str, Earned]) -> RecordNegotiation:
    promised = earned.get("promise")
    by_householder = promised is not None and promised.party == "householder"
    return RecordNegotiation(ending.code, ending.party, "\n".join(ending.notes), by_householder)


def _promise(promise: Earned) -> MakePromise:
    values = promise.values
    return MakePromise(
        due_on=str(values["promise.due"]),
        amount=int(values["promise.amount"]),
        place=str(values["promise.place"]),
        promiser=str(promise.party),
        covers=str(values.get("promise.covers", "")),
    )


def _slip(ending: Ending, earned: Mapping[str, Earned]) -> list[Effect]:
    reasons = set()
    if "contact_slip" in earned:
        reasons.add(ending.code)
    if "hardship" in earned:
        reasons.add("hardship")
    reasons |= {signal.kind for signal in ending.signals}
    if not reasons:
        return []
    urgency: Urgency = "urgent" if "emergency" in reasons else "same_day" if ending.code in ("CP", "AV") else "normal"
    consultation = CONSULTATION.get(ending.code, "undecided") if "hardship" in reasons else ""
    return [RaiseContactSlip(tuple(sorted(reasons)), urgency, consultation, _slip_text(ending, earned))]


_SPOKEN_WITH = {
    "householder": "世帯主・本人（確認済み）",
    "spouse": "配偶者・もう一人の保護者（確認済み）",
    None: "確認していない方",
}
_RAISED = {"signal": "困りごとの気配", "emergency": "緊急（生命・健康）"}


def _slip_text(ending: Ending, earned: Mapping[str, Earned]) -> str:
    """What staff read: who said it, what was noticed, what was told, and the operator's notes."""
    said = [earned[name] for name in ("contact_slip", "hardship") if name in earned and earned[name].seq]
    causes = sorted(said, key=lambda cause: cause.seq)
    parties = dict.fromkeys([cause.party for cause in causes] or [ending.party])
    lines = ["話した相手: " + "、".join(_SPOKEN_WITH[party] for party in parties)]
    for signal in ending.signals:
        lines.append(": ".join(filter(None, (_RAISED[signal.kind], signal.reason))))
    hidden = ("identity", "signal", "promise") if "promise" in earned else ("identity", "signal")
    times = [*(cause.values for cause in causes), ending.values]
    shown = [{name: value for name, value in each.items() if name.split(".")[0] not in hidden} for each in times]
    return "\n".join([*lines, *ending.in_words(shown), *(f"メモ: {note}" for note in ending.notes)])


def _living_report(ending: Ending, earned: Mapping[str, Earned]) -> list[Effect]:
    if "living_report" in ending.cancels:
        return [CancelLivingReport(ending.code)]
    return [RequestLivingReport()] if {"hardship", "living_report"} & earned.keys() else []


def _callback(earned: Mapping[str, Earned]) -> list[Effect]:
    asked = earned.get("callback")
    if asked is None or "callback.at" not in asked.values:
        return []
    phone = str(asked.values.get("callback.phone", ""))
    return [ScheduleCallback(str(asked.values["callback.at"]), phone, unverified=asked.party is None)]


def _suppression(ending: Ending, earned: Mapping[str, Earned]) -> list[Effect]:
    if "suppress" not in earned and "written_only" not in earned:
        return []
    reason = ending.code if "suppress" in earned else "NC"
    return [SuppressCase(reason, household=reason == "DV")]
