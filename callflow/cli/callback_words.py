"""Callbacks as `callflow dial` prints them: numbers and times, never a name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from callflow.callbacks import Waiting, reason_words
from callflow.explanation import QUEUE_WORDS, moment


def callback_line(one: Waiting, now: datetime) -> str:
    minutes = int(one.late(now).total_seconds()) // 60
    late = f"　{minutes:,}分経過" if minutes > 0 else ""
    state = "★ 逃した" if one.missed else "予定"
    where = QUEUE_WORDS.get(one.queue_state, "稼働中のキャンペーンにありません")
    due = f"（{moment(one.due_at)} から）" if one.due_at and one.queue_state == "scheduled" else ""
    why = f"　{reason_words(one.reasons)}" if one.reasons else ""
    said = "　本人確認前の申し出" if one.unverified else ""
    return f"{moment(one.at)}  案件 {one.case_id:<7} {one.owner:<10} {state}{late}　{where}{due}{why}{said}"


def callback_data(one: Waiting, now: datetime) -> dict[str, Any]:
    """The same for programs; instants in UTC."""
    return {
        "case": one.case_id,
        "call": one.call_id,
        "owner": one.owner,
        "at": one.at.isoformat(),
        "missed": one.missed,
        "late_s": max(0, int(one.late(now).total_seconds())),
        "unverified": one.unverified,
        "queue": one.queue_state or None,
        "due_at": one.due_at.isoformat() if one.due_at else None,
        "reasons": list(one.reasons),
    }
