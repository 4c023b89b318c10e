"""The form of a 生活状況報告書: what is read, what it comes to, what does not fit; and what becomes of a promise."""

from __future__ import annotations

from datetime import date

import pytest

from callflow.errors import InputError
from callflow.followup.promises import judge
from callflow.followup.statement import FIELDS, SECTIONS, Ratios, doubts, read, reckon
from callflow.followup.visits import as_csv

FORM = {
    "household.people": "３人",
    "household.children": "1",
    "household.work": "自営（休業中）",
    "income.wages": "１２０，０００円",
    "income.pension": "60000",
    "expenses.housing": "80,000",
    "expenses.food": "50000",
    "expenses.telephone": "20000",
    "assets.savings": "200000",
    "debts.repayment": "10000",
    "debts.loans": "500000",
    "wish.monthly": "30000",
}


def test_a_form_is_read_in_any_width_and_comes_to_its_sums() -> None:
    content = read({**FORM, "expenses.other": "  ", "unknown": "1"})
    assert content["income.wages"] == 120_000
    assert content["household.work"] == "自営（休業中）"
    assert "expenses.other" not in content
    sums = reckon(content)
    assert (sums.income, sums.expenses, sums.repayment, sums.debts, sums.assets) == (
        180_000,
        150_000,
        10_000,
        500_000,
        200_000,
    )
    assert (sums.left, sums.payable, sums.at_once) == (20_000, 20_000, 50_000)
    assert doubts(content, Ratios()) == [
        "住居費が収入の 44% です（目安 40%）",
        "通信費が収入の 11% です（目安 10%）",
        "申し出の額 30,000円 は、計算した余裕 20,000円 を超えます",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"expenses.food": 30_000}, "収入が書かれていません"),
        ({"expenses.food": 30_000}, "資産も負債も"),
        ({"income.wages": 100_000, "wish.monthly": 0}, "余裕があります"),
        ({"income.wages": 100_000}, "支出が書かれていません"),
        ({"debts.loans": 1, "income.wages": 1}, "毎月の返済"),
        ({"household.working": 1, "income.pension": 1}, "働いている人"),
    ],
)
def test_what_does_not_fit_is_asked_about(content: dict[str, int], words: str) -> None:
    assert any(words in each for each in doubts(content, Ratios()))
    assert reckon(content).payable >= 0


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"income.wages": "十二万"}, "income.wages"),
        ({"income.wages": "-1"}, "income.wages"),
        ({"income.wages": "1" * 13}, "income.wages"),
        ({"household.people": "31"}, "household.people"),
        ({"household.people": "2", "household.care": "3"}, "household.people"),
        ({"wish.words": "あ" * 501}, "wish.words"),
        ({}, ""),
    ],
)
def test_a_line_that_cannot_be_is_named(typed: dict[str, str], field: str) -> None:
    with pytest.raises(InputError) as wrong:
        read(typed)
    assert wrong.value.where.field == field


def test_every_amount_is_added_up_once() -> None:
    ones = {key: 1 for key, field in FIELDS.items() if field.kind == "yen"}
    sums = reckon(ones)
    added = {section.key: len(section.fields) for section in SECTIONS if section.total}
    assert dict(sums.totals) == added | {"debts": added["debts"] - 1}


DUE = date(2026, 12, 4)
OVER = date(2026, 12, 15)


@pytest.mark.parametrize(
    ("paid", "known", "today", "verdict"),
    [
        (18_000, None, DUE, "kept"),
        (20_000, DUE, DUE, "kept"),
        (17_999, OVER, date(2026, 12, 14), None),
        (17_999, date(2026, 12, 14), OVER, "partial"),
        (1, OVER, OVER, "partial"),
        (0, OVER, OVER, "broken"),
        (0, date(2026, 12, 13), OVER, None),  # not known yet is not broken
        (0, None, OVER, None),
    ],
)
def test_a_promise_is_judged_when_its_grace_is_over_and_known(
    paid: int, known: date | None, today: date, verdict: str | None
) -> None:
    assert judge(18_000, paid, DUE, known, today, 10) == verdict


def test_no_cell_is_a_formula() -> None:
    text = as_csv([["=1+1", "+81", "-", "@x", "\tx", "03-1", 5, '="a","b"']]).decode("utf-8-sig")
    assert text == '\'=1+1,\'+81,\'-,\'@x,\'\tx,03-1,5,"\'=""a"",""b"""\r\n'
