"""The board as a supervisor reads it on a terminal, and as data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from callflow.board import MANY, Board, CampaignNow, LiveCall
from callflow.campaigns import MODE_WORDS, STATE_WORDS
from callflow.cli.campaign_words import still_lines
from callflow.clock import TOKYO, in_hours
from callflow.explanation import moment
from scheduler.verdict import Reason

LINE_WORDS = {
    "claimed": "準備中",
    "placing": "発信中",
    "ringing": "呼出中",
    "answered": "通話中",
    "ended": "後処理",
    "needs_review": "確認待ち",
}
_REASONS = {reason.code: reason.ja for reason in Reason}
_MOST_REASONS = 8


def board_lines(board: Board, *, disaster_stop: bool, jump: timedelta = timedelta(0)) -> list[str]:
    """`jump`: by how much the clock has just jumped, so that nothing is dialled by it."""
    lines = [f"{board.at.astimezone(TOKYO):%Y-%m-%d %H:%M:%S} の架電室"]
    if disaster_stop:
        lines.append("★ 災害停止中: すべての架電を止めています（policy.disaster_stop）")
    if jump:
        lines.append(f"★ 時計が {in_hours(jump)}（時:分:秒）飛んだため、発信を止めています")
    lines += [line for each in board.campaigns for line in _campaign_lines(each)] or ["キャンペーンがありません"]
    states = board.lines
    shown = "　".join(f"{word} {states.get(state, 0)}" for state, word in LINE_WORDS.items() if state != "claimed")
    lines += [
        "",
        f"回線　　　{shown}",
        f"担当者　　通話 {_talking(board)}　画面確認 {board.looking}　空き {board.free}",
    ]
    lines.append(
        f"この1時間　発信 {board.dialled:,}　応答 {board.answered:,}（{_share(board.answered, board.dialled)}）"
    )
    answered = board.abandoned + board.handled
    share = _share(board.abandoned, answered)
    lines.append(f"24時間　　放棄呼 {board.abandoned:,} / {answered:,}（{share}）　{_caps(board)}".rstrip())
    lines.append(f"次の予定　{moment(board.next_due) if board.next_due else 'ありません'}")
    late = f"　★ 応じられなかったもの {board.callbacks_missed:,}" if board.callbacks_missed else ""
    first = f"（最初は {moment(board.next_callback)}）" if board.next_callback else ""
    lines.append(f"再架電　　1時間以内 {board.callbacks_due:,}{first}{late}")
    if board.refused:
        lines += ["", "見送った発信（24時間、理由別）"]
        most = list(board.refused.items())
        lines += [f"  {count:>7,}  {_REASONS.get(code, code)}" for code, count in most[:_MOST_REASONS]]
        if rest := most[_MOST_REASONS:]:
            lines.append(f"  {sum(count for _, count in rest):>7,}  ほか {len(rest)} 種類の理由")
    if board.calls:
        lines += ["", "通話"]
        lines += [_call_line(each, board.at) for each in board.calls]
    return lines


def board_data(board: Board, *, disaster_stop: bool) -> dict[str, Any]:
    return {
        "at": board.at.isoformat(),
        "disaster_stop": disaster_stop,
        "lines": dict(board.lines),
        "operators": {"in_call": _talking(board), "looking": board.looking, "free": board.free},
        "last_hour": {"dialled": board.dialled, "answered": board.answered},
        "last_24h": {
            "handled": board.handled,
            "abandoned": board.abandoned,
            "abandoned_share": board.abandoned_share,
            "refused": dict(board.refused),
        },
        "next_due": _iso(board.next_due),
        "callbacks": {
            "due": board.callbacks_due,
            "missed": board.callbacks_missed,
            "next": _iso(board.next_callback),
        },
        "campaigns": [
            {
                "id": each.id,
                "name": each.name,
                "claim_type": each.claim_type,
                "state": each.state,
                "reason": each.reason,
                "mode": each.mode,
                "abandoned_cap_percent": each.cap,
                "not_dialled_because": [
                    {"code": block.reason.code, "until": _iso(block.until)} for block in each.still
                ],
                "supervisor": each.supervisor,
                "ready": each.ready,
                "ready_is_at_least": each.ready >= MANY,
            }
            for each in board.campaigns
        ],
        "calls": [
            {
                "id": each.call_id,
                "operator": each.operator,
                "campaign": each.campaign_id,
                "line": each.line_state,
                "since": each.since.isoformat(),
            }
            for each in board.calls
        ],
    }


def _talking(board: Board) -> int:
    """Operators in a call; lines that were opened ahead have none."""
    return sum(call.holds_operator for call in board.calls)


def _caps(board: Board) -> str:
    caps = sorted({each.cap for each in board.campaigns})
    return f"上限 {'・'.join(f'{cap}%' for cap in caps)} を超えると止まります" if caps else ""


def _campaign_lines(campaign: CampaignNow) -> list[str]:
    """What it is and, where nothing of it is dialled, why."""
    many = "以上" if campaign.ready >= MANY else ""
    reason = f"（{campaign.reason}）" if campaign.reason else ""
    who = f"　業務責任者 {campaign.supervisor}" if campaign.supervisor else "　★ 業務責任者がいません"
    mark = "★ " if campaign.state == "paused" else ""
    state = f"{mark}{STATE_WORDS[campaign.state]}{reason}"
    ready = f"{MODE_WORDS[campaign.mode]}　架電できる案件 {campaign.ready:,}{many}"
    head = f"キャンペーン {campaign.id}「{campaign.name}」 {state}{who}　{ready}"
    return [head, *still_lines(campaign.still)]


def _call_line(call: LiveCall, now: datetime) -> str:
    length = max(now - call.since, timedelta(0))
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    return f"  通話 {call.call_id:<8} {call.operator:<10} {LINE_WORDS[call.line_state]}　{minutes}分{seconds:02}秒"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "―"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
