"""The room as the board shows it: figures with their targets, the radar, a tile for each operator. Pure but for `look`.

The ward sees figures and campaigns; operators, the radar and what a call is doing are the contractor's (R03).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select

from callflow.access.replays import visible_to
from callflow.access.views import Viewer
from callflow.board import Board, CampaignNow, OperatorNow, board
from callflow.console.i18n import Say, said
from callflow.console.pages.desk.talk import STAGES, stage_of
from callflow.console.site import Site
from callflow.oversight import Oversight, Shift
from callflow.radar import Blip, Glance, Limits, Reason, radar
from callflow.script.model import END
from callflow.sections import Radar
from models.tables import calls, is_live
from scheduler.settings import HARD_CAP

LINE_WORDS: Final = {
    "claimed": said("準備中"),
    "placing": said("発信中"),
    "ringing": said("呼出中"),
    "answered": said("通話中"),
    "ended": said("後処理"),
    "needs_review": said("確認待ち"),
}
STATE_LOOKS: Final = {
    "call": ("●", ""),
    "looking": ("▷", said("次の案件を確認中")),
    "free": ("○", said("空き")),
    "break": ("‖", said("休憩")),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """`good`: the target is met; None: nothing to judge yet."""

    name: str
    value: str
    target: str
    good: bool | None
    path: str = ""  # of the page behind it


@dataclass(frozen=True, slots=True)
class Tile:
    """An operator. `stage` from 1 to 6, 0 outside a talk; `watchable`: whether this supervisor may see the call."""

    account_id: int
    name: str
    login: str
    icon: str
    word: str
    more: str
    since: datetime | None
    stage: int
    stage_word: str
    step_since: datetime | None
    help_since: datetime | None
    help_seen_at: datetime | None
    call_id: int
    watchable: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """A line of the radar: whose call, and why."""

    tile: Tile
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Room:
    """What the live part of the page shows."""

    figures: tuple[Figure, ...]
    alarms: tuple[Alarm, ...]
    tiles: tuple[Tile, ...]
    campaigns: tuple[CampaignNow, ...]
    shifts: tuple[Shift, ...]
    stopped: tuple[datetime, str] | None

    @property
    def stamp(self) -> str:
        """The same as long as nothing of it changes."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def look(site: Site, viewer: Viewer, say: Say, now: datetime) -> Room:
    """The room as `viewer` may see it now."""
    m, sees_people = site.municipality_id, "supervisor" in viewer.roles
    with site.database.read() as conn:
        found = board(conn, m, now, site.rules_of)
        stages = site.sightings.glances(conn, site.shelf, m, found.operators) if sees_people else []
        mine = _watchable(conn, m, viewer) if sees_people else frozenset()
        oversight = Oversight(conn, m, now)
        stopped, shifts = oversight.stop(), oversight.on_shift()
    tiles = _tiles(found.operators, stages, mine, say) if sees_people else {}
    blips = radar(stages, limits_of(site.config.radar), now)
    return Room(
        figures=figures(found, site.config.radar, say, now),
        alarms=tuple(_alarm(each, tiles) for each in blips),
        tiles=tuple(tiles.values()),
        campaigns=found.campaigns,
        shifts=tuple(shifts),
        stopped=(stopped[0], stopped[1]) if stopped else None,
    )


def limits_of(config: Radar) -> Limits:
    return Limits(
        timedelta(seconds=config.silence_seconds), config.steps_back, timedelta(minutes=config.steps_back_minutes)
    )


def figures(found: Board, config: Radar, say: Say, now: datetime) -> tuple[Figure, ...]:
    """At most six, each with its target."""
    waiting = [each.help_since for each in found.operators if each.help_since and not each.help_seen_at]
    late = any(now - since > timedelta(seconds=config.help_seconds) for since in waiting)
    ready, at_work = sum(each.ready for each in found.campaigns), len(found.operators)
    running = any(each.state == "running" for each in found.campaigns)
    review = found.lines.get("needs_review", 0)
    average = _share(found.answered_day, found.dialled_day)
    return (
        Figure(
            say("放棄呼（24時間）"),
            _of(found.abandoned, found.abandoned + found.handled),
            say("目標 0%（{cap}%で停止）").format(cap=f"{HARD_CAP * 100:g}"),
            None if found.abandoned_share is None else found.abandoned == 0,
        ),
        Figure(
            say("応答（1時間）"),
            _of(found.answered, found.dialled),
            say("24時間の平均 {share} 以上").format(share=average),
            found.answered * found.dialled_day >= found.answered_day * found.dialled if found.dialled else None,
        ),
        Figure(
            say("架電待ち"),
            f"{ready:,}",
            say("担当者の数 {n} 以上").format(n=at_work),
            ready >= at_work if running and at_work else None,
        ),
        Figure(
            say("1時間以内の再架電"),
            f"{found.callbacks_due:,}",
            say("応じられなかったもの 0（7日間に {n}）").format(n=found.callbacks_missed),
            found.callbacks_missed == 0,
        ),
        Figure(
            say("待っている支援要請"),
            f"{len(waiting)}",
            say("{n}秒以内に確認").format(n=config.help_seconds),
            not late if waiting else None,
        ),
        Figure(say("結果の確認待ち"), f"{review}", say("目標 0"), review == 0, "/review"),
    )


def _of(part: int, whole: int) -> str:
    return f"{_share(part, whole)} {part:,}/{whole:,}" if whole else "—"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "—"


def _watchable(conn: Connection, municipality_id: int, viewer: Viewer) -> frozenset[int]:
    return frozenset(conn.execute(select(calls.c.id).where(visible_to(viewer, municipality_id), is_live)).scalars())


def _tiles(
    operators: Sequence[OperatorNow], stages: Sequence[Glance], mine: frozenset[int], say: Say
) -> Mapping[int, Tile]:
    by_operator = {each.operator_id: each for each in stages}
    return {each.account_id: _tile(each, by_operator[each.account_id], mine, say) for each in operators}


def _tile(operator: OperatorNow, glance: Glance, mine: frozenset[int], say: Say) -> Tile:
    call = operator.call
    icon, word = STATE_LOOKS[operator.state]
    stage = 0
    if call is not None:
        wrapping = call.talk_state == END
        word = LINE_WORDS["ended" if wrapping else call.line_state]
        state = glance.script.states.get(call.talk_state) if glance.script else None
        if state is not None and glance.script is not None:
            stage = stage_of(glance.script, state, identified=call.party is not None, asks=state.asks)
    return Tile(
        account_id=operator.account_id,
        name=operator.name,
        login=operator.login,
        icon=icon,
        word=say(word),
        more=say(operator.reason) if operator.reason else "",
        since=operator.since,
        stage=stage,
        stage_word=say(STAGES[stage - 1]) if stage else "",
        step_since=glance.step_since if stage else None,
        help_since=operator.help_since,
        help_seen_at=operator.help_seen_at,
        call_id=call.call_id if call else 0,
        watchable=call is not None and call.call_id in mine,
    )


def _alarm(blip: Blip, tiles: Mapping[int, Tile]) -> Alarm:
    return Alarm(tiles[blip.operator_id], blip.reasons)
