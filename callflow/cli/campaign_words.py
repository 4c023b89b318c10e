"""Campaigns as people read them on a terminal, and as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row

from callflow import policywords
from callflow.campaigns import MODE_WORDS, STATE_WORDS, Plan, selection_of
from callflow.clock import TOKYO
from callflow.dayplan import KIND_WORDS, Ledger
from callflow.explanation import QUEUE_WORDS, moment
from callflow.oversight import Shift
from callflow.planning import Exclusion
from callflow.progress import InQueue, Progress
from callflow.settingwords import setting_in_words
from callflow.standstill import in_words
from scheduler.budgets import CallingDays
from scheduler.settings import Policy
from scheduler.verdict import Block, Reason

_REASONS = {reason.code: reason.ja for reason in Reason}


def plan_lines(plan: Plan, *, for_ward: bool) -> list[str]:
    """Every case that is meant once: called, or the reason why not."""
    plan = plan if for_ward else plan.as_contractor_sees()
    words = {} if for_ward else {Exclusion.SUPPRESSED: "架電できない世帯・案件"}
    lines = [f"  {plan.meant:>9,}  対象の案件", f"  {plan.included:>9,}  架電する"]
    lines += [
        f"  {plan.excluded[each]:>9,}  除外: {words.get(each, each.ja)}"
        for each in Exclusion
        if each in plan.excluded and each is not Exclusion.OUTSIDE
    ]
    if Exclusion.OUTSIDE in plan.excluded:
        lines.append(f"  {plan.excluded[Exclusion.OUTSIDE]:>9,}  （ほかに、条件に合わない案件）")
    return lines


def plan_data(plan: Plan, *, for_ward: bool) -> dict[str, Any]:
    return (plan if for_ward else plan.as_contractor_sees()).as_data()


def days_line(days: CallingDays | None) -> str:
    if days is None:
        return "  架電日: この債権区分のすべての架電日"
    parts = [
        f"{name} {len(listed)}日（{_dates(sorted(listed))}）"
        for name, listed in (("平日", days.days), ("夜間", days.evenings), ("休日", days.rest_days))
        if listed
    ]
    return f"  架電日: {'、'.join(parts)}"


def _dates(days: list[date]) -> str:
    shown = [f"{day.month}/{day.day}" for day in days]
    return "・".join(shown) if len(shown) <= 6 else f"{'・'.join(shown[:3])} … {shown[-1]}"


def ledger_lines(year: Ledger) -> list[str]:
    """The year's calling days by kind."""
    if year.budget is None or year.left is None:
        return [f"  {year.year}年度: 日数の予算なし（使った日 {len(year.used.of_kind('days'))}）"]
    return [
        f"  {year.year}年度の{name}: 予算 {getattr(year.budget, kind)}、使った日 {len(year.used.of_kind(kind))}、"
        f"計画済み {len(year.listed.of_kind(kind))}、残り {getattr(year.left, kind)}"
        for kind, name in KIND_WORDS.items()
        if getattr(year.budget, kind) or year.spoken_for.of_kind(kind)
    ]


def holdout_line(percent: int, cases: int | None, yen: int | None = None) -> str:
    drawn = "" if cases is None else f"、{cases:,} 件" + ("" if yen is None else f"（抽出時の未納 {yen:,}円）")
    return f"  対照群: 世帯の {percent}%{drawn}。このキャンペーンでは架電しません"


def rule_lines(policy: Mapping[str, int], usual: Policy, settings: Mapping[str, str]) -> list[str]:
    """What of the contact policy is tighter, and the script's settings."""
    tighter = "、".join(map(policywords.in_words, policywords.changes_of(policy, usual))) or "債権区分のとおり"
    chosen = "、".join(f"{setting_in_words(*each)}（{'='.join(each)}）" for each in settings.items())
    return [f"  規則: {tighter}", *([f"  台本の設定: {chosen}"] if chosen else [])]


def campaign_lines(campaign: Row[Any], held: tuple[int, int] | None, usual: Policy, *, for_ward: bool) -> list[str]:
    """What was planned. `usual`: the policy of its claim type."""
    selection = selection_of(campaign)
    lines = [f"  発信方式: {MODE_WORDS[campaign.mode]}（{campaign.mode}）"]
    lines += rule_lines(json.loads(campaign.policy), usual, json.loads(campaign.settings))
    lines += [f"  条件: {'、'.join(selection.in_words())}"] if selection else []
    days = CallingDays.from_data(json.loads(campaign.days)) if campaign.days else None
    lines += [days_line(days), *plan_lines(Plan.from_data(json.loads(campaign.plan)), for_ward=for_ward)]
    return [*lines, holdout_line(campaign.holdout_percent, *held)] if held else lines


def approval_line(approved: Row[str, datetime] | None) -> str:
    return f"  承認: {approved.login}、{moment(approved.approved_at)}" if approved else "  承認: まだありません"


def shift_line(state: str, watching: Shift | None) -> str:
    if watching is not None:
        return f"  業務責任者: {watching.login}、{moment(watching.until)} まで勤務"
    return "  業務責任者: 勤務していません。架電は止まっています" if state == "running" else ""


def stop_lines(stopped: Row[datetime, str] | None) -> list[str]:
    return [f"★ 全停止中（{moment(stopped.since)} から、{stopped.reason}）。どこにも架電しません"] if stopped else []


def still_lines(still: tuple[Block, ...]) -> list[str]:
    """Why nothing of a running campaign is dialled now; no line where it is."""
    return [f"  ★ いまは架電していません: {in_words(still)}"] if still else []


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
        lines.append(f"  24時間に発信を見送った回数: {found.refused_dials:,}")
        lines += [f"    {count:>7,}  {_REASONS.get(code, code)}" for code, count in found.refusals.items()]
    return lines


def queue_lines(entries: list[InQueue]) -> list[str]:
    return [
        f"  案件 {each.case_id:<9} 優先度 {each.priority:>3}  {QUEUE_WORDS[each.state]}  {moment(each.due_at)}"
        for each in entries
    ]


def campaign_data(campaign: Row[Any], held: tuple[int, int] | None, *, for_ward: bool) -> dict[str, Any]:
    plan = Plan.from_data(json.loads(campaign.plan))
    return {
        "id": campaign.id,
        "name": campaign.name,
        "claim_type": campaign.claim_type,
        "state": campaign.state,
        "reason": campaign.state_reason,
        "supervisor": campaign.supervisor_id,
        "script": campaign.script_hash,
        "mode": campaign.mode,
        "policy": json.loads(campaign.policy),
        "settings": json.loads(campaign.settings),
        "selection": selection_of(campaign).as_data(),
        "days": json.loads(campaign.days) if campaign.days else None,
        "holdout_percent": campaign.holdout_percent or 0,
        **({"held_out": held[0]} if held else {}),
        "plan": plan_data(plan, for_ward=for_ward),
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
