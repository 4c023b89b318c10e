"""The import wizard: a file kept, checked, confirmed, taken in and taken back; nothing is left lying about."""

from __future__ import annotations

import csv
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import select

from callflow.config import load
from callflow.console import importing
from callflow.console.site import Site
from callflow.intake.uploads import SILENT, Uploads
from models.tables import audit_events, cases, debtors
from tests.conftest import MUNICIPALITY
from tests.integration.test_import import HEAD, ROW
from tests.web.conftest import ROOT, Browser
from tests.world import World


@pytest.fixture
def site(site: Site, tmp_path: Path) -> Site:
    """With a folder of its own for uploads."""
    config = load(ROOT / "config.yaml", {"CALLFLOW_IMPORT__UPLOADS": str(tmp_path / "uploads")})
    return replace(site, config=config)


def content(*rows: dict[str, str], encoding: str = "cp932") -> bytes:
    text = StringIO()
    writer = csv.DictWriter(text, HEAD)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def send(browser: Browser, file: bytes, **fields: str):  # type: ignore[no-untyped-def]
    return browser.post(
        "/import",
        data={"csrf": browser.token, **fields},
        files={"file": ("一覧.csv", file)},
        headers={"origin": "http://testserver"},
    )


def attend(site: Site) -> None:
    """What the errand does, in this process."""
    desk = Uploads(site.database, MUNICIPALITY, site.config)
    found = desk.claim(site.clock.now())
    assert found is not None
    assert desk.claim(site.clock.now()) is None, "a file has one reader"
    desk.work(found, site.clock)


def kept(site: Site) -> list[Path]:
    return list(site.config.imports.uploads.glob("*"))


def acts(site: Site, prefix: str) -> list[tuple[str, str]]:
    with site.database.read() as conn:
        e = audit_events.c
        query = select(e.verb, e.fields).where(e.municipality_id == MUNICIPALITY, e.verb.startswith(prefix))
        return [(verb, fields) for verb, fields in conn.execute(query.order_by(e.id))]


def test_a_list_goes_through_every_step_and_back(world: World, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    browser.see("/import")
    assert send(browser, content(ROW)).headers["location"] == "/import/1"
    page = browser.see("/import/1").text
    assert "確認中" in page
    assert 'data-hx-trigger="every 1s"' in page
    attend(site)
    page = browser.see("/import/1").text
    assert "1行に誤りはありません" in page
    assert "見＊＊＊" in page, "the sample is masked"
    assert "見本　太郎" not in page
    assert "0090000001" not in page
    assert acts(site, "import:read") == []
    with site.database.read() as conn:
        query = select(cases.c.id).where(cases.c.municipality_id == MUNICIPALITY)
        assert conn.execute(query).all() == [], "nothing is taken in by checking"
    assert browser.submit("/import/1/confirm").headers["location"] == "/import/1?said=import-confirmed"
    assert browser.submit("/import/1/confirm").status_code == 409
    assert browser.submit("/import/1/drop").status_code == 409
    assert "取り込み中" in browser.see("/import").text
    attend(site)
    page = browser.see("/import/1").text
    assert "取り込みました。1行、取り込み番号 1" in page
    assert kept(site) == []
    with site.database.read() as conn:
        names = select(debtors.c.name).where(debtors.c.municipality_id == MUNICIPALITY)
        assert conn.execute(names).scalars().all() == ["見本　太郎"]
    page = browser.see("/import").text
    assert "一覧.csv" in page
    assert browser.submit("/imports/1/take-back").status_code == 409
    assert browser.submit("/imports/1/take-back", sure="1").headers["location"] == "/import?said=import-taken-back"
    page = browser.see("/import").text
    assert "取り消し済み" in page
    with site.database.read() as conn:
        assert conn.execute(names).all() == []
    assert [verb for verb, _ in acts(site, "case:")] == ["case:import", "case:undo-import"]


def test_faults_are_shown_on_record_listed_and_left_out(world: World, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    bad = ROW | {"通知書番号": "N2", "未納額": "=1+2", "宛名番号": "0090000002", "世帯番号": "0080000002"}
    browser.see("/import")
    send(browser, content(ROW, bad, encoding="utf-8-sig"))
    attend(site)
    page = browser.see("/import/1").text
    assert "2行のうち 1行に誤りがあります" in page
    assert "未納額" in page
    assert acts(site, "import:") == [("import:read-faults", "未納額")]
    listed = browser.get("/import/1/faults.csv")
    assert listed.headers["content-disposition"] == 'attachment; filename="import-1-faults.csv"'
    rows = list(csv.reader(StringIO(listed.content.decode("utf-8-sig"))))
    assert rows[0] == ["種類", "行", "列", "項目", "値", "理由", "直し方"]
    assert rows[1][1:5] == ["3", "23", "未納額", "'=1+2"]
    assert acts(site, "import:")[-1] == ("import:export-faults", "未納額")
    assert browser.submit("/import/1/confirm").status_code == 409
    browser.submit("/import/1/confirm", without_bad_rows="1")
    attend(site)
    page = browser.see("/import/1").text
    assert "取り込みました" in page
    assert "=1+2" not in page, "values of faulty rows go with the file"
    assert browser.get("/import/1/faults.csv").status_code == 409


def test_what_is_no_list_says_why_and_old_files_go(world: World, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    browser.see("/import")
    assert browser.submit("/import").status_code == 422
    assert send(browser, b"").status_code == 422
    send(browser, "氏名;住所\n見本;x\n".encode())
    attend(site)
    page = browser.see("/import/1").text
    assert "区切りが 「;」 です" in page
    assert "1行目" in page
    assert len(kept(site)) == 1
    browser.submit("/import/1/drop")
    assert kept(site) == []
    send(browser, content(ROW))
    desk = Uploads(site.database, MUNICIPALITY, site.config)
    assert desk.claim(world.clock.now()) == 2
    assert desk.claim(world.clock.now()) is None
    world.clock.advance(SILENT + timedelta(seconds=1))
    assert desk.claim(world.clock.now()) == 2, "its reader died: another reads it"
    desk.work(2, world.clock)
    world.clock.advance(timedelta(hours=25))
    assert desk.claim(world.clock.now()) is None
    assert (desk.get(2).state, desk.get(2).report, kept(site)) == ("dropped", {}, [])


def test_the_process_that_reads_needs_only_what_it_is_given(
    site: Site, logged_in, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    browser.see("/import")
    importing.attend(site)
    send(browser, content(ROW))
    monkeypatch.setenv("CALLFLOW_IMPORT__UPLOADS", str(site.config.imports.uploads))
    found = Uploads(site.database, MUNICIPALITY, site.config).claim(site.clock.now())
    assert found == 1
    importing.read(site.database.url, site.config_path, MUNICIPALITY, found, site.clock.now())
    assert "1行に誤りはありません" in browser.see("/import/1").text


def test_the_reader_gives_way_while_it_reads_and_not_while_it_writes(tmp_path: Path) -> None:
    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def at_work() -> tuple[int, int, int]:
        before = nice()
        database = importing.PromptlyWritten(f"sqlite:///{tmp_path}/a.sqlite")
        importing.give_way()
        try:
            return before, nice(), database.transact(lambda _conn: nice())
        finally:
            database.close()

    with ThreadPoolExecutor(1) as other:  # what gives way does so for good
        before, reading, writing = other.submit(at_work).result()
    assert (reading, writing) == (importing.POLITE, before)
