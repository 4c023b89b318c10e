"""Keeping and erasing in the browser: staff ask, hold and release, another approves, the auditor reads."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import insert, select

from callflow.access.sessions import log_in
from callflow.console.site import Site
from callflow.retention import erasing
from models.tables import erasures, practices
from tests.conftest import MUNICIPALITY
from tests.world import World, add_case


def as_(site: Site, browser: Callable[[], Any], login: str) -> Any:
    """A browser of one account."""
    with site.database.write() as conn:
        token = log_in(conn, MUNICIPALITY, login, "", "testclient", site.clock.now(), fits=True)
    one = browser()
    one.cookies.set(site.cookie, str(token), domain="testserver.local", path="/")
    one.see("/home")
    return one


def practised_long_ago(site: Site, world: World) -> None:
    """A case, and one thing that may be erased by now: a practice of 400 days ago."""
    with site.database.write() as conn:
        add_case(conn, 1)
        who = {"municipality_id": MUNICIPALITY, "id": 1, "account_id": world.operator, "at": world.clock.now()}
        conn.execute(insert(practices).values(**who, script_name="x", card="{}", fitting=1, answers=1))
    world.clock.advance(timedelta(days=400))


def test_an_erasure_from_its_request_to_its_certificate(
    site: Site,
    world: World,
    logged_in,  # type: ignore[no-untyped-def]
    browser: Callable[[], Any],
) -> None:
    practised_long_ago(site, world)
    one = logged_in("staff")
    page = one.see("/retention").text
    assert 'value="training"' in page
    assert 'value="call_log" aria-label' not in page
    assert one.submit("/retention/requests", reason="満了").status_code == 422
    refused = one.submit("/retention/requests", kind="memos", reason="満了")
    assert (refused.status_code, "時期になったものはありません" in refused.text) == (422, True)
    assert "理由がありません" in one.submit("/retention/holds", scope="case", thing="1", reason=" ").text
    assert one.submit("/retention/holds", scope="case", thing="99", reason="係属中").status_code == 404
    held = one.submit("/retention/holds", scope="case", thing="1", reason="審査請求の係属中")
    assert held.headers["location"] == "/retention?said=held"
    assert "審査請求の係属中" in one.see("/retention").text
    hold = re.search(r"/retention/holds/(\d+)", one.see("/retention").text)
    assert hold is not None
    released = one.submit(hold[0], reason="確定")
    assert released.headers["location"] == "/retention?said=released", released.text[-2500:]
    asked = one.submit("/retention/requests", kind="training", reason="保存年限の満了")
    assert asked.headers["location"] == "/retention?said=asked"
    with site.database.read() as conn:
        number = conn.execute(select(erasures.c.id)).scalar_one()
    assert "ほかの職員の承認待ち" in one.see("/retention").text
    assert "自分が求めた" in one.submit(f"/retention/requests/{number}", decision="approve").text
    auditor = logged_in("auditor")
    assert "保存年限の満了" in auditor.see("/retention").text
    assert auditor.submit(f"/retention/requests/{number}", decision="approve").status_code == 403
    other = as_(site, browser, "ward02")
    assert 'value="approve"' in other.see("/retention").text
    assert (
        other.submit(f"/retention/requests/{number}", decision="approve").headers["location"]
        == "/retention?said=approved"
    )
    assert f"callflow retention run {number}" in other.see("/retention").text
    assert other.get(f"/retention/certificates/{number}").status_code == 409
    done = erasing.run(site.database, MUNICIPALITY, number, world.staff[0], world.clock)
    page = auditor.see(f"/retention/certificates/{number}").text
    assert all(each in page for each in ("ward01", "ward02", "練習の成績", done["classes"][0]["sha256"]))
    printed = auditor.get(f"/retention/certificates/{number}/pdf")
    assert printed.headers["content-type"] == "application/pdf"
    words = "".join(page.extract_text() for page in PdfReader(io.BytesIO(printed.content)).pages)
    assert done["classes"][0]["sha256"][:16] in "".join(words.split())
    assert logged_in("supervisor").get("/retention").status_code == 403


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_inspections_and_the_audit_pack(site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    staff = logged_in("staff")
    staff.see("/audit/inspections")
    wrong = staff.submit("/audit/inspections", on="2027-01-01", place="見本センター", finding="施錠を確認")
    assert (wrong.status_code, "まだ来ていません" in wrong.text, "施錠を確認" in wrong.text) == (422, True, True)
    kept = staff.submit("/audit/inspections", on="2026-11-20", place="見本センター", finding="施錠を確認")
    assert kept.headers["location"] == "/audit/inspections?said=inspected"
    auditor = logged_in("auditor")
    assert "施錠を確認" in auditor.see("/audit/inspections").text
    assert auditor.submit("/audit/inspections", on="2026-11-20", place="x", finding="x").status_code == 403
    period = {"from": "2026-11-01", "to": "2026-11-24"}
    assert "目的がありません" in auditor.submit("/audit/pack", **period).text
    pack = auditor.submit("/audit/pack", **period, purpose="定期監査")
    assert pack.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(pack.content)) as file:
        assert "施錠を確認" in file.read("reports/c10.csv").decode()
    assert logged_in("supervisor").submit("/audit/pack", **period, purpose="x").status_code == 403
