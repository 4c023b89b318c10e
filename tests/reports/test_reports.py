"""Every report against counts that are known, on both databases; who may see which, and how one leaves the program."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import insert, select, update

from callflow.reports import breaches, catalogue, kpis, paper
from callflow.reports.asking import Ask
from callflow.reports.effect import effect
from callflow.reports.figures import Difference, Period, Rate, Section
from callflow.reports.paper import cell_words
from models.tables import (
    arrears,
    audit_events,
    campaign_holdouts,
    payments,
    promises,
    scorecards,
    signals,
    suppressions,
)
from models.tables import cases as case_table
from tests.conftest import MUNICIPALITY
from tests.reports.conftest import DAY, at, campaign, cases, ended
from tests.world import World

CODES = ("PP",) * 4 + ("HS", "RF", "TP", "OS", "VD", "WN", "AB", "TF") + ("NA",) * 10
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))


@pytest.fixture
def day(world: World) -> World:
    """22 calls to 22 of 30 cases, one a case; two with a signal; the first in two campaigns' time."""
    them = cases(world, 30)
    campaign(world, "十一月", them)
    with world.database.write() as conn:
        for number, (case, code) in enumerate(zip(them, CODES, strict=False)):
            call_id = ended(conn, world, case, code, at(10 + number % 3, number))
            if code in ("RF", "PP") and number in (0, 5):
                values = {
                    "call_id": call_id,
                    "seq": 3,
                    "case_id": case.case_id,
                    "kind": "signal",
                    "reason": "病気・障害",
                }
                conn.execute(insert(signals).values(municipality_id=MUNICIPALITY, at=at(11), **values))
        ended(conn, world, them[0], "NA", at(10, day=25))  # another day
        ended(conn, world, them[1], "PP", at(10, 30), campaign_id=None, direction="inbound", placed_at=None, attempt=0)
    return world


def test_the_kpis_are_their_formulas(day: World, asked: Callable[..., Ask]) -> None:
    with day.database.read() as conn:
        found = {each.key: each.cell for each in kpis.kpis(asked(conn, campaign_id=1))}
        everything = {each.key: each.cell for each in kpis.kpis(asked(conn))}
    assert found["answer"] == Rate(11, 21)  # TF is no attempt; the resident who called back is none of the campaign's
    assert found["right_party"] == Rate(6, 21)
    assert found["penetration"] == Rate(22, 30)
    assert found["promise"] == Rate(4, 6)
    assert found["signal"] == Rate(3, 6)  # two signals and one HS
    assert found["off_script"] == Rate(1, 11)
    assert found["unverified"] == Rate(1, 11)
    assert found["wrong_number"] == Rate(1, 11)
    assert found["third_party"] == Rate(1, 11)
    assert found["abandoned"] == Rate(1, 11)
    assert (found["handling"].total, found["handling"].count) == (pytest.approx(900, abs=0.1), 10)  # type: ignore[union-attr]
    assert found["breaches"] == 0
    assert everything["answer"] == found["answer"]
    assert everything["promise"] == Rate(4, 6)


def test_breaches_are_counted(day: World, asked: Callable[..., Ask]) -> None:
    them = cases_of(day)
    with day.database.write() as conn:
        ended(conn, day, them[25], "NA", at(7, 59))
        ended(conn, day, them[26], "NA", at(10))
        ended(conn, day, them[26], "NA", at(13))
        ended(conn, day, them[26], "NA", at(16))
        own = {"municipality_id": MUNICIPALITY, "id": 1, "case_id": them[27].case_id, "reason": "staff"}
        conn.execute(insert(suppressions).values(since=at(9), **own))
        ended(conn, day, them[27], "NA", at(11))
        found = breaches.count(asked(conn))
    assert found == {breaches.OUT_OF_HOURS: 1, breaches.OVER_LIMIT: 1, breaches.STOPPED: 1}


def cases_of(world: World) -> list[Any]:
    from tests.world import TestCase  # noqa: PLC0415

    with world.database.read() as conn:
        c = case_table.c
        rows = conn.execute(select(c.id, c.household_id).order_by(c.id)).all()
    return [TestCase(row.id, row.household_id, row.id) for row in rows]


def tables(ask: Ask, name: str) -> dict[str, Section]:
    report = catalogue.made(catalogue.BY_NAME[name], ask)
    return {section.title: section for section in report.sections}


def test_every_report_can_be_made_by_everybody_who_may_see_it(day: World, asked: Callable[..., Ask]) -> None:
    with day.database.read() as conn:
        for kind in catalogue.KINDS:
            for side, account, campaign_id in (("ward", day.staff[0], None), ("contractor", day.supervisor, 1)):
                ask = asked(conn, NOVEMBER, kind=side, account_id=account, campaign_id=campaign_id)
                report = catalogue.made(kind, ask)
                assert report.sections, kind.name
                for section in report.sections:
                    assert section.definition
                    widths = {len(row) for row in section.table.rows} | {len(section.table.columns)}
                    assert len(widths) == 1, (kind.name, section.title)


