"""Lists of invented residents, with every oddity of real exports; the same seed gives the same list.

Surnames, towns and numbers are invented; the numbers have a valid form but are never to be dialled.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from callflow.config import Config
from callflow.intake.columns import ARREARS, PAYMENTS, codes_of

Row = dict[str, str]


class Claim(NamedTuple):
    """A claim as a list names it: 科目コード and 科目名."""

    code: str
    name: str


def claim_of(config: Config, kind: str) -> Claim:
    """A claim type as lists name it, by the configuration. Raises ConfigError for one that it does not have."""
    told = config.claim(kind)
    return Claim(next(iter(codes_of(kind, told)), ""), told.name)


NHI = Claim("10", "国民健康保険料")

FAULTS = (
    ("生年月日", "R99.13.40"), ("賦課年度", "二〇二六"), ("期別", "第1期"), ("納期限", "0000-00-00"),
    ("納期限", "R8.2.30"), ("賦課額", "一万円"), ("未納額", "-500"), ("未納額", "1"), ("氏名", ""), ("宛名番号", ""),
    ("氏名", "見本　\ue000"), ("氏名", "例田　葛\U000e0100"), ("科目名", "知らない科目"), ("擬制世帯主", "はい"),
    ("電話番号1", "電話なし"), ("電話番号1", "0120-000-000"), ("電話番号1", "110"),
)  # fmt: skip
"""A column and what stands in it where a list is wrong. A number that cannot be called is no fault of the row: it is
listed and never dialled."""

_SURNAMES = (
    ("見本", "ﾐﾎﾝ"), ("例田", "ﾚｲﾀﾞ"), ("試川", "ﾀﾒｼｶﾞﾜ"), ("架空", "ｶｸｳ"), ("髙見本", "ﾀｶﾐﾎﾝ"),
    ("﨑例", "ｻｷﾚｲ"), ("邉試", "ﾍﾞﾀﾒｼ"), ("仮名木", "ｶﾅｷﾞ"),
)  # fmt: skip
_GIVEN = (("一郎", "ｲﾁﾛｳ"), ("幸子", "ｻﾁｺ"), ("翔", "ｼｮｳ"), ("美咲", "ﾐｻｷ"), ("ジョン", "ｼﾞｮﾝ"), ("民", "ﾐﾝ"))
_TOWNS = ("見本町", "仮名木", "架空台", "例ヶ丘", "試験が谷")
_FULL_WIDTH = str.maketrans("0123456789-", "０１２３４５６７８９－")


def generate(households: int, seed: int, as_of: date, claim: Claim = NHI) -> Iterator[Row]:
    """One row per overdue instalment, as a list of `as_of` would have it.

    The same seed gives the same households whatever the claim: two lists are of households with two debts each.
    """
    chance = random.Random(seed)
    for number in range(households):
        person = _person(chance, number)
        count = chance.choices(range(1, 9), weights=(30, 22, 15, 11, 8, 6, 5, 3))[0]
        due = _month_end(as_of.year, as_of.month - chance.randint(1, 3))
        for _ in range(count):
            yield person | _instalment(chance, number, due, as_of, claim)
            due = _month_end(due.year, due.month - 1)


def payments_of(rows: Iterable[Row], seed: int, as_of: date, claim: Claim = NHI) -> Iterator[Row]:
    """Payments after the list: full, partial, cancelled again, and one for a notice that no list has."""
    chance = random.Random(seed + 1)
    for row in rows:
        if chance.random() >= 0.12:
            continue
        unpaid = int(row["未納額"])
        amount = unpaid if unpaid < 2 or chance.random() < 0.8 else chance.randint(1, unpaid - 1)
        paid = {name: row[name] for name in ("宛名番号", "通知書番号", "科目コード", "賦課年度", "期別")} | {
            "収納日": _wareki(as_of - timedelta(days=chance.randint(0, 5))),
            "収納額": f"{amount:,}",
            "取消区分": "",
            "収納データ基準日": as_of.isoformat(),
        }
        yield paid
        if chance.random() < 0.04:
            yield paid | {"取消区分": "1"}
    unknown = {"宛名番号": "0019999999", "通知書番号": "999999999999", "科目コード": claim.code}
    when = {
        "賦課年度": str(as_of.year),
        "期別": "1",
        "収納日": _wareki(as_of),
        "収納額": "1,000",
        "取消区分": "",
        "収納データ基準日": as_of.isoformat(),
    }
    yield unknown | when


def spoilt(rows: Iterable[Row], encoding: str) -> Iterator[Row | list[str]]:
    """The rows, and before them the first one once for every fault of real exports; a row of the list again, a short
    and a long row after them. A character that `encoding` cannot write is left out."""
    first: Row | None = None
    for row in rows:
        if first is None:
            first = row
            for number, (column, value) in enumerate(FAULTS):
                if _writable(value, encoding):
                    yield row | {"期別": str(100 + number), column: value}
        yield row
    if first is not None:
        yield first
        yield ["欠けた行", "だけ"]
        yield [*first.values(), "余り"]


def write(path: Path, rows: Iterable[Row | list[str]], *, encoding: str, payments: bool = False) -> int:
    """Writes rows with CRLF as exports have it; how many. A row that is a list is written as it is."""
    count, names = 0, PAYMENTS if payments else ARREARS
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        for row in rows:
            count += 1
            writer.writerow(row if isinstance(row, list) else [row[name] for name in names])
    return count


def _writable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _person(chance: random.Random, number: int) -> Row:
    (surname, surname_kana), (given, given_kana) = chance.choice(_SURNAMES), chance.choice(_GIVEN)
    town = f"{chance.choice(_TOWNS)}{chance.randint(1, 8)}-{chance.randint(1, 40)}-{chance.randint(1, 40)}"
    return {
        "宛名番号": f"001{number:07}",
        "世帯番号": f"002{number:07}",
        "氏名": f"{surname}　{given}",
        "氏名カナ": f"{surname_kana} {given_kana}",
        "生年月日": _wareki(date(1945, 1, 1) + timedelta(days=chance.randrange(21_000))),
        "郵便番号": f"17{chance.randint(6, 9)}-{chance.randint(1, 99):04}",
        "住所": town,
        "電話番号1": _phone(chance),
        "電話番号2": _phone(chance) if chance.random() < 0.35 else "",
        "配偶者氏名": f"{surname}　{chance.choice(_GIVEN)[0]}" if chance.random() < 0.45 else "",
        "擬制世帯主": "1" if chance.random() < 0.06 else "",
        "支援措置区分": "1" if chance.random() < 0.004 else "",
        "言語": chance.choices(("", "en", "zh"), weights=(82, 10, 8))[0],
    }


def _phone(chance: random.Random) -> str:
    if chance.random() < 0.3:
        area, middle = "03", f"{chance.choice('456')}{chance.randint(100, 999)}"
    else:
        area, middle = chance.choice(("090", "080")), f"{chance.randint(2000, 9999)}"
    last = f"{chance.randint(0, 9999):04}"
    plain = f"{area}-{middle}-{last}"
    forms = [plain] * 5 + [f"{area}({middle}){last}", f"{area}{middle}{last}", plain.translate(_FULL_WIDTH)]
    return chance.choice([*forms, f"{plain}(妻携帯)", f"{middle}-{last}" if area == "03" else plain])


def _instalment(chance: random.Random, number: int, due: date, as_of: date, claim: Claim) -> Row:
    year = due.year if due.month >= 6 else due.year - 1
    instalment = (due.month - 6) % 12 + 1
    levied = chance.randint(30, 600) * 100
    paid = chance.randrange(0, levied, 100) if chance.random() < 0.15 else 0
    return {
        "通知書番号": f"{year}1{number:07}",
        "科目コード": claim.code,
        "科目名": claim.name,
        "賦課年度": str(year),
        "相当年度": str(year),
        "期別": str(instalment),
        "納期限": _wareki(due),
        "賦課額": f"{levied:,}",
        "収納額": str(paid),
        "未納額": str(levied - paid),
        "督促状発送日": (due + timedelta(days=20)).isoformat(),
        "収納データ基準日": as_of.isoformat(),
    }


def _month_end(year: int, month: int) -> date:
    """The last day of a month that may be counted below 1."""
    months = year * 12 + month  # the month after, from 0
    return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)


def _wareki(day: date) -> str:
    for sign, first in (("R", date(2019, 5, 1)), ("H", date(1989, 1, 8)), ("S", date(1926, 12, 25))):
        if day >= first:
            return f"{sign}{day.year - first.year + 1}.{day.month}.{day.day}"
    raise ValueError("no era for so early a day")
