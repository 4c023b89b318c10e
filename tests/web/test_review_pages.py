"""A supervisor settles a call of which nobody knows what became: found from the board, by what was found out."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from callflow.cli import main as command_line
from callflow.console.site import Site
from callflow.corrections import OUTCOMES
from callflow.reviews import FINDINGS
from models.tables import calls, campaigns, queue_entries
from tests.web.desktop import Desk
from tests.web.test_desk import desk, last_code  # noqa: F401  a fixture
from tests.world import World


def test_a_call_in_review_is_found_and_ended_by_what_was_found_out(
    desk: Desk,  # noqa: F811
    site: Site,
    world: World,
    logged_in,  # type: ignore[no-untyped-def]
) -> None:
    assert set(FINDINGS) == set(OUTCOMES)
    desk.press("Enter")
    world.calls.line(1, "unknown", cause="制限時間を過ぎました")
    assert "どうなったか分からない発信が1件あります" in desk.look()  # and the operator is free
    assert "電話をかける" in desk.press("Enter")
    supervisor = logged_in("supervisor")
    assert 'href="/review"' in supervisor.see("/board").text
    assert 'href="/review/1"' in supervisor.see("/calls?state=review").text
    world.clock.advance(timedelta(minutes=4))
    page = supervisor.see("/review").text
    assert "制限時間を過ぎました" in page
    assert "0:04" in page
    assert "試川" not in page
    assert "選んでください" in supervisor.submit("/review/1", reason="通信会社の記録").text
    assert "理由は1〜500文字です" in supervisor.submit("/review/1", outcome="busy", reason=" ").text
    assert logged_in("operator").get("/review").status_code == 403
    with world.database.write() as conn:
        conn.execute(update(campaigns).values(supervisor_id=world.staff[0], created_by=world.staff[0]))
    assert 'href="/review/1"' not in supervisor.see("/review").text
    assert supervisor.submit("/review/1", outcome="busy", reason="記録").status_code == 404
    with world.database.write() as conn:
        conn.execute(update(campaigns).values(supervisor_id=world.supervisor))
    assert (
        supervisor.submit("/review/1", outcome="busy", reason="通信会社の記録")
        .headers["location"]
        .startswith("/review")
    )
    assert last_code(site) == "BZ"
    assert "確認を待つ通話はありません" in supervisor.see("/review").text
    with site.database.read() as conn:
        c, q = calls.c, queue_entries.c
        assert conn.execute(select(c.live)).scalars().all() == [False]
        case = conn.execute(select(c.case_id)).scalar_one()
        assert conn.execute(select(q.state).where(q.case_id == case)).scalar_one() != "claimed"


def test_a_call_with_a_talk_can_only_have_been_answered(desk: Desk, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    desk.play("Enter", "1")
    world.calls.line(1, "unknown")
    staff = logged_in("staff")
    page = staff.see("/review/1").text
    assert 'value="answered"' in page
    assert 'value="busy"' not in page
    assert staff.submit("/review/1", outcome="busy", reason="記録").status_code == 409


def test_the_command_lists_the_same_calls(
    desk: Desk,  # noqa: F811
    site: Site,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk.press("Enter")
    world.calls.line(1, "unknown", cause="制限時間を過ぎました")
    monkeypatch.setenv("CALLFLOW_CONFIG", str(site.config_path))
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", site.database.url)
    monkeypatch.setenv("CALLFLOW_CLOCK", world.clock.now().isoformat())
    capsys.readouterr()
    assert command_line.run(["--as", "sv01", "correct", "review", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["call_id"], listed["has_talk"], listed["reason"]) == (1, False, "制限時間を過ぎました")
    assert command_line.run(["--as", "op01", "correct", "review"]) == 5
