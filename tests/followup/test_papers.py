"""What is printed: letters with their form, slips, a household's evidence. Its text against the records, its tags, and
the act before the bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import insert, select, update

from callflow.config import load
from callflow.errors import InputError, RefusedError, TryLaterError
from callflow.followup.reference import reference, report_of, searched
from callflow.followup.statement import FIELDS
from callflow.papers import evidence, letters, press, slip_sheets
from callflow.papers.typesetter import typeset
from callflow.playback import Verdict
from models.ids import new_id
from models.tables import (
    audit_events,
    call_events,
    calls,
    debtors,
    follow_up_events,
    households,
    living_reports,
    payments,
)
from tests.followup.conftest import SETTLED, Said, supervisor
from tests.integration.test_calls import PROMISED, whole
from tests.integration.test_holdings import HARD
from tests.shift import CONFIG
from tests.world import MUNICIPALITY, TestCase, World, add_case

Terminal = Callable[..., Said]
HARD_TO_PRINT = {"name": "𠮷野　髙子", "kana": "ヨシノ　タカコ", "postal_code": "135-9999"}
KEPT = [*PROMISED, ("done", {})]
HANDED_ON = [*PROMISED, ("other_voice", {}), ("done", {})]
"""Who was identified promised, and then somebody else had the receiver."""


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages as they go to the press: setting them takes seconds, and what stands on them does not depend on it."""
    monkeypatch.setattr(press, "_typeset", lambda page, _patience: (page.encode(), []))


@pytest.fixture
def set_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set in this process, which loads the typesetter once. Its own process is started by the test of the reports."""
    monkeypatch.setattr(press, "_typeset", lambda page, _patience: typeset(page))


@pytest.fixture
def neighbour(world: World, case: TestCase) -> int:
    """Another household whose form waits too. Returns its report's number."""
    with world.database.write() as conn:
        other = add_case(conn, 2)
        one = new_id(conn, living_reports, MUNICIPALITY)
        own = {"municipality_id": MUNICIPALITY, "id": one, "household_id": other.household_id, "case_id": other.case_id}
        conn.execute(insert(living_reports).values(**own, state="requested", requested_at=world.clock.now()))
    return one


def rename(world: World, **values: Any) -> None:
    with world.database.write() as conn:
        conn.execute(update(debtors).where(debtors.c.id == 1).values(**values))


def acts(world: World, verb: str) -> list[Any]:
    a = audit_events.c
    with world.database.read() as conn:
        return list(conn.execute(select(a.object, a.purpose, a.fields).where(a.verb == verb).order_by(a.id)).all())


def texts(content: bytes) -> list[str]:
    """The pages' text, without blanks."""
    return ["".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(content)).pages]


def assert_tagged(content: bytes) -> None:
    root = PdfReader(io.BytesIO(content)).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/StructTreeRoot"]["/K"]
    assert root["/Lang"] == "ja"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert b"pdfuaid:part" in root["/Metadata"].get_data()


def test_a_reference_finds_its_report_and_a_misread_one_none() -> None:
    assert [reference(one) for one in (12, 999_999, 1_234_567)] == ["S-000012-5", "S-999999-6", "S-1234567-4"]
    assert {report_of(each) for each in ("S-000012-5", "ｓ－０００012ー5", "s0000125", "12")} == {12}
    assert (searched("s-000012-5"), searched("試川")) == ("12", "試川")
    for wrong in ("S-000021-5", "S-000012-6", "S-12-5", "十二"):
        with pytest.raises(InputError, match="整理番号"):
            report_of(wrong)


@pytest.mark.usefixtures("set_here")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_letters_are_set_with_every_letter_and_tagged(
    world: World, hard: int, neighbour: int, terminal: Terminal, tmp_path: Path
) -> None:
    rename(world, **HARD_TO_PRINT)
    file = tmp_path / "報告書.pdf"
    said = terminal(
        "ward01", "report", "form", "print", "-o", str(file), "--purpose", "送付", "--posted-on", "2026-11-26"
    )
    assert said.code == 0, said.err
    content = file.read_bytes()
    assert_tagged(content)
    pages = texts(content)
    assert len(pages) == 8  # four a household, so that no household's letter is on the back of another's form
    letter, _, form, second = pages[:4]
    for words in ("〒135-9999", "見本町8-17-18", "ヨシノタカコ𠮷野髙子様", "令和8年11月26日", "S-000001-8"):
        assert words in letter, words
    assert "令和8年12月10日（木）まで" in letter
    assert "フリガナヨシノタカコ" in form
    assert "氏名𠮷野髙子" in form
    for field in FIELDS.values():
        assert "".join(field.label.split()) in form + second, field.key
    assert "試川" not in "".join(pages[:4])
    assert "𠮷野" not in "".join(pages[4:])
    assert not any(words in "".join(pages) for words in ("国民健康保険料", "滞納処分", "12,000", "24,000"))
    outside = "".join(_above_the_fold(content))
    assert "𠮷野" in outside
    assert "生活状況報告書" not in outside
    (act,) = acts(world, "report:print")
    assert (act.object, act.purpose) == ("reports", "送付")
    assert act.fields == f"application/pdf,count=2,sha256={hashlib.sha256(content).hexdigest()}"


