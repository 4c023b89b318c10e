"""Everything that happened with a household, in order of time, as the database has it: for its evidence (R11).

Each source is one question about this household alone. A correction is an entry of its own, beside what it corrects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from callflow import calllog
from callflow.errors import RefusedError
from callflow.followup import history
from callflow.followup.acts import NAMES, VISIT_REASONS, VISIT_RESULTS, Thing
from callflow.followup.slip_lists import CONSULTATIONS, URGENCIES, in_words
from callflow.followup.visits import PROMISE_STATES
from callflow.playback import scenes
from callflow.script.model import Script
from callflow.shelf import Shelf
from models.tables import (
    accounts,
    arrears,
    calls,
    cases,
    contact_slips,
    living_reports,
    negotiation_records,
    payments,
    promises,
    slip_reasons,
    visits,
)
from scheduler.calendar import tokyo_date, tokyo_midnight

PARTIES: Final = {"householder": "世帯主・本人と確認", "spouse": "配偶者・もう一人の保護者と確認"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `at` empty: the source knows the day only. `case_id` 0: the household's as a whole."""

    day: date
    at: datetime | None
    kind: str
    case_id: int
    words: str
    more: str = ""


def entries(conn: Connection, shelf: Shelf, m: int, household_id: int) -> list[Entry]:
    """All of a household, the oldest first; what has a day only stands before what has an hour."""
    found = [
        *_notices(conn, m, household_id),
        *_payments(conn, m, household_id),
        *_calls(conn, shelf, m, household_id),
        *_promises(conn, m, household_id),
        *_slips(conn, m, household_id),
        *_reports(conn, m, household_id),
        *_visits(conn, m, household_id),
    ]
    return sorted(found, key=lambda each: each.at or tokyo_midnight(each.day))


def _entry(at: datetime, kind: str, case_id: int, words: str, more: str = "") -> Entry:
    return Entry(tokyo_date(at), at, kind, case_id, words, more)


def _instalment(row: Row[Any]) -> str:
    return f"{row.levy_year}年度 第{row.instalment}期（通知書 {row.notice_no}）"


def _notices(conn: Connection, m: int, household_id: int) -> Iterator[Entry]:
    a, c = arrears.c, cases.c
    query = (
        select(arrears)
        .join(cases, (c.municipality_id == a.municipality_id) & (c.id == a.case_id))
        .where(a.municipality_id == m, c.household_id == household_id, a.reminder_on.is_not(None))
        .order_by(a.id)
    )
    for row in conn.execute(query):
        gone = "" if row.active else "（いまの一覧には載っていない）"
        more = f"賦課 {row.levied:,}円、納期限 {row.due_on or row.due_on_raw or '—'}{gone}"
        yield Entry(row.reminder_on, None, "督促状", row.case_id, f"発送　{_instalment(row)}", more)


def _payments(conn: Connection, m: int, household_id: int) -> Iterator[Entry]:
    p, a, c = payments.c, arrears.c, cases.c
    query = (
        select(payments, a.case_id, a.levy_year, a.instalment, a.notice_no)
        .join(arrears, (a.municipality_id == p.municipality_id) & (a.id == p.arrear_id))
        .join(cases, (c.municipality_id == a.municipality_id) & (c.id == a.case_id))
        .where(p.municipality_id == m, c.household_id == household_id)
        .order_by(p.id)
    )
    for row in conn.execute(query):
        yield Entry(
            row.paid_on, None, "収納", row.case_id, f"{row.amount:,}円　{_instalment(row)}", f"基準日 {row.as_of}"
        )
        if row.cancelled_as_of:
            words = f"取消　{row.paid_on} の {row.amount:,}円　{_instalment(row)}"
            yield Entry(row.cancelled_as_of, None, "訂正（収納）", row.case_id, words)


def _calls(conn: Connection, shelf: Shelf, m: int, household_id: int) -> Iterator[Entry]:
    k, a = calls.c, accounts.c
    query = (
        select(calls, a.display_name)
        .join(accounts, (a.municipality_id == k.municipality_id) & (a.id == k.operator_id))
        .where(k.municipality_id == m, k.household_id == household_id)
        .order_by(k.id)
    )
    records = _texts(conn, m, household_id)
    for row in conn.execute(query).all():
        script = shelf.flow(conn, m, row.script_hash).script
        yield from _call(row, script, *_told(conn, shelf, m, row.id), records)


def _told(conn: Connection, shelf: Shelf, m: int, call_id: int) -> tuple[list[str], list[calllog.Event]]:
    """Who was identified, one after the other; and how a call ended, with each correction of that.

    Nothing where the log cannot be read: the call's verdict says so.
    """
    try:
        found = scenes(conn, shelf, m, call_id)
    except RefusedError:
        return [], []
    parties = dict.fromkeys(each.told.talk.party for each in found if each.told.talk and each.told.talk.party)
    events = [each.event for each in found]
    closed = [event for event in events if event.kind == calllog.CLOSE][-1:]
    return [*parties], closed + [event for event in events if event.kind == calllog.CORRECT]