def test_what_some_reports_say(day: World, asked: Callable[..., Ask]) -> None:
    with day.database.read() as conn:
        ask = asked(conn, NOVEMBER)
        days = tables(ask, "monthly")["日ごとの架電"].table.rows
        assert [row[0] for row in days] == [date(2026, 11, 24), date(2026, 11, 25), "合計"]
        assert [row[1] for row in days] == [21, 1, 22]
        assert days[0][2] == 1  # who called back
        heat = tables(ask, "bands")["時間帯 × 曜日の応答率"].table.rows
        assert [row[0] for row in heat] == ["午前", "午後"]
        assert heat[0][2] == Rate(8, 15)
        outcomes = {row[0]: row[2] for row in tables(ask, "outcomes")["結果の内訳"].table.rows}
        assert (outcomes["NA"], outcomes["PP"]) == (11, 5)
        rows = tables(ask, "c9")["シグナルの率の前後"].table.rows
        assert [row[3] for row in rows] == [Rate(0, 0, interval=True), Rate(3, 7, interval=True)]
        before, after = tables(replace(ask, cut=date(2026, 11, 25)), "c9")["シグナルの率の前後"].table.rows
        assert (before[3].denominator, after[3].denominator) == (7, 0)
        acts = {row[0]: row[1:] for row in tables(ask, "c11")["組織ごとの行為"].table.rows}
        assert sorted(acts["架電"]) == [0, 0, 22]
        register = tables(ask, "c14")["組織と役割"].table.rows
        assert sum(row[3] for row in register) == 4


def test_missed_signals_count_each_calls_last_card(day: World, asked: Callable[..., Ask]) -> None:
    with day.database.write() as conn:
        for number, (call, answer) in enumerate(((1, "no"), (1, "yes"), (2, "no"), (3, "none"), (4, "yes")), 1):
            card = {
                "call_id": call,
                "at": at(15),
                "author_id": day.supervisor,
                "answers": json.dumps({"missed": answer}),
            }
            conn.execute(insert(scorecards).values(municipality_id=MUNICIPALITY, id=number, **card))
        found = {each.key: each.cell for each in kpis.kpis(asked(conn))}
    assert found["missed_signal"] == Rate(1, 3, interval=True)


def pay(conn: Any, case: Any, day: date, amount: int = 12_000) -> None:
    a, number = arrears.c, 1 + len(conn.execute(payments.select()).all())
    arrear = conn.execute(select(a.id).where(a.case_id == case.case_id).order_by(a.id).limit(1)).scalar_one()
    own = {"municipality_id": MUNICIPALITY, "id": number, "arrear_id": arrear, "paid_on": day, "amount": amount}
    conn.execute(insert(payments).values(as_of=day, **own))


def test_the_effect_is_held_against_those_held_out(world: World, asked: Callable[..., Ask]) -> None:
    them = cases(world, 40)
    one = campaign(world, "十一月", them[:24])
    with world.database.write() as conn:
        conn.execute(update(case_table).values(payments_as_of=date(2026, 12, 10)))
        for case in them[24:]:
            held = {"campaign_id": one, "case_id": case.case_id, "unpaid": 24_000, "drawn_at": at(9)}
            conn.execute(insert(campaign_holdouts).values(municipality_id=MUNICIPALITY, **held))
        for case in them[:12]:
            ended(conn, world, case, "PP", at(10))
        ended(conn, world, them[0], "RF", at(10, day=28))  # the last contact before a payment wins
        ended(conn, world, them[20], "NA", at(10))
        pay(conn, them[0], date(2026, 12, 2))  # 8 days after the first contact, 4 after the second
        pay(conn, them[1], date(2026, 11, 30), 5_000)
        pay(conn, them[2], date(2026, 11, 23))  # before any contact
        pay(conn, them[20], date(2026, 11, 25))  # never reached
        pay(conn, them[30], date(2026, 12, 5))
        pay(conn, them[3], date(2026, 11, 26))
        conn.execute(update(payments).where(payments.c.id == 6).values(cancelled_as_of=date(2026, 11, 27)))
        after, against = effect(asked(conn, NOVEMBER))
    rows = [row[1:] for row in after.table.rows]
    assert rows[0] == (Rate(2, 12, interval=True), 17_000)
    assert rows[1] == (Rate(1, 11, interval=True), 5_000)
    assert rows[2] == (Rate(0, 0, interval=True), 0)  # the data do not reach so far
    week, fortnight, month = [row[4:] for row in against.table.rows]
    assert week == (Rate(2, 24, interval=True), Rate(0, 16, interval=True), Difference(week[0], week[1]))
    assert fortnight[:2] == (Rate(3, 24, interval=True), Rate(1, 16, interval=True))
    assert month[:2] == (Rate(0, 0, interval=True), Rate(0, 0, interval=True))
    assert against.table.rows[0][1] == "対照群"
    assert any("効果を示しません" in str(note) for note in against.notes)