@pytest.mark.usefixtures("set_here")
def test_a_letter_that_no_font_has_is_named_with_its_sheet() -> None:
    sheets = [press.Sheet("報告書 1", "<p>𠮷髙</p>"), press.Sheet("報告書 2", "<p>試\ue001　一郎</p>")]
    assert press.document("letters.html", "題", sheets[:1]).startswith(b"%PDF-1.7")
    with pytest.raises(InputError, match="報告書 2 の \ue001（U\\+E001）") as lost:
        press.document("letters.html", "題", sheets)
    assert "報告書 1" not in lost.value.what


def _above_the_fold(content: bytes) -> Iterator[str]:
    """What stands on the first page in the panel that is folded outward: its upper 99 of 297 mm."""
    found: list[str] = []
    page = PdfReader(io.BytesIO(content)).pages[0]
    height = float(page.mediabox.height)

    def visit(text: str, current: list[float], matrix: list[float], _font: Any, _size: Any) -> None:
        if matrix[5] * current[3] + current[5] > height * 2 / 3:
            found.append(text)

    page.extract_text(visitor_text=visit)
    yield from found


@pytest.mark.usefixtures("unset")
def test_a_letters_day_is_the_day_that_counts_and_a_second_letter_says_so(
    world: World, hard: int, neighbour: int, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def printed(*words: str) -> Said:
        return terminal("ward01", "report", "form", "print", *words, "--purpose", "送付", "--json")

    first = printed("1", "-o", str(tmp_path / "1.pdf"), "--posted-on", "2026-11-26")
    assert first.data["letters"] == [
        {"report_id": 1, "reference": "S-000001-8", "due_on": "2026-12-10", "again": False}
    ]
    posted = terminal("ward01", "report", "form", "send", "--json").data
    assert [(each["report_id"], each["due_on"]) for each in posted] == [(1, "2026-12-10"), (2, "2026-12-08")]
    with world.database.write() as conn:
        conn.execute(update(living_reports).where(living_reports.c.id == 1).values(state="re_requested"))
    again = printed("-o", str(tmp_path / "2.pdf"))
    assert [(each["report_id"], each["again"]) for each in again.data["letters"]] == [(1, True)]
    page = (tmp_path / "2.pdf").read_text(encoding="utf-8")
    for words in (
        "再度のお願い",
        "令和8年11月24日（火）に「生活状況報告書」をお送りしましたが",
        "令和8年12月10日（木）を過ぎています",
    ):
        assert words in page, words
    with world.database.read() as conn:
        e = follow_up_events.c
        told = conn.execute(select(e.act, e.note).where(e.thing_id == 1, e.thing == "report").order_by(e.id)).all()
    assert [tuple(each) for each in told] == [
        ("printed", "返送期限 2026-12-10"),
        ("send", ""),
        ("printed", "返送期限 2026-12-10"),
    ]
    rename(world, address="")
    assert printed("1", "-o", str(tmp_path / "3.pdf")).data["no_address"] == [1]
    monkeypatch.setattr(press, "_typeset", lambda _page, _patience: (b"", [ord("𠮷")]))
    rename(world, **HARD_TO_PRINT)
    said = printed("1", "-o", str(tmp_path / "x.pdf"))
    assert (said.code, "報告書 1 の 𠮷（U+20BB7）" in said.err) == (1, True)
    assert not (tmp_path / "x.pdf").exists()
    monkeypatch.setattr(press, "_typeset", lambda page, _patience: (moved_meanwhile(world, page), []))
    said = printed("1", "-o", str(tmp_path / "x.pdf"))
    assert (said.code, "別の人が変更しました" in said.err) == (TryLaterError.exit_code, True)
    assert not (tmp_path / "x.pdf").exists()
    assert len(acts(world, "report:print")) == 3


def moved_meanwhile(world: World, page: str) -> bytes:
    """Somebody records a return while the letters are being set."""
    with world.database.write() as conn:
        conn.execute(update(living_reports).values(state="returned"))
    return page.encode()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_is_printed_for_who_is_not_staff(world: World, hard: int) -> None:
    config, (who, viewer) = load(CONFIG, {}), supervisor(world)
    for print_ in (
        lambda: letters.printed(world.database, config, who, viewer, [1], "送付"),
        lambda: slip_sheets.printed(world.database, config, who, viewer, [1], "送付"),
        lambda: evidence.handed(world.database, config, world.shelf, who, viewer, "1", "送付"),
    ):
        with pytest.raises(RefusedError, match="区の職員だけ"):
            print_()
    assert not acts(world, "case:view")


@pytest.mark.usefixtures("unset")
def test_letters_that_cannot_be_printed_are_refused_in_words(
    world: World, hard: int, neighbour: int, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "1.pdf"
    for login, words, code, says in (
        ("ward01", ("--purpose", " "), 1, "目的がありません"),
        ("ward01", ("--purpose", "送付", "--posted-on", "2026-11-23"), 1, "今日から14日"),
        ("ward01", ("--purpose", "送付", "--posted-on", "あす"), 1, "日付ではありません"),
        ("ward01", ("--purpose", "送付", "99"), 3, "99 はありません"),
        ("sv01", ("--purpose", "送付"), 5, "権限"),
    ):
        said = terminal(login, "report", "form", "print", "-o", str(file), *words)
        assert (said.code, says in said.err) == (code, True), said
    with world.database.write() as conn:
        conn.execute(update(households).where(households.c.id == 2).values(protected=True))
        conn.execute(update(living_reports).where(living_reports.c.id == 1).values(state="returned"))
    for one, says in (("1", "「返送」なので"), ("2", "支援措置")):
        said = terminal("ward01", "report", "form", "print", one, "-o", str(file), "--purpose", "送付")
        assert (said.code, says in said.err) == (5, True), said
    assert not file.exists()
    assert not acts(world, "report:print")
    with world.database.write() as conn:
        conn.execute(update(living_reports).where(living_reports.c.id == 1).values(state="requested"))
    assert terminal("ward01", "report", "form", "print", "-o", str(file), "--purpose", "送付").code == 0
    assert terminal("ward01", "report", "form", "print", "-o", str(file), "--purpose", "送付").code == 5  # it is there
    with world.database.write() as conn:
        conn.execute(update(living_reports).values(due_on=world.clock.now().date()))
    assert "もう一度印刷" in terminal("ward01", "report", "form", "send", "1").err


@pytest.mark.usefixtures("set_here")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_slips_are_set_one_after_the_other(world: World, hard: int, terminal: Terminal, tmp_path: Path) -> None:
    rename(world, **HARD_TO_PRINT)
    file = tmp_path / "連絡票.pdf"
    assert terminal("ward01", "slip", "take", "1").code == 0
    said = terminal("ward01", "slip", "print", "1", "-o", str(file))
    assert said.code == 0, said.err
    content = file.read_bytes()
    assert_tagged(content)
    (page,) = texts(content)
    for words in (
        "連絡票1通常対応中",
        "フリガナヨシノタカコ",
        "氏名𠮷野髙子",
        "〒135-9999見本町8-17-18",
        "24,000円（2期分）",
    ):
        assert words in page, words
    assert "見本職一対応を始める" in page
    assert terminal("sv01", "slip", "print", "1", "-o", str(tmp_path / "x.pdf")).code == 5
    assert terminal("ward01", "slip", "print", "1", "-o", str(file)).code == 5  # it is there
    (act,) = acts(world, "slip:print")
    assert act.fields == f"application/pdf,count=1,sha256={hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Lives:
    """A household with two cases, one in hardship and corrected, one with a promise; and another household's case."""

    hard: int
    promised: int
    elsewhere: int


@pytest.fixture
def lives(world: World, case: TestCase, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lives:
    monkeypatch.setenv("CALLFLOW_AUDIT__ANCHORS", str(tmp_path / "anchors"))
    monkeypatch.setenv("CALLFLOW_AUDIT__SIGNING_KEY", str(tmp_path / "anchor.key"))
    with world.database.write() as conn:
        second = add_case(conn, 3, household=case.household_id)
        other = add_case(conn, 2)
        paid = {"arrear_id": 1, "paid_on": date(2026, 11, 25), "amount": 5_000, "as_of": date(2026, 11, 25)}
        conn.execute(
            insert(payments).values(
                municipality_id=MUNICIPALITY, id=1, cancelled_as_of=date(2026, 11, 26), occurrence=1, **paid
            )
        )
    held = [whole(world, one, steps).call_id for one, steps in ((case, HARD), (second, HANDED_ON), (other, KEPT))]
    world.clock.advance(SETTLED)
    for words in (
        ("ward01", "audit", "anchor"),
        ("ward01", "slip", "take", "1"),
        ("ward01", "report", "form", "send"),
        ("ward01", "correct", "call", str(held[0]), "--reason", "聞き違い", "--code", "HR"),
    ):
        done = terminal(*words)
        assert done.code == 0, (words, done.err)
    rename(world, **HARD_TO_PRINT)
    return Lives(*held)


def test_a_households_evidence_is_what_the_records_say_with_the_proof_of_its_calls(
    world: World, lives: Lives, terminal: Terminal, tmp_path: Path
) -> None:
    def given(number: str) -> Said:
        return terminal("ward01", "case", "evidence", number, "--purpose", "審査請求への回答", "--json")

    said = given("1")
    assert said.code == 0, said.err
    assert [each["name"] for each in said.data["cases"]] == ["𠮷野　髙子", "試川　3郎"]
    told = said.data["entries"]
    days = [each["at"] or each["day"] for each in told]
    assert days == sorted(days, key=lambda each: each[:10])
    words = [f"{each['kind']} {each['case_id']} {each['words']}" for each in told]
    for start in (
        "督促状 1 発送　2026年度 第1期（通知書 N0000101）",
        "督促状 2 発送",
        f"通話 1 架電　通話 {lives.hard}　生活困窮・職員から架電（HC）　世帯主・本人と確認",
        f"通話 2 架電　通話 {lives.promised}　納付約束（PP）　世帯主・本人と確認",
        "納付相談 1 案内　",
        "連絡票 1 連絡票 1（通常）　",
        "連絡票 1 連絡票 1　対応を始める",
        "生活状況報告書 1 生活状況報告書 1　申出",
        "生活状況報告書 1 生活状況報告書 1　送付済みにする",
        "納付約束 2 納付約束 1　2026-12-04 までに 18,000円",
        "収納 1 5,000円　2026年度 第1期",
        "訂正（収納） 1 取消　2026-11-25 の 5,000円",
        f"訂正（通話） 1 通話 {lives.hard}　",
    ):
        assert any(each.startswith(start) for each in words), (start, words)
    assert "聞き違い" in said.out
    assert not any(each["case_id"] == 3 for each in told)
    assert f"通話 {lives.elsewhere}" not in said.out
    assert "N00002" not in said.out
    first, second = said.data["proofs"]
    assert (first["call_id"], second["call_id"]) == (lives.hard, lives.promised)
    assert first["verdict"] == second["verdict"] == "証明できました"
    assert first["anchored"] == first["events"] - 1  # the correction came after the anchor
    assert second["anchored"] == second["events"]
    assert second["anchor"] == "000001-2026-11-24"
    for number in ("2", "0010000001", "0020000001"):
        assert given(number).data["household"] == said.data["household"], number
    assert (given("99").code, given("").code) == (3, 3)
    assert [act.object for act in acts(world, "evidence:export")] == ["household:1"] * 4

    with world.database.read() as conn:
        row = conn.execute(select(calls).where(calls.c.id == lives.promised)).one()
        other_head = [((MUNICIPALITY, row.id), 3, "00" * 32, "000009.leaves")]
        proof = evidence._proof(conn, MUNICIPALITY, row, Verdict(row.id, row.event_count), other_head)
    assert proof.verdict == "合いません: 錨 000009 の証した 3 件と違います"

    with world.database.write() as conn:
        row = (call_events.c.call_id == lives.promised) & (call_events.c.seq == 3)
        conn.execute(update(call_events).where(row).values(actor="operator:2"))
    broken = given("1").data["proofs"]
    assert broken[0]["fault"] == ""
    assert broken[1]["fault"].startswith("通番 3")


@pytest.mark.usefixtures("set_here")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_evidence_is_set_and_a_protected_household_needs_the_glass(
    world: World, lives: Lives, terminal: Terminal, tmp_path: Path
) -> None:
    def given(login: str, name: str) -> Said:
        return terminal(login, "case", "evidence", "1", "--purpose", "審査請求", "-o", str(tmp_path / name))

    assert given("ward01", "1.pdf").code == 0
    content = (tmp_path / "1.pdf").read_bytes()
    assert_tagged(content)
    text = "".join(texts(content))
    with world.database.read() as conn:
        head = conn.execute(select(calls.c.head_hash).where(calls.c.id == lives.promised)).scalar_one()
    for words in ("ヨシノタカコ𠮷野髙子", "世帯0020000001", "18,000円", "証明できました", head.hex(), "聞き違い"):
        assert words in text, words
    assert "callflowauditverify" in text
    with world.database.write() as conn:
        conn.execute(update(households).values(protected=True))
    for login, code, says in (("ward01", 5, "支援措置"), ("sv01", 5, "権限")):
        refused = given(login, "2.pdf")
        assert (refused.code, says in refused.err) == (code, True), refused
    assert not (tmp_path / "2.pdf").exists()
    assert terminal("ward01", "glass", "break", "1", "--reason", "審査請求への回答").code == 0
    assert given("ward01", "2.pdf").code == 0
    assert len(acts(world, "evidence:export")) == 2
