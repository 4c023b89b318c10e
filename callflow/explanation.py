"""Why a case is or is not called now, in words, with the next moment. No name, number or amount is among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from callflow.clock import TOKYO
from models.tables import campaigns, cases, debtors, households, queue_entries
from scheduler.calendar import Band
from scheduler.chances import Chances, Tally
from scheduler.dealing import Rules
from scheduler.ranking import Choice, Rank, choose, rank
from scheduler.snapshot import facts_for
from scheduler.verdict import Allowed, Block, Refused

_WEEKDAYS = "月火水木金土日"
QUEUE_WORDS = {
    "scheduled": "予定",
    "ready": "架電待ち",
    "claimed": "担当者に割り当て済み",
    "held": "保留",
    "done": "終了",
}


@dataclass(frozen=True, slots=True)
class Hour:
    """A band that the calendar offers: the chance of the right party on the best number, and the case's own calls."""

    band: Band
    chance: float
    own: Tally


@dataclass(frozen=True, slots=True)
class Explanation:
    """One case in one campaign, or outside any (`campaign` empty), as judged at `at`."""

    case_id: int
    claim_type: str
    at: datetime
    campaign: str
    queue_state: str
    due_at: datetime | None
    choice: Choice
    rank: Rank
    hours: tuple[Hour, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        verdict = self.choice.verdict
        return verdict.blocks if isinstance(verdict, Refused) else ()

    @property
    def best_hour(self) -> Hour | None:
        return max(self.hours, key=lambda hour: hour.chance, default=None)

    @property
    def next_at(self) -> datetime | None:
        """When the case may be called if nothing changes; None: not before somebody acts."""
        verdict = self.choice.verdict
        return verdict.earliest if isinstance(verdict, Refused) else self.at


def find_cases(conn: Connection, municipality_id: int, word: str, *, protected: bool = True) -> list[int]:
    """The ids of the cases meant by a case id or a 宛名番号; empty if there is none.

    `protected` False: cases of protected households (支援措置) are not there.
    """
    meant = [debtors.c.addressee_no == word]
    if word.isascii() and word.isdigit() and len(word) <= 18:
        meant.append(cases.c.id == int(word))
    joined = cases.join(
        debtors, (debtors.c.municipality_id == cases.c.municipality_id) & (debtors.c.id == cases.c.debtor_id)
    )
    joined = joined.join(
        households,
        (households.c.municipality_id == cases.c.municipality_id) & (households.c.id == cases.c.household_id),
    )
    query = select(cases.c.id).select_from(joined).where(cases.c.municipality_id == municipality_id, or_(*meant))
    if not protected:
        query = query.where(~households.c.protected)
    return list(conn.execute(query.order_by(cases.c.id)).scalars())


def explain(
    conn: Connection,
    municipality_id: int,
    case_id: int,
    now: datetime,
    rules_of_campaign: Callable[[int], Rules],
    rules_of_claim_type: Callable[[str], Rules],
) -> list[Explanation]:
    """One for each campaign that has the case and is not over, else one outside any. LookupError: no such case."""
    entries = _entries(conn, municipality_id, case_id)
    if entries:
        return [_explain(conn, municipality_id, case_id, now, rules_of_campaign(e.campaign_id), e) for e in entries]
    claim_type = conn.execute(
        select(cases.c.claim_type).where(cases.c.municipality_id == municipality_id, cases.c.id == case_id)
    ).scalar_one_or_none()
    if claim_type is None:
        raise LookupError(f"no case {case_id}")
    return [_explain(conn, municipality_id, case_id, now, rules_of_claim_type(claim_type), None)]


def in_words(told: Explanation) -> list[str]:
    """As people read it, one line each; Japanese."""
    where = f"キャンペーン「{told.campaign}」" if told.campaign else "どのキャンペーンにも入っていません"
    lines = [f"案件 {told.case_id}（{where}）", f"{moment(told.at)} 現在:"]
    verdict = told.choice.verdict
    if isinstance(verdict, Allowed):
        position = told.choice.number.position if told.choice.number else 0
        lines.append(f"  いま架電できます（電話番号は一覧の{position}番目）")
        lines += [f"  注意: {notice.ja}" for notice in verdict.notices]
    else:
        lines.append("  いまは架電できません")
        lines += [f"  ・{block.reason.ja}{_until(block)}" for block in verdict.blocks]
        lines.append(f"  {_next(told)}")
    lines += _by_number(told.choice)
    lines.append(f"  優先度 {told.rank.priority}: {told.rank.motive.ja}")
    lines += _by_hour(told)
    if told.queue_state:
        due = f"、{moment(told.due_at)} から" if told.due_at and told.queue_state in ("scheduled", "ready") else ""
        lines.append(f"  待ち行列: {QUEUE_WORDS[told.queue_state]}{due}")
    return lines


def as_data(told: Explanation) -> dict[str, Any]:
    """The same for programs; instants in ISO 8601, Asia/Tokyo."""
    return {
        "case": told.case_id,
        "claim_type": told.claim_type,
        "campaign": told.campaign or None,
        "at": _iso(told.at),
        "callable": isinstance(told.choice.verdict, Allowed),
        "reasons": [
            {"code": block.reason.code, "ja": block.reason.ja, "en": block.reason.en, "until": _iso(block.until)}
            for block in told.blocks
        ],
        "next_at": _iso(told.next_at),
        "priority": told.rank.priority,
        "motive": told.rank.motive.name.lower(),
        "chance": round(told.rank.chance, 3),
        "best_band": told.best_hour.band.name.lower() if told.best_hour else None,
        "bands": [
            {
                "band": hour.band.name.lower(),
                "chance": round(hour.chance, 3),
                "tried": hour.own.tried,
                "reached": hour.own.reached,
            }
            for hour in told.hours
        ],
        "queue": {"state": told.queue_state, "due_at": _iso(told.due_at)} if told.queue_state else None,
    }


def moment(instant: datetime) -> str:
    """`2026年11月24日(火) 10:00`, in Tokyo."""
    local = instant.astimezone(TOKYO)
    return f"{local.year}年{local.month}月{local.day}日({_WEEKDAYS[local.weekday()]}) {local:%H:%M}"


def _entries(conn: Connection, municipality_id: int, case_id: int) -> list[Row[Any]]:
    joined = queue_entries.join(
        campaigns,
        (campaigns.c.municipality_id == queue_entries.c.municipality_id)
        & (campaigns.c.id == queue_entries.c.campaign_id),
    )
    query = (
        select(queue_entries.c.campaign_id, campaigns.c.name, queue_entries.c.state, queue_entries.c.due_at)
        .select_from(joined)
        .where(
            queue_entries.c.municipality_id == municipality_id,
            queue_entries.c.case_id == case_id,
            campaigns.c.state != "stopped",
        )
        .order_by(queue_entries.c.campaign_id)
    )
    return list(conn.execute(query))


def _explain(
    conn: Connection, municipality_id: int, case_id: int, now: datetime, rules: Rules, entry: Row[Any] | None
) -> Explanation:
    facts = facts_for(conn, municipality_id, case_id, campaign_id=entry.campaign_id if entry else 0)
    chances = Chances.of(facts.case, facts.history, rules.calendar)
    return Explanation(
        case_id=case_id,
        claim_type=facts.case.claim_type,
        at=now,
        campaign=entry.name if entry else "",
        queue_state=entry.state if entry else "",
        due_at=entry.due_at if entry else None,
        choice=choose(facts.case, facts.numbers, facts.history, rules.policy, rules.calendar, now),
        rank=rank(facts.case, facts.numbers, facts.history, rules.calendar, now),
        hours=tuple(
            Hour(band, chances.best(facts.numbers, band), chances.tally(band))
            for band in Band
            if band in rules.calendar.bands
        ),
    )


def _until(block: Block) -> str:
    return f"（{moment(block.until)} まで）" if block.until else "（時間だけでは解消しません）"


def _next(told: Explanation) -> str:
    if told.next_at is not None:
        return f"次に架電できるのは {moment(told.next_at)} です"
    who = "、".join(block.reason.ja for block in told.blocks if block.until is None)
    return f"次に架電できる時刻は決まっていません（{who or '見通せる範囲に架電日がありません'}）"


def _by_hour(told: Explanation) -> list[str]:
    """The chance at each hour, and what was tried there; the best hour first to be read."""
    best = told.best_hour
    if best is None or best.chance == 0:
        return []
    words = "、".join(f"{hour.band.ja} {hour.chance:.0%}{_tried(hour.own)}" for hour in told.hours)
    lines = [f"  本人につながる見込み: {words}。最もつながりやすいのは{best.band.ja}"]
    if told.rank.later > told.rank.chance:
        lines.append("  きょうはこのあとの時間帯のほうがつながりやすいので、いまの順は後ろです")
    lines.append("  （この案件の架電が少ないうちは、同じ債権区分・電話の種類・年代の割合に寄せた値です）")
    return lines


def _tried(own: Tally) -> str:
    return f"（{own.tried}回中{own.reached}回）" if own.tried else ""


def _by_number(choice: Choice) -> list[str]:
    """Each number's own verdict, where a case has several."""
    if len(choice.by_number) < 2:
        return []
    lines = []
    for number, verdict in sorted(choice.by_number, key=lambda each: each[0].position):
        reasons = "、".join(reason.ja for reason in verdict.reasons) if isinstance(verdict, Refused) else "架電できます"
        lines.append(f"  一覧の{number.position}番目の番号: {reasons}")
    return lines


def _iso(instant: datetime | None) -> str | None:
    return instant.astimezone(TOKYO).isoformat() if instant else None
