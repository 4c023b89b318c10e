"""The audit pack and inspections: one file with the same bytes for the same data, on record before it is given."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from callflow.access.anchors import anchor
from callflow.access.auditlog import audit
from callflow.errors import InputError, RefusedError
from callflow.quality import keep_card
from callflow.reports import auditpack
from callflow.reports.asking import Ask
from callflow.scorecard import CARD
from models.tables import audit_alerts, audit_events, imports
from tests.integration.test_calls import PROMISED, whole
from tests.integration.test_holdings import HARD
from tests.reports.conftest import DAY
from tests.world import MUNICIPALITY, World, add_case

PERSONAL = ("試川", "タメシガワ", "見本町8", "6659", "仕事・収入", "18,000")


@pytest.fixture
def checked(world: World) -> World:
    """Two real calls, one of them scored with a missed signal; a list in, a file out, an alarm."""
    with world.database.write() as conn:
        cases = [add_case(conn, number) for number in (1, 2)]
    calls = [
        whole(world, case, steps).call_id for case, steps in zip(cases, (HARD, [*PROMISED, ("done", {})]), strict=True)
    ]
    now, (staff, _) = world.clock.now(), world.staff
    with world.database.write() as conn:
        keep_card(conn, MUNICIPALITY, calls[1], {line.key: "no" for line in CARD}, world.supervisor, now)
        audit(conn, MUNICIPALITY, now, world.operator, "case:view", "case:1", fields="name")
        audit(conn, MUNICIPALITY, now, staff, "report:export", "report:daily", fields="csv,rows=7,sha256=abc")
        audit(conn, MUNICIPALITY, now, staff, "slip:print", "slips", fields="application/pdf,count=2,sha256=def")
        own = {"municipality_id": MUNICIPALITY, "id": 1}
        file = {"kind": "arrears", "file_name": "x.csv", "file_hash": 64 * "a", "encoding": "cp932", "state": "active"}
        when = {"started_at": now, "activated_at": now, "row_count": 320}
        conn.execute(insert(imports).values(**own, **file, **when, actor_id=staff))
        seen = {"kind": "many", "account_id": world.operator, "day": DAY.first, "count": 61}
        times = {"first_at": now, "last_at": now, "found_at": now}
        conn.execute(insert(audit_alerts).values(**own, **seen, **times))
    return world


def test_a_pack_is_whole_masked_the_same_again_and_on_record(
    checked: World,
    asked: Callable[..., Ask],
    terminal: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, anchors = checked, tmp_path / "anchors"
    monkeypatch.setenv("CALLFLOW_AUDIT__ANCHORS", str(anchors))
    told = terminal(
        "ward01", "audit", "inspect", "--place", "見本センター", "--finding", "施錠を確認", "--measure", "鍵の台帳"
    )
    assert (told.code, told.out) == (0, "検査 1 を記録しました\n"), told.err
    world.clock.advance(timedelta(minutes=10))
    with world.database.read() as conn:
        anchor(conn, anchors, tmp_path / "key", world.clock.now())
        ask = asked(conn)
        pack = auditpack.build(ask, world.database.url, anchors)
        assert auditpack.build(ask, world.database.url, anchors).content == pack.content
    with zipfile.ZipFile(io.BytesIO(pack.content)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    manifest = json.loads(parts["manifest.json"])
    assert set(manifest["files"]) == set(parts) - {"manifest.json"}
    for name, facts in manifest["files"].items():
        assert facts["sha256"] == hashlib.sha256(parts[name]).hexdigest()
    whole_text = b"\n".join(parts.values()).decode()
    assert [word for word in PERSONAL if word in whole_text] == []
    checks = parts["reports/c10.csv"].decode()
    assert all(
        word in checks
        for word in ("見本センター,施錠を確認,鍵の台帳", f"滞納一覧の取込,ward01,320,{64 * 'a'}", "ward01,7,abc")
    )
    assert "95%下限" in parts["reports/c8.csv"].decode()
    assert '"numerator": 1' in parts["reports/c8.json"].decode()
    assert "閲覧" in parts["alarms.csv"].decode()
    assert ",op01,61," in parts["alarms.csv"].decode()
    assert len(parts["quality/sample.csv"].decode().splitlines()) == 3
    assert parts["proof/verification.txt"].decode().startswith("破れはありません\n通話 2 件")
    assert any(name.startswith("proof/anchors/000001") for name in parts)

    for roles, purpose, refusal in (({"supervisor"}, "x", RefusedError), ({"staff"}, " ", InputError)):
        with pytest.raises(refusal):
            auditpack.give(world.database, ask, pack, roles, purpose)
    target = tmp_path / "pack.zip"
    words = ("audit", "pack", "--from", "2026-11-24", "--to", "2026-11-24", "-o", str(target), "--purpose", "定期監査")
    assert terminal("op01", *words).code == 5
    assert not target.exists()
    assert terminal("ward01", *words).code == 0
    assert "すでにあります" in terminal("ward01", *words).err
    with world.database.read() as conn:
        e = audit_events.c
        (given,) = conn.execute(select(e.fields, e.purpose).where(e.verb == "audit:pack"))
    sha = hashlib.sha256(target.read_bytes()).hexdigest()
    assert given == (f"2026-11-24/2026-11-24,files={len(parts)},sha256={sha}", "定期監査")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_inspections_are_recorded_by_staff_with_what_they_need(world: World, terminal: Callable[..., Any]) -> None:
    fine = ("audit", "inspect", "--place", "見本センター", "--finding", "異状なし", "--on", "2026-11-20")
    assert "区の職員だけ" in terminal("sv01", *fine).err
    assert "結果がありません" in terminal("ward01", "audit", "inspect", "--place", "見本センター").err
    assert "まだ来ていません" in terminal("ward01", *fine[:-1], "2027-01-01").err
    assert "日付ではありません" in terminal("ward01", *fine[:-1], "20日").err
    assert terminal("ward01", *fine).code == 0
    assert "2026-11-20 見本センター: 異状なし" in terminal("ward02", "audit", "inspections").out
    assert terminal("sv01", "audit", "inspections").code == 5
