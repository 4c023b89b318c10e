"""生活状況報告書: its fields, the sums, what can be paid, and what does not fit together. Pure.

Amounts are whole yen a month, except assets and what is owed, which are whole yen as they stand. The list of fields and
the ratios are our own judgement [O]; the ratios are `follow_up.*` of the configuration. Nothing here decides anything:
staff do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from callflow.errors import InputError, Where

Kind = Literal["yen", "count", "text"]
LARGEST_YEN: Final = 999_999_999
LARGEST_COUNT: Final = 30
LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the form."""

    key: str
    label: str
    kind: Kind = "yen"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form. `total` names the sum of its amounts; empty: they are not added up."""

    key: str
    label: str
    fields: tuple[Field, ...]
    total: str = ""


def _section(key: str, label: str, total: str, **fields: str) -> Section:
    return Section(key, label, tuple(Field(f"{key}.{name}", words) for name, words in fields.items()), total)


SECTIONS: Final[tuple[Section, ...]] = (
    Section(
        "household",
        "世帯",
        (
            Field("household.people", "世帯の人数", "count"),
            Field("household.children", "うち18歳未満", "count"),
            Field("household.care", "うち介護・障害・療養中", "count"),
            Field("household.working", "うち働いている人", "count"),
            Field("household.work", "仕事・勤め先", "text"),
            Field("household.circumstance", "特別な事情（災害・病気・廃業・失業など）", "text"),
        ),
    ),
    _section(
        "income",
        "収入（月）",
        "収入計",
        wages="給与・賞与の月割り（手取り）",
        business="事業・不動産",
        pension="年金",
        benefits="手当・給付（児童・失業など）",
        support="仕送り・援助",
        family="同居家族の収入",
        other="そのほかの収入",
    ),
    _section(
        "expenses",
        "支出（月）",
        "支出計",
        housing="家賃・住宅ローン・管理費",
        food="食費",
        utilities="電気・ガス・水道",
        telephone="電話・インターネット",
        medical="医療・介護",
        education="教育・保育",
        insurance="生命保険など",
        social="税・社会保険料",
        transport="交通・車",
        daily="日用品・衣類",
        other="そのほかの支出",
    ),
    _section(
        "assets",
        "資産",
        "資産計",
        cash="現金",
        savings="預貯金",
        securities="有価証券",
        insurance="保険の解約返戻金",
        property="土地・建物",
        car="自動車",
        other="そのほかの資産",
    ),
    Section(
        "debts",
        "負債",
        (
            Field("debts.repayment", "毎月の返済額（住宅ローンを除く）"),
            Field("debts.loans", "借入の残高"),
            Field("debts.cards", "クレジット・分割払いの残高"),
            Field("debts.taxes", "ほかの税・保険料の滞納"),
            Field("debts.rent", "家賃などの滞納"),
            Field("debts.other", "そのほかの負債"),
        ),
        "負債計",
    ),
    Section(
        "wish",
        "納付の希望",
        (
            Field("wish.monthly", "毎月払えると申し出た額"),
            Field("wish.words", "希望・申出", "text"),
        ),
    ),
)
FIELDS: Final[Mapping[str, Field]] = {field.key: field for section in SECTIONS for field in section.fields}
_NOT_ADDED: Final = frozenset({"debts.repayment"})  # a monthly amount among what is owed
_LIQUID: Final = ("assets.cash", "assets.savings")

Content = Mapping[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """From which share of the income, in percent, staff look at a line again."""

    housing_percent: int = 40
    repayment_percent: int = 33
    telephone_percent: int = 10


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What the amounts come to, in yen. `left`: income less expenses and repayments, may be below 0. `payable`: what
    of it can be paid a month. `at_once`: cash and savings beyond one month's expenses."""

    income: int
    expenses: int
    repayment: int
    assets: int
    debts: int
    left: int
    payable: int
    at_once: int
    totals: Mapping[str, int]


