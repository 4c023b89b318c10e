"""Ward staff at a browser: a list with a fault, mended, taken in and taken back; a draft of the script read and
approved. Each page is looked at by axe, in both themes."""

from __future__ import annotations

from pathlib import Path

import pytest

from callflow.console import importing
from callflow.console.pages.scripts.editions import PROVER
from callflow.console.site import Site
from callflow.intake.uploads import Uploads
from tests.conftest import MUNICIPALITY
from tests.integration.test_import import ROW
from tests.journeys.conftest import findings
from tests.web.conftest import PASSWORD
from tests.web.test_import_pages import content, site  # noqa: F401  a fixture
from tests.web.test_script_pages import NEW, OLD, files, form_of, proof, second_staff


@pytest.fixture
def page(logged_in_page):  # type: ignore[no-untyped-def]
    return logged_in_page("staff")


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's errand reads the files in this process: one of its own would look for them in the usual folder."""

    def attend(site: Site) -> None:  # noqa: F811
        uploads = Uploads(site.database, MUNICIPALITY, site.config)
        found = uploads.claim(site.clock.now())
        if found is not None:
            uploads.work(found, site.clock)

    monkeypatch.setattr(importing, "attend", attend)


def look(page, words: str) -> None:  # type: ignore[no-untyped-def]
    page.wait_for_selector(f"text={words} >> visible=true")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert findings(page) == [], (words, scheme)


def send(page, server: str, folder: Path, *rows: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    """A file of these rows, chosen by hand."""
    chosen = folder / "一覧.csv"
    chosen.write_bytes(content(*rows))
    page.goto(f"{server}/import")
    page.set_input_files("[name=file]", chosen)
    page.click("text=読み込んで確認する")


@pytest.mark.usefixtures("read_here")
def test_a_list_is_mended_taken_in_and_taken_back(page, server: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bad = ROW | {"通知書番号": "N2", "未納額": "六千円"}
    send(page, server, tmp_path, ROW, bad)
    look(page, "2行のうち 1行に誤りがあります")  # by itself: the page follows
    assert page.inner_text("table >> nth=0").count("六千円") == 1
    assert page.is_visible("text=直し方")
    page.click("text=このファイルをやめる")
    look(page, "このファイルはやめました")
    send(page, server, tmp_path, ROW, bad | {"未納額": "6000"})
    look(page, "2行に誤りはありません")
    assert "見本　太郎" not in page.content(), "the sample is masked"
    page.click("button:text('取り込む')")
    look(page, "取り込みました。2行")
    page.click("text=取り込みの一覧へ")
    page.click("text=取り消す…")
    page.check("[name=sure]")
    page.click("button:text('取り消す')")
    look(page, "取り消し済み")


def test_a_draft_is_read_and_approved_by_two(
    page,  # type: ignore[no-untyped-def]
    server: str,
    site: Site,  # noqa: F811
    logged_in,  # type: ignore[no-untyped-def]
    browser,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PROVER, "report", lambda stored, wait: proof(stored))
    changed = {name: text.replace(OLD, NEW) for name, text in files(site).items()}
    logged_in("supervisor").submit("/script-drafts/new", **form_of(changed, note="言い方を丁寧に"))
    page.goto(f"{server}/scripts")
    look(page, "言い方を丁寧に")
    page.click("text=下書き 1")
    look(page, "区の職員二人の承認を待っています")
    page.click("nav.views >> text=違い")
    assert page.inner_text("ins") == NEW
    assert page.inner_text("del") == OLD
    page.click("nav.views >> text=検査")
    look(page, "証明できました")
    page.fill("[name=password]", "not-mine")
    page.click("text=承認する")
    look(page, "パスワードが違う")
    page.fill("[name=password]", PASSWORD)
    page.click("text=承認する")
    look(page, "あなたは承認済みです")
    second_staff(site, browser).submit("/script-drafts/1/approve", password=PASSWORD)
    page.goto(f"{server}/scripts/nhi-premium")
    look(page, "第2版")
