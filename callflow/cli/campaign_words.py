"""Campaigns as people read them on a terminal, and as data."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from callflow.campaigns import STATE_WORDS, Plan
from callflow.clock import TOKYO
from callflow.explanation import QUEUE_WORDS, moment
from callflow.planning import Exclusion
from callflow.progress import InQueue, Progress
from scheduler.verdict import Reason

_REASONS = {reason.code: reason.ja for reason in Reason}


def plan_lines(plan: Plan) -> list[str]:
    """Every case once: called, or the reason why not."""
    lines = [f"  {plan.total:>9,}  対象の案件", f"  {plan.included:>9,}  架電する"]
    lines += [f"  {plan.excluded[each]:>9,}  除外: {each.ja}" for each in Exclusion if each in plan.excluded]
    return lines


def head_line(campaign: Row[Any]) -> str:
    reason = f"（{campaign.state_reason}）" if campaign.state_reason else ""
    return f"キャンペーン {campaign.id}「{campaign.name}」 {STATE_WORDS[campaign.state]}{reason}"


def progress_lines(found: Progress) -> list[str]:
    lines = ["  待ち行列: " + (_counts(found.queue, QUEUE_WORDS) or "なし")]
    if found.next_due_at is not None:
        lines.append(f"  次の予定: {moment(found.next_due_at)}")
    lines.append(f"  通話中・発信中: {found.live_calls:,}（うち確認待ち {found.in_review:,}）")
    lines.append("  結果: " + (_counts(found.outcomes, {}) or "まだありません"))
    if found.refused_dials:
        lines.append(f"  発信を見送った回数: {found.refused_dials:,}")
        lines += [f"    {count:>7,}  {_REASONS.get(code, code)}" for code, count in found.refusals.items()]
    return lines


def queue_lines(entries: list[InQueue]) -> list[str]:
    return [
        f"  案件 {each.case_id:<9} 優先度 {each.priority:>3}  {QUEUE_WORDS[each.state]}  {moment(each.due_at)}"
        for each in entries
    ]


def campaign_data(campaign: Row[Any], plan: Plan) -> dict[str, Any]:
    return {
        "id": campaign.id,
        "name": campaign.name,
        "claim_type": campaign.claim_type,
        "state": campaign.state,
        "reason": campaign.state_reason,
        "supervisor": campaign.supervisor_id,
        "script": campaign.script_hash,
        "plan": plan.as_data(),
    }


def progress_data(found: Progress) -> dict[str, Any]:
    return {
        "queue": dict(found.queue),
        "live_calls": found.live_calls,
        "in_review": found.in_review,
        "outcomes": dict(found.outcomes),
        "refused_dials": found.refused_dials,
        "refusals": dict(found.refusals),
        "next_due_at": found.next_due_at.astimezone(TOKYO).isoformat() if found.next_due_at else None,
    }


def queue_data(entries: list[InQueue]) -> list[dict[str, Any]]:
    return [
        {
            "case": each.case_id,
            "state": each.state,
            "priority": each.priority,
            "due_at": each.due_at.astimezone(TOKYO).isoformat(),
            "reason": each.reason,
        }
        for each in entries
    ]


def _counts(counts: Any, words: Any) -> str:
    return "、".join(f"{words.get(word, word)} {count:,}" for word, count in sorted(counts.items()))
