"""What may be done with a slip, a living report or a visit, from which state, by whom. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from callflow.errors import InputError, RefusedError, Where

LONGEST_NOTE: Final = 1000  # characters
Thing = Literal["slip", "report", "promise", "visit"]


@dataclass(frozen=True, slots=True)
class Act:
    """`label` on screen. `after` empty: the state stays. `note`: a reason or a result must be written."""

    label: str
    before: frozenset[str]
    after: str
    role: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """An act that is allowed: from which states to which, with what was written."""

    act: str
    before: frozenset[str]
    after: str
    note: str


def _act(label: str, before: str, after: str, role: str = "staff", *, note: bool = False) -> Act:
    return Act(label, frozenset(before.split()), after, role, note)


SLIP_ACTS: Final[Mapping[str, Act]] = {
    "receive": _act("受理", "raised", "received"),
    "take": _act("対応を始める", "raised received", "in_work"),
    "release": _act("受理に戻す", "in_work", "received"),
    "done": _act("完了", "in_work", "done", note=True),
    "send_back": _act("業務責任者へ差戻し", "raised received in_work", "sent_back", note=True),
    "answer": _act("回答して区へ返す", "sent_back", "received", "supervisor", note=True),
    "reopen": _act("対応を再開", "done", "in_work", note=True),
}
SLIP_STATES: Final[Mapping[str, str]] = {
    "raised": "未受理",
    "received": "受理",
    "in_work": "対応中",
    "sent_back": "差戻し中",
    "done": "完了",
    "cancelled": "取消",
}
OPEN_SLIP: Final = ("raised", "received", "in_work", "sent_back")

REPORT_ACTS: Final[Mapping[str, Act]] = {
    "send": _act("送付済みにする", "requested", "sent"),
    "send_again": _act("再送付済みにする", "re_requested", ""),
    "re_request": _act("再依頼", "sent", "re_requested"),
    "escalate": _act("再架電・訪問へ", "sent re_requested", "escalated"),
    "returned": _act("返送を記録", "sent re_requested escalated", "returned"),
    "consulted": _act("相談を記録", "returned", "", note=True),
    "decide": _act("決定", "returned", "reviewed", note=True),
    "recall": _act("再架電にする", "escalated", ""),
    "visit": _act("訪問にする", "escalated", ""),
    "cancel": _act("取りやめ", "requested sent re_requested escalated", "cancelled", note=True),
}
REPORT_STATES: Final[Mapping[str, str]] = {
    "requested": "送付待ち",
    "sent": "送付済",
    "re_requested": "再依頼",
    "escalated": "未返送（再架電・訪問）",
    "returned": "返送",
    "reviewed": "完了",
    "cancelled": "取消",
}
DECISIONS: Final[Mapping[str, str]] = {
    "unable": "納付困難",
    "reduction": "減免を案内",
    "deferral": "猶予を案内",
    "instalments": "分割納付",
    "welfare": "福祉の窓口へ",
    "pays": "納付できる",
}
"""What staff decide on a returned report. `unable` is what council question C8 counts."""

VISIT_ACTS: Final[Mapping[str, Act]] = {
    "hand": _act("訪問担当へ引き渡し", "listed handed", "handed"),
    "result": _act("訪問の結果", "listed handed", "visited"),
    "cancel": _act("取りやめ", "listed handed", "cancelled", note=True),
}
VISIT_STATES: Final[Mapping[str, str]] = {
    "listed": "訪問待ち",
    "handed": "引き渡し済",
    "visited": "訪問済",
    "cancelled": "取りやめ",
}
VISIT_REASONS: Final[Mapping[str, str]] = {
    "report_not_returned": "生活状況報告書の未返送",
    "promise_broken": "納付約束の不履行",
    "no_contact": "電話がつながらない",
    "other": "そのほか",
}
VISIT_RESULTS: Final[Mapping[str, str]] = {
    "met": "面会",
    "family": "家族と面会",
    "absent": "不在（不在票）",
    "moved": "転居・所在不明",
    "refused": "面会拒否",
    "paid": "その場で納付",
}
ACTS: Final[Mapping[Thing, Mapping[str, Act]]] = {"slip": SLIP_ACTS, "report": REPORT_ACTS, "visit": VISIT_ACTS}
STATES: Final[Mapping[Thing, Mapping[str, str]]] = {
    "slip": SLIP_STATES,
    "report": REPORT_STATES,
    "visit": VISIT_STATES,
}
NAMES: Final[Mapping[Thing, str]] = {
    "slip": "連絡票",
    "report": "生活状況報告書",
    "promise": "納付約束",
    "visit": "訪問",
}


def decide(thing: Thing, name: str, state: str, roles: frozenset[str], note: str) -> Move:
    """The move that an act is, or why it is none.

    Raises RefusedError where the role or the state forbids it, InputError for what must be written and is not.
    """
    act = ACTS[thing].get(name)
    if act is None:
        raise InputError(f"{name} という操作はありません", mend=f"使えるもの: {'、'.join(ACTS[thing])}")
    if act.role not in roles:
        raise RefusedError(f"「{act.label}」をする権限がありません", mend=f"必要な役割: {act.role}")
    if state not in act.before:
        now, may = STATES[thing].get(state, state), "、".join(STATES[thing][each] for each in sorted(act.before))
        raise RefusedError(
            f"この{NAMES[thing]}は「{now}」なので、「{act.label}」はできません", mend=f"できるのは: {may}"
        )
    written = note.strip()
    if act.note and not written:
        raise InputError(f"「{act.label}」には内容が要ります", where=Where(field="note"), mend="理由か結果を書きます")
    if len(written) > LONGEST_NOTE:
        raise InputError(f"{LONGEST_NOTE}字までです（いま {len(written)}字）", where=Where(field="note"))
    return Move(name, act.before, act.after or state, written)


def possible(thing: Thing, state: str, roles: frozenset[str]) -> dict[str, Act]:
    """The acts that somebody of these roles may do now."""
    return {name: act for name, act in ACTS[thing].items() if state in act.before and act.role in roles}
