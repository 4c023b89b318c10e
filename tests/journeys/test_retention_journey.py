"""Keeping and erasing in a browser: one of the staff asks, another approves, and the certificate can be printed."""

from __future__ import annotations

import io

from pypdf import PdfReader
from sqlalchemy import select

from callflow.console.site import Site
from callflow.retention import erasing
from models.tables import erasures
from tests.conftest import MUNICIPALITY
from tests.journeys.conftest import findings
from tests.web.test_retention_pages import practised_long_ago
from tests.world import World


def test_staff_hold_ask_approve_and_read_the_certificate(  # type: ignore[no-untyped-def]
    site: Site, world: World, server: str, logged_in_page
) -> None:
    practised_long_ago(site, world)

    page = logged_in_page("staff")
    page.goto(f"{server}/retention")
    assert findings(page) == []
    page.get_by_label("対象").select_option("case")
    page.get_by_label("番号、または種類の名").fill("1")
    page.get_by_label("理由（住民の名前は書かない）").fill("審査請求の係属中")
    page.get_by_role("button", name="差し止める").click()
    page.get_by_text("消去を差し止めました。").wait_for()
    page.get_by_label("外す理由").fill("裁決の確定")
    page.get_by_role("button", name="外す").click()
    page.get_by_text("差し止めを外しました。").wait_for()

    page.get_by_label("練習の成績").check()
    page.get_by_role("button", name="消去を求める").click()
    assert page.url.endswith("/retention?said=released"), "without a reason the browser itself holds it back"
    page.get_by_label("消去を求める理由").fill("保存年限の満了")
    page.get_by_role("button", name="消去を求める").click()
    page.get_by_text("消去を求めました。").wait_for()
    assert page.get_by_text("ほかの職員の承認待ち").is_visible()
    assert page.get_by_role("button", name="承認").count() == 0

    other = logged_in_page("staff", login="ward02")
    other.goto(f"{server}/retention")
    other.get_by_role("button", name="承認").click()
    other.get_by_text("承認しました。").wait_for()
    assert findings(other) == []
    with site.database.read() as conn:
        number = conn.execute(select(erasures.c.id)).scalar_one()
    done = erasing.run(site.database, MUNICIPALITY, number, world.staff[0], world.clock)

    auditor = logged_in_page("auditor", "dark")
    auditor.goto(f"{server}/retention")
    auditor.get_by_role("link", name="証明を見る").click()
    assert auditor.get_by_text(done["classes"][0]["sha256"]).is_visible()
    assert findings(auditor) == []
    with auditor.expect_download() as held:
        auditor.get_by_role("link", name="PDF（印刷用）").click()
    printed = PdfReader(io.BytesIO(held.value.path().read_bytes()))
    words = "".join("".join(sheet.extract_text() for sheet in printed.pages).split())
    assert "保存年限の満了" in words
    assert done["classes"][0]["sha256"][:16] in words
