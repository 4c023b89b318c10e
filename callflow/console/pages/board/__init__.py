"""The supervisor's board: the room as it is, what needs a person first, and the switches of a shift."""

from __future__ import annotations

from callflow.console.i18n import said
from callflow.console.pages.board import acts, follow, screen, wall
from callflow.console.routes import ANYBODY, Route, allow

SEES = allow("supervisor", "staff")
RUNS = allow("supervisor")
FOLLOWED = frozenset({"replay", "party"})

SAID = {
    "shift-begun": said("勤務を始めました。"),
    "shift-ended": said("勤務を終えました。担当していたキャンペーンは一時停止しました。"),
    "all-stopped": said("すべての架電を止めました。つながっている通話は続きます。"),
    "stop-lifted": said("全停止を解除しました。"),
    "abandoned-seen": said("放棄呼を確かめたことを記録しました。"),
    "help-seen": said("確認したことを、担当者の画面に知らせました。"),
}

ROUTES = (
    Route("GET", "/board", screen.board_page, SEES, said("ボード"), menu=True),
    Route("GET", "/board/now", screen.board_now, SEES, said("ボード"), passive=True),
    Route("POST", "/board/shift", acts.shift, RUNS, said("勤務")),
    Route("POST", "/board/help", acts.see_help, RUNS, said("支援要請")),
    Route("POST", "/board/abandoned", acts.see_abandoned, RUNS, said("放棄呼")),
    Route("POST", "/board/stop", acts.stop_all, SEES, said("全停止")),
    Route("POST", "/board/lift", acts.lift_stop, allow("staff"), said("全停止")),
    Route("GET", "/board/calls/{id}", follow.page, RUNS, said("いまの通話"), shows=FOLLOWED),
    Route("POST", "/board/calls/{id}", follow.give_purpose, RUNS, said("いまの通話")),
    Route("GET", "/board/calls/{id}/now", follow.now, RUNS, said("いまの通話"), shows=FOLLOWED, passive=True),
    Route("GET", "/wall", wall.wall_page, ANYBODY, said("ボード"), passive=True, while_locked=True),
)