def _call(
    row: Row[Any],
    script: Script,
    parties: Sequence[str],
    ends: Sequence[calllog.Event],
    records: Mapping[int, str],
) -> Iterator[Entry]:
    codes = [str((event.payload or {}).get("disposition", "")) for event in ends]
    first = (codes[:1] or [""])[0] or row.disposition or ""
    outcome = script.outcome(first) if not row.live else "通話中か確認待ち"
    way = "受電" if row.direction == "inbound" else "架電"
    who = "、".join(PARTIES[each] for each in parties or [row.party] if each) or "本人確認なし"
    words = f"{way}　通話 {row.id}　{outcome}　{who}"
    more = f"担当 {row.display_name}" + (f"。{records[row.id]}" if records.get(row.id) else "")
    yield _entry(row.opened_at, "通話", row.case_id, words, more)
    before = first
    for event, code in zip(ends, codes, strict=True):
        if event.kind == calllog.CORRECT:
            change = f"通話 {row.id}　{script.outcome(before)} → {script.outcome(code)}"
            reason = str((event.payload or {}).get("reason", "")) or "（内容は規則により消去済み）"
            yield _entry(event.at, "訂正（通話）", row.case_id, change, f"理由: {reason}")
            before = code


def _texts(conn: Connection, m: int, household_id: int) -> dict[int, str]:
    """What the 交渉経過記録 holds of each call as it ended."""
    n, k = negotiation_records.c, calls.c
    query = (
        select(n.call_id, n.text)
        .join(calls, (k.municipality_id == n.municipality_id) & (k.id == n.call_id))
        .where(n.municipality_id == m, k.household_id == household_id, n.corrects_id.is_(None))
    )
    return {row.call_id: row.text for row in conn.execute(query)}


def _promises(conn: Connection, m: int, household_id: int) -> Iterator[Entry]:
    p, k = promises.c, calls.c
    query = (
        select(promises)
        .join(calls, (k.municipality_id == p.municipality_id) & (k.id == p.call_id))
        .where(p.municipality_id == m, k.household_id == household_id)
        .order_by(p.id)
    )
    for row in conn.execute(query):
        who = {"householder": "世帯主・本人", "spouse": "配偶者など"}[row.promiser]
        words = f"納付約束 {row.id}　{row.due_on} までに {row.amount:,}円"
        state = PROMISE_STATES[row.state]
        yield _entry(
            row.made_at, "納付約束", row.case_id, words, f"{who}、{row.place}、通話 {row.call_id}。いま: {state}"
        )
        if row.judged_at:
            paid = f"（入金 {row.paid:,}円）" if row.paid is not None else ""
            yield _entry(row.judged_at, "納付約束", row.case_id, f"納付約束 {row.id}　{state}{paid}")


def _slips(conn: Connection, m: int, household_id: int) -> Iterator[Entry]:
    s, r = contact_slips.c, slip_reasons.c
    query = select(contact_slips).where(s.municipality_id == m, s.household_id == household_id).order_by(s.id)
    for row in conn.execute(query).all():
        given = select(r.reason).where(r.municipality_id == m, r.slip_id == row.id).order_by(r.reason)
        reasons = "、".join(in_words(conn.execute(given).scalars().all()))
        if row.consultation:
            offer = f"案内　{CONSULTATIONS[row.consultation]}"
            yield _entry(row.raised_at, "納付相談", row.case_id, offer, f"通話 {row.call_id}、連絡票 {row.id}")
        words = f"連絡票 {row.id}（{URGENCIES[row.urgency]}）　{reasons}"
        yield _entry(row.raised_at, "連絡票", row.case_id, words, "。".join(row.text.splitlines()))
        yield from _acts(conn, m, "slip", row.id, row.case_id, "連絡票")
        if row.cancelled_at:
            yield _entry(row.cancelled_at, "訂正（連絡票）", row.case_id, f"連絡票 {row.id}　取消")


def _reports(conn: Connection, m: int, household_id: int) -> Iterator[Entry]:
    r = living_reports.c
    query = select(living_reports).where(r.municipality_id == m, r.household_id == household_id).order_by(r.id)
    for row in conn.execute(query).all():
        words = f"生活状況報告書 {row.id}　申出"
        cancelled = f"取消（{row.cancelled_by}）" if row.cancelled_by else ""
        yield _entry(row.requested_at, "生活状況報告書", row.case_id, words, cancelled)
        yield from _acts(conn, m, "report", row.id, row.case_id, "生活状況報告書")


def _visits(conn: Connection, m: int, household_id: int) -> Iterator[Entry]:
    v, c = visits.c, cases.c
    query = (
        select(visits)
        .join(cases, (c.municipality_id == v.municipality_id) & (c.id == v.case_id))
        .where(v.municipality_id == m, c.household_id == household_id)
        .order_by(v.id)
    )
    for row in conn.execute(query).all():
        yield from _acts(conn, m, "visit", row.id, row.case_id, "訪問", VISIT_REASONS[row.reason])
        if row.visited_on:
            words = f"訪問 {row.id}　{VISIT_RESULTS.get(row.result, row.result)}"
            yield Entry(row.visited_on, None, "訪問", row.case_id, words)


def _acts(conn: Connection, m: int, thing: Thing, one: int, case_id: int, kind: str, why: str = "") -> Iterator[Entry]:
    for each in history.told(conn, m, thing, one):
        more = "。".join(part for part in (each.actor or "システム", each.note, why) if part)
        yield _entry(each.at, kind, case_id, f"{NAMES[thing]} {one}　{each.label}", more)
