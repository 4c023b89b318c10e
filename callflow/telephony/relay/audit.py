"""Reads the relay's file for a person: is it whole, what happened, and was anything done that must not be. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from callflow.clock import TOKYO
from callflow.telephony.relay.book import NEVER_DIALLED
from callflow.telephony.relay.journal import Line, instant_of

WORDS: Final[dict[str, str]] = {
    "start": "中継が動き始めた（版 {version}、呼出 {ring_s} 秒・通話 {limit_s} 秒まで）",
    "mended": "書きかけで途切れた最後の行を切り取った（{bytes} バイト）",
    "seat": "発信 {attempt} は席 {desk} の担当者が話す",
    "order": "発信の指図 {attempt}: {number} へ、期限 {deadline}",
    "placed": "電話が受け付けた {attempt}（{ref}）",
    "refused": "電話が断った {attempt}（{disposition}）。かけていない",
    "busy": "電話が受けなかった {attempt}。かけていない",
    "unknown": "電話の返事がない {attempt}。かかったかもしれない。かけ直さない",
    "expired": "期限 {deadline} を過ぎていた {attempt}。かけていない",
    "capped": "上限に達していた {attempt}。かけていない",
    "forbidden": "かけてよい番号ではなかった {attempt}。かけていない",
    "void": "指図のないまま問われた {attempt}。この後の指図は受けない",
    "happened": "{attempt} の回線: {kind}（{cause}、{told}）",
    "hang_up": "切断の指図 {attempt}（{ref}）",
    "call_desk": "担当者の電話 {receiver} を呼ぶ指図（席 {desk}）",
    "desk": "席 {desk} の電話: {state}（{told}）",
    "hang_up_desk": "席 {desk} の電話を切る指図",
    "hold": "席 {desk} の保留（{ref}、{on}）",
    "bring_in": "席 {desk} に責任者の電話 {receiver} を呼ぶ指図",
    "hand_over": "席 {desk} の通話を責任者に渡す指図",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the relay must never do, at a line."""

    line: int
    ja: str


@dataclass(slots=True)
class Audit:
    """What a file says. `counts`: lines by kind; `orders`: by attempt, the kind of its last line."""

    lines: int = 0
    head: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    orders: dict[str, str] = field(default_factory=dict)

    @property
    def unsettled(self) -> list[str]:
        """Orders whose fate is not in the file."""
        return [attempt for attempt, last in self.orders.items() if last in ("order", "unknown")]


def audit(lines: Iterable[Line]) -> Audit:
    """Holds the rules against checked lines: one order each, before its deadline, and no call without an order."""
    found = Audit()
    for line in lines:
        found.lines, found.head = line.number, line.hash
        found.counts[line.what] += 1
        found.faults += [Fault(line.number, ja) for ja in _faults(line, found)]
        attempt = line.fields.get("attempt")
        if attempt and line.what not in ("seat", "hang_up"):
            found.orders[attempt] = line.what
    return found


def _faults(line: Line, before: Audit) -> Iterator[str]:
    attempt = line.fields.get("attempt", "")
    known = before.orders.get(attempt, "")
    if line.what == "order":
        if known:
            yield f"{attempt} は二度目の指図です（前は {known}）"
        if line.at >= instant_of(line.fields["deadline"]):
            yield f"{attempt} は期限を過ぎてから受けた指図です"
    if line.what in ("placed", "unknown") and known not in ("order", "happened"):
        yield f"{attempt} は指図がないのに発信しました"
    if line.what == "happened" and (not known or known in NEVER_DIALLED):
        yield f"{attempt} はかけていないはずの回線が動きました"


def told(line: Line) -> str:
    """A line in words, its times in Tokyo."""
    fields = {name: _local(value) if name in ("deadline", "told") else value for name, value in line.fields.items()}
    return f"{line.number:>6} {line.at.astimezone(TOKYO):%Y-%m-%d %H:%M:%S} {WORDS[line.what].format(**fields)}"


def _local(text: str) -> str:
    return f"{instant_of(text).astimezone(TOKYO):%H:%M:%S}"
