"""The board says what is so, and asks the same few rows whatever the log holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from callflow.board import Board, board
from callflow.campaigns import Campaigns
from callflow.cli.board_words import board_data, board_lines
from callflow.cli.context import Context
from callflow.cli.dial import REDRAW
from callflow.cli.main import EXIT_INTERRUPTED
from callflow.config import load
from callflow.followup.terms import rules_of
from callflow.progress import progress
from callflow.simulation.room import Room
from callflow.work import DUTIES, Work, Workplace
from models.database import Database
from models.migrate import HEAD, current
from models.tables import dial_refusals
from tests.conftest import START
from tests.plans import many_calls, walks
from tests.shift import CONFIG, begin

ROOT = Path(__file__).parents[2]


@pytest.fixture
def room(empty_database: Database, tmp_path: Path) -> Room:
    return begin(empty_database, tmp_path, households=20).room(empty_database)


def now(room: Room) -> Board:
    with room.database.read() as conn:
        return board(conn, room.municipality_id, room.clock.now(), lambda _campaign: room.rules)


def test_a_room_at_work(room: Room) -> None:
    quiet = now(room)
    assert (quiet.calls, quiet.dialled, quiet.abandoned_share, quiet.looking, quiet.free) == ((), 0, None, 0, 0)
    assert [each.state for each in quiet.campaigns] == ["running"]
    room.run(START + timedelta(minutes=8))
    dealt = room.switchboard.deal(room.operators[0], [room.campaign_id])
    busy = now(room)
    assert busy.looking == 1
    room.switchboard.dial(dealt, room.operators[0])  # type: ignore[arg-type]
    calling = now(room)
    assert (calling.lines, calling.looking) == ({"ringing": 1}, 0) or (calling.lines, calling.looking) == (
        {"placing": 1},
        0,
    )
    assert calling.dialled == len(room.phone.list_since(START - timedelta(hours=1)))
    assert 0 < calling.answered <= calling.dialled
    assert calling.abandoned_share == 0
    later = room.clock
    later.advance(timedelta(hours=2))
    assert now(room).dialled == 0
    words = "\n".join(board_lines(calling, disaster_stop=True))
    assert "災害停止中" in words
    assert "「演習」 稼働中　業務責任者 sv01" in words
    assert json.loads(json.dumps(board_data(calling, disaster_stop=True)))["operators"]["in_call"] == 1


def test_a_campaign_of_which_nothing_is_dialled_says_so(room: Room) -> None:
    def still(**changes: Any) -> list[tuple[str, bool]]:
        rules = replace(room.rules, calendar=replace(room.rules.calendar, **changes))
        with room.database.read() as conn:
            (one,) = board(conn, room.municipality_id, room.clock.now(), lambda _campaign: rules).campaigns
        words = "\n".join(board_lines(replace(now(room), campaigns=(one,)), disaster_stop=False))
        assert ("いまは架電していません" in words) is bool(one.still)
        return [(block.reason.code, block.until is not None) for block in one.still]

    assert still() == []
    assert still(days=frozenset(), rest_days=frozenset()) == [("not_a_calling_day", False)], "an empty calendar"
    assert still(holidays=lambda _year: None) == [("calendar_unknown", False)], "no holidays are known for the year"
    room.clock.advance(timedelta(hours=9))
    assert still() == [("out_of_hours", True)]
    room.clock.advance(timedelta(days=20))
    assert ("payments_stale", False) in still()
    jump = board_lines(now(room), disaster_stop=False, jump=timedelta(seconds=-90))
    assert "★ 時計が -0:01:30（時:分:秒）飛んだため、発信を止めています" in jump


@pytest.fixture
def worked(room: Room) -> Room:
    """A room with a log, and with refusals of long ago."""
    room.run(START + timedelta(minutes=30))
    row = {"municipality_id": room.municipality_id, "case_id": 1, "stage": "claim", "reasons": "quiet"}
    row["campaign_id"] = room.campaign_id
    old = [{**row, "id": 1_000_000 + one, "at": START - timedelta(days=100)} for one in range(3_000)]
    with room.database.write() as conn:
        conn.execute(dial_refusals.insert(), old)
        many_calls(conn, 30)
    return room


def test_no_question_of_the_board_walks_through_the_log(worked: Room) -> None:
    assert walks(worked.database, lambda: now(worked)) == []


def test_neither_the_periodic_work_nor_a_deal_walks_through_the_log(worked: Room, tmp_path: Path) -> None:
    rules = rules_of(load(CONFIG, {}))
    place = Workplace(
        worked.database,
        worked.clock,
        worked.municipality_id,
        worked.switchboard,
        tmp_path / "a",
        tmp_path / "k",
        lambda _campaign: worked.rules,
        rules,
    )
    duties = [duty for duty in DUTIES if duty.name in ("wake", "leases", "recover", "ranks", "learn")]
    work = Work(place, worker="a", tell=lambda _words: None, duties=duties)
    assert walks(worked.database, work.once) == []
    worked.clock.advance(timedelta(hours=3))
    assert walks(worked.database, lambda: worked.switchboard.deal(worked.operators[0], [worked.campaign_id])) == []


def test_neither_start_up_nor_a_plan_walks_through_the_log(worked: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start-up is what every command asks before its own work; a plan asks for each case by its household."""
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", worked.database.engine.url.render_as_string(hide_password=False))

    def start() -> None:
        here = Context("sv01", ROOT / "config.yaml").over(worked.database)
        assert (here.municipality_id, here.actor.login) == (worked.municipality_id, "sv01")
        assert current(worked.database) == HEAD

    def plan() -> None:
        with worked.database.read() as conn:
            desk = Campaigns(conn, worked.municipality_id, worked.clock.now())
            assert desk.recount(desk.get(worked.campaign_id), worked.rules).total > 0

    def status() -> None:
        with worked.database.read() as conn:
            found = progress(conn, worked.municipality_id, worked.campaign_id, worked.clock.now())
        assert found.outcomes
        assert "quiet" not in found.refusals, "of long ago"

    assert walks(worked.database, start) == []
    assert walks(worked.database, status) == []
    assert walks(worked.database, plan) == []


def test_a_question_without_an_index_is_found(worked: Room) -> None:
    def ask() -> None:
        with worked.database.read() as conn:
            conn.exec_driver_sql("SELECT count(*) FROM calls WHERE talk_state = 'x'")

    assert len(walks(worked.database, ask)) == 1


def test_watch_draws_anew_when_something_happens_and_ends_when_told_to(room: Room) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CALLFLOW_CONFIG": str(ROOT / "config.yaml"),
        "CALLFLOW_CLOCK": START.isoformat(),
        "CALLFLOW_DATABASE__URL": room.database.engine.url.render_as_string(hide_password=False),
    }
    command = [sys.executable, "-m", "callflow.cli", "dial", "watch", "--json"]
    watch = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert watch.stdout
        assert json.loads(watch.stdout.readline())["campaigns"][0]["state"] == "running"
        begun = time.monotonic()
        with room.database.write() as conn:
            desk = Campaigns(conn, room.municipality_id, START)
            desk.pause(room.campaign_id, desk.get(room.campaign_id).supervisor_id, "会議")
        shown = json.loads(watch.stdout.readline())["campaigns"][0]
        assert (shown["state"], shown["reason"]) == ("paused", "会議")
        assert time.monotonic() - begun < REDRAW / 3
    finally:
        watch.send_signal(signal.SIGINT)
        assert watch.wait(20) == EXIT_INTERRUPTED
