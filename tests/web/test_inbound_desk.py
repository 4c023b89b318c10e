"""A resident calls back, at the desk: by keys, one answer or none, nothing of the debt before verification."""

from __future__ import annotations

import re

from callflow.console.site import Site
from models.tables import calls, ward_callbacks
from tests.web.desktop import Page
from tests.web.test_desk import BORN, CANARIES, count, desk, last_code  # noqa: F401  the fixture


def reached(desk):  # type: ignore[no-untyped-def]  # noqa: F811
    """From the preview of another case to the search, by its key."""
    assert desk.page.links["i"] == "/desk/inbound"
    return desk.browser.see("/desk/inbound").text


def test_from_the_search_to_the_talk(desk, site: Site) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    shown = [reached(desk)]
    wrong = desk.browser.submit("/desk/inbound", phone="0001", kana="", born="")
    assert (wrong.status_code, "桁数が合いません" in wrong.text, 'value="0001"' in wrong.text) == (422, True, True)
    found = desk.browser.submit("/desk/inbound", phone="03-6659-0002", kana="", born="").text
    assert "試川" in found
    page = Page()
    page.feed(found)
    form, *_ = page.keys["Enter"]
    assert page.actions[form] == "/desk/inbound/open"
    assert desk.browser.submit("/desk/inbound/open", **page.forms[form]).headers["location"] == "/desk"
    shown += [found, desk.look()]
    assert "折り返しのお電話でしょうか" in desk.text
    assert desk.browser.get("/desk/inbound").status_code == 303  # one call at a time
    desk.press("1")
    shown.append(desk.text)
    assert not [canary for text in shown for canary in CANARIES if canary in re.sub("03-6659-0002", "", text)]
    desk.type(**BORN)
    desk.press("Enter")
    assert "お時間をいただけますでしょうか" in desk.text
    desk.press("h")
    assert "電話をかける" in desk.press("Enter")
    assert last_code(site) == "HU1"
    assert count(site, calls) == 1


def test_who_is_not_found_is_called_by_the_ward(desk, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    none = desk.browser.submit("/desk/inbound", phone="03-9999-0002", kana="", born="").text
    assert "区の職員から改めてご連絡いたします" in none
    assert desk.browser.submit("/desk/inbound/ward", name="", phone="1", note="").status_code == 422
    desk.browser.submit("/desk/inbound/ward", name="見知 らぬ", phone="090-0000-0000", note="")
    assert count(site, ward_callbacks) == 1
    staff = logged_in("staff")
    assert "見知 らぬ" in staff.see("/callbacks/ward").text
    staff.submit("/callbacks/ward/1")
    assert "見知 らぬ" not in staff.see("/callbacks/ward").text


def test_another_operators_case_number_opens_nothing(desk, site: Site) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    assert desk.browser.submit("/desk/inbound/open", case="3").status_code == 404
    assert count(site, calls) == 0


def test_a_callback_is_agreed_only_for_an_hour_in_which_calls_are_placed(desk, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    desk.play("Enter", "1", "1", "1")
    desk.type(**BORN)
    desk.press("Enter")
    desk.press("c")
    desk.type(f__callback_dot_at="11/24 22:00")
    text = desk.press("1")
    assert "その日時には架電できません" in text
    assert "11月25日(水) 09:00" in text
    desk.type(f__callback_dot_at="11/24 15:00")
    assert "15時" in desk.press("1")
    desk.play("1", "1", "Enter")
    listed = logged_in("supervisor").see("/callbacks").text
    assert "11/24 15:00" in listed or "11月24日" in listed
    assert "op01" in listed
    assert "試川" not in listed


def test_own_calls_of_today_are_listed_without_a_name_and_corrected_with_a_reason(desk, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    desk.play("Enter", "2")
    listed = desk.browser.see("/desk/mine").text
    assert "応答なし" in listed
    assert "試川" not in listed
    desk.browser.see("/desk/mine/1")
    assert "理由は1〜500文字です" in desk.browser.submit("/desk/mine/1", reason="", code="NW", act="try").text
    tried = desk.browser.submit("/desk/mine/1", reason="聞き違い", code="NW", act="try").text
    assert "NA 応答なし → NW 圏外・電源断" in tried
    assert last_code(site) == "NA"
    desk.browser.submit("/desk/mine/1", reason="聞き違い", code="NW", act="record")
    assert last_code(site) == "NW"
    assert "NW" in desk.browser.see("/desk/mine").text
    assert desk.browser.get("/desk/mine/77").status_code == 404