def read(typed: Mapping[str, str]) -> dict[str, int | str]:
    """The form as typed, in its stored form; what is empty is left out. Raises InputError naming the line."""
    found: dict[str, int | str] = {}
    for key, field in FIELDS.items():
        text = unicodedata.normalize("NFKC", typed.get(key, "")) if field.kind != "text" else typed.get(key, "")
        text = text.strip()
        if text:
            found[key] = text if field.kind == "text" else _number(field, text)
        if field.kind == "text" and len(text) > LONGEST_TEXT:
            raise InputError(f"{field.label}: {LONGEST_TEXT}字までです", where=Where(field=key))
    if not found:
        raise InputError("何も書かれていません", mend="報告書にある項目を書き写してください")
    people = int(found.get("household.people", LARGEST_COUNT))
    if any(int(found.get(f"household.{part}", 0)) > people for part in ("children", "care", "working")):
        raise InputError("内訳の人数が世帯の人数より多くなっています", where=Where(field="household.people"))
    return found


def _number(field: Field, text: str) -> int:
    plain = re.sub(r"[,\s円人¥]", "", text)
    largest = LARGEST_YEN if field.kind == "yen" else LARGEST_COUNT
    if not (plain.isascii() and plain.isdigit()):
        raise InputError(f"{field.label}: {text} は数ではありません", where=Where(field=field.key), mend="例: 120,000")
    if len(plain) > 12 or int(plain) > largest:
        raise InputError(f"{field.label}: {largest:,} までです", where=Where(field=field.key))
    return int(plain)


def reckon(content: Content) -> Reckoning:
    """The sums of a form."""
    amounts = {key: int(value) for key, value in content.items() if FIELDS[key].kind == "yen"}
    totals = {
        section.key: sum(amounts.get(field.key, 0) for field in section.fields if field.key not in _NOT_ADDED)
        for section in SECTIONS
        if section.total
    }
    repayment = amounts.get("debts.repayment", 0)
    left = totals["income"] - totals["expenses"] - repayment
    at_once = max(0, sum(amounts.get(key, 0) for key in _LIQUID) - totals["expenses"])
    return Reckoning(
        income=totals["income"],
        expenses=totals["expenses"],
        repayment=repayment,
        assets=totals["assets"],
        debts=totals["debts"],
        left=left,
        payable=max(0, left),
        at_once=at_once,
        totals=totals,
    )


def doubts(content: Content, ratios: Ratios) -> list[str]:
    """What does not fit together or stands out, in words: questions for the consultation, never a refusal."""
    sums = reckon(content)
    shares = (
        ("expenses.housing", "住居費", ratios.housing_percent),
        ("debts.repayment", "返済", ratios.repayment_percent),
        ("expenses.telephone", "通信費", ratios.telephone_percent),
    )
    found = [
        f"{words}が収入の {_yen(content, key) * 100 // sums.income}% です（目安 {percent}%）"
        for key, words, percent in shares
        if sums.income and _yen(content, key) * 100 > percent * sums.income
    ]
    if not sums.income:
        found.append("収入が書かれていません: 何で暮らしているかを聞く")
    if not sums.expenses:
        found.append("支出が書かれていません")
    if sums.left < 0 and not sums.debts and not sums.assets:
        found.append(f"支出が収入を {-sums.left:,}円 上回りますが、資産も負債も書かれていません")
    wish = _yen(content, "wish.monthly")
    if wish > sums.payable:
        found.append(f"申し出の額 {wish:,}円 は、計算した余裕 {sums.payable:,}円 を超えます")
    if "wish.monthly" in content and not wish and sums.payable:
        found.append(f"払えないとの申し出ですが、計算では月 {sums.payable:,}円 の余裕があります")
    if _yen(content, "debts.loans") + _yen(content, "debts.cards") and not sums.repayment:
        found.append("借入がありますが、毎月の返済が書かれていません")
    if _yen(content, "household.working") and not _yen(content, "income.wages") + _yen(content, "income.business"):
        found.append("働いている人がいますが、給与も事業収入も書かれていません")
    return found


def _yen(content: Content, key: str) -> int:
    return int(content.get(key, 0))