def test_reasons_come_from_the_logs_and_the_rest_is_unknown(day: World, asked: Callable[..., Ask]) -> None:
    from models.tables import call_events  # noqa: PLC0415

    with day.database.write() as conn:
        for call, seq, reason in (
            (1, 4, "病気・けが"),
            (1, 6, "忘れていた"),
            (2, 4, "忘れていた"),
            (7, 4, "忘れていた"),
        ):
            payload = json.dumps({"fields": {"arrears_reason.kind": reason}}, ensure_ascii=False, separators=(",", ":"))
            event = {"call_id": call, "seq": seq, "at": at(10), "kind": "answer", "actor": "operator:1", "hash": b"1"}
            conn.execute(
                insert(call_events).values(municipality_id=MUNICIPALITY, payload=payload, commitment=b"1", **event)
            )
        rows = {row[0]: row[1] for row in tables(asked(conn), "c7")["納付が遅れた理由"].table.rows}
    assert rows == {"忘れていた": 2, "不明": 5}  # call 7 spoke with somebody else


def test_promises_by_month(day: World, asked: Callable[..., Ask]) -> None:
    states = ("kept", "kept", "partial", "broken")
    with day.database.write() as conn:
        for number, state in enumerate(states, 1):
            own = {"call_id": number, "case_id": number, "promiser": "householder", "due_on": date(2026, 11, 30)}
            made = {"amount": 12_000, "place": "銀行", "state": state, "made_at": at(10), "paid": 6_000}
            conn.execute(insert(promises).values(municipality_id=MUNICIPALITY, id=number, **own, **made))
        row = tables(asked(conn), "promises")["守られた約束"].table.rows[0]
    assert row == ("2026-11", 4, 48_000, 0, 2, 1, 1, 0, Rate(2, 4), 24_000)


def test_who_may_see_which(day: World, terminal: Callable[..., Any]) -> None:
    assert "operators" not in terminal("ward01", "report", "list").out
    assert "operators" in terminal("sv01", "report", "list").out
    assert terminal("ward01", "report", "operators").code == 5
    assert terminal("sv01", "report", "c13").code == 5
    assert terminal("op01", "report", "daily").code == 5
    told = terminal("sv01", "report", "operators", "--from", "2026-11-24", "--to", "2026-11-24")
    assert "op01" in told.out


def test_what_is_typed_wrongly_is_told(day: World, terminal: Callable[..., Any]) -> None:
    for words, code, hint in (
        (("dayly",), 3, "daily"),
        (("daily", "--from", "x"), 1, "2026-11-24"),
        (("daily", "--campaign", "9"), 3, "campaign list"),
        (("daily", "--format", "doc"), 2, "xlsx"),
        (("daily", "--format", "csv"), 1, "何のために"),
        (("c9", "--cut", "x"), 1, "2026-11-24"),
    ):
        told = terminal("ward01", "report", *words)
        assert told.code == code, words
        assert hint in told.err, told.err


def test_a_file_is_for_staff_with_a_reason_and_on_record(
    day: World, terminal: Callable[..., Any], tmp_path: Any
) -> None:
    month = ("report", "monthly", "--from", "2026-11")
    assert terminal("sv01", *month, "--format", "csv", "--reason", "提出").code == 5
    (tmp_path / "前の月報.xlsx").write_text("前の月のもの")
    for taken, why in (("前の月報.xlsx", "すでにあります"), ("ない/月報.xlsx", "フォルダー")):
        there = tmp_path / taken
        told = terminal("ward01", *month, "--format", "xlsx", "--reason", "審議会", "--output", str(there))
        assert (told.code, why in told.err) == (5, True), "and nothing is on record, see below"
    out = tmp_path / "月報.xlsx"
    told = terminal("ward01", *month, "--format", "xlsx", "--reason", "審議会", "--output", str(out))
    assert told.code == 0, told.err
    assert zipfile.ZipFile(io.BytesIO(out.read_bytes())).testzip() is None
    with day.database.read() as conn:
        a = audit_events.c
        row = conn.execute(select(a.object, a.purpose, a.fields).where(a.verb == "report:export")).one()
    assert row.object == "report:monthly"
    assert row.purpose == "審議会"
    assert hashlib.sha256(out.read_bytes()).hexdigest() in row.fields
    told = terminal("ward01", "report", "c13")
    assert "report:monthly" in told.out


def test_a_pdf_holds_the_report(day: World, asked: Callable[..., Ask]) -> None:
    if not day.database.is_sqlite:
        pytest.skip("the page is the same")
    with day.database.read() as conn:
        report = catalogue.made(catalogue.BY_NAME["c16"], asked(conn, DAY))
    found = PdfReader(io.BytesIO(paper.pdf(report)))
    assert (found.trailer["/Root"]["/Lang"], found.metadata["/Title"]) == ("ja", f"{report.title} {report.period}")
    assert found.trailer["/Root"]["/StructTreeRoot"]["/K"]
    text = "".join("".join(page.extract_text().split()) for page in found.pages)
    for section in report.sections:
        columns = section.table.columns
        cells = [
            cell_words(cell, column.kind)
            for row in section.table.rows
            for cell, column in zip(row, columns, strict=True)
        ]
        for words in (section.title, section.definition, *(column.label for column in columns), *cells):
            assert "".join(words.split()) in text, words
