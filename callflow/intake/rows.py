"""One row of a list as values ready for the staging tables, or its faults. Pure.

Lists repeat themselves: each distinct raw value is read once and looked up from then on. Only a row in which
something cannot be read goes the slow way, which names every fault of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from operator import itemgetter
from typing import Any, TypeVar

from callflow.intake.columns import ARREARS, PAYMENTS, ListMapping
from callflow.intake.encoding import odd_characters
from callflow.intake.faults import BadRow, FieldError
from callflow.intake.money import parse_yen
from callflow.intake.names import kana
from callflow.intake.phones import parse_phone
from callflow.intake.wareki import parse_date

K = TypeVar("K")
V = TypeVar("V")
Values = tuple[Any, ...]

_FLAG = {"": False, "0": False, "1": True}
_SHORT = re.compile(r"[0-9]{1,4}", re.ASCII)
_CODE_LENGTH = 32
_PERSON = ARREARS[: ARREARS.index("通知書番号")]
_INSTALMENT = ARREARS[ARREARS.index("通知書番号") :]
_NO_PHONE = (None, None, None, None)


class Memo(dict[K, V]):
    """What each raw value means, read once. `read` raises FieldError; its failures are not kept."""

    LARGEST = 1 << 16

    def __init__(self, read: Callable[[K], V]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, raw: K) -> V:
        value = self._read(raw)
        if len(self) >= self.LARGEST:
            self.clear()
        self[raw] = value
        return value


class RowReader:
    """Reads rows of one file; `faults` and `quarantined` are those of the last row read.

    `places`: our headings and their index in a row of `width` cells. `suspicious`: the file holds odd characters
    somewhere, so that every row is searched for them.
    """

    def __init__(
        self,
        places: dict[str, int],
        width: int,
        mapping: ListMapping,
        default_area_code: str = "",
        *,
        suspicious: bool = True,
    ) -> None:
        self.places, self.width = places, width
        self._area = default_area_code
        self._suspicious = suspicious
        self.line = 0
        self.cells: list[str] = []
        self.faults: list[BadRow] = []
        self.quarantined: list[BadRow] = []
        self._claims = Memo[tuple[str, str], str](lambda given: _claim(mapping, *given))
        self._days = Memo[str, str](_day)
        self._optional_days = Memo[str, str | None](_optional_day)
        self._whole = Memo[str, int](_whole)
        self._yen = Memo[str, int](parse_yen)
        payments = "収納日" in places
        self._names = PAYMENTS if payments else _INSTALMENT
        self._person_of = itemgetter(*(places.get(name, width) for name in _PERSON))
        self._rest_of = itemgetter(*(places.get(name, width) for name in self._names))
        self._claim_of = itemgetter(*(places.get(name, width) for name in ("科目コード", "科目名")))
        self._person_cells: Values | None = None
        self._person: Values = ()

    def arrears(self, line: int, cells: list[str]) -> tuple[Values, Values] | None:
        """(person, instalment) in the order of `staging.PERSON` and `staging.INSTALMENT`; None when there is a fault.

        Rows of one person follow each other: the person is the same object as long as the row before told the same.
        """
        if not self._begin(line, cells):
            return None
        told = self._person_of(cells)
        if told != self._person_cells:
            self._read_person(told)
        try:
            instalment = self._instalment(line, self._rest_of(cells))
        except FieldError:
            self._name_faults()
            return None
        if self.faults:
            return None
        return self._person, instalment

    def payment(self, line: int, cells: list[str]) -> Values | None:
        """A payment in the order of `staging.PAYMENT`; None when there is a fault."""
        if not self._begin(line, cells):
            return None
        _who, notice, _code, levy, instalment, day, amount, cancels, as_of = self._rest_of(cells)
        try:
            yen = self._yen[amount]
            if not yen:
                raise FieldError("0円の収納です", "行を除いてください")
            key = (self._claims[self._claim_of(cells)], code(notice), self._whole[levy], self._whole[instalment])
            return (line, *key, self._days[day], yen, flag(cancels), self._days[as_of])
        except FieldError:
            self._name_faults()
            return None

    def key(self) -> Values | None:
        """What must not come twice in a list, of the last row read; None when it cannot be read."""
        if len(self.cells) <= self.width:  # it was broken or odd
            return None
        notice, number, name, levy, _nominal, instalment, *_rest = self._rest_of(self.cells)
        try:
            return self._claims[number, name], code(notice), self._whole[levy], self._whole[instalment]
        except FieldError:
            return None

    def _instalment(self, line: int, cells: Values) -> Values:
        notice, number, name, levy, nominal, instalment, due, levied, paid, unpaid, reminder, as_of = cells
        yen = self._yen
        owed = yen[levied], yen[paid], yen[unpaid]
        if owed[0] - owed[1] != owed[2]:
            raise FieldError(*_SUM)
        return (
            line,
            self._person[0],
            self._claims[number, name],
            code(notice),
            self._whole[levy],
            self._whole[nominal],
            self._whole[instalment],
            self._days[due],
            due,
            *owed,
            self._optional_days[reminder],
            reminder,
            self._days[as_of],
        )

    def _begin(self, line: int, cells: list[str]) -> bool:
        self.line, self.cells, self.faults, self.quarantined = line, cells, [], []
        if len(cells) != self.width:
            reason = f"列が {len(cells)} 個しかありません" if len(cells) < self.width else "列が多すぎます"
            mend = f"見出しと同じ {self.width} 列にしてください"
            self.faults.append(BadRow(line, 0, "", ",".join(cells)[:60], reason, mend))
            self.cells = []
            return False
        if self._suspicious and odd_characters("".join(cells)):
            self._name_odd()
            return False
        cells.append("")  # what a column that the list lacks reads
        return True

    def _name_odd(self) -> None:
        for place, cell in enumerate(self.cells):
            if odd := odd_characters(cell):
                name = next((ours for ours, at in self.places.items() if at == place), "")
                mend = "文字を標準の字に置き換えて出力し直してください"
                self.faults.append(BadRow(self.line, place + 1, name, cell, odd, mend))

    def _read_person(self, told: Values) -> None:
        """Who owes, kept for the rows that follow unless something in it cannot be read."""
        cells = dict(zip(_PERSON, told, strict=True))
        phones = [self._phone(name, cells[name]) for name in ("電話番号1", "電話番号2")]
        self._person = (
            self._try("宛名番号", cells, code),
            self.line,
            self._try("世帯番号", cells, code),
            self._try("氏名", cells, name_of),
            self._try("氏名カナ", cells, kana),
            self._try("生年月日", cells, _optional_day),
            cells["生年月日"].strip(),
            self._try("郵便番号", cells, lambda raw: short(raw, 8)),
            cells["住所"].strip(),
            self._try("言語", cells, lambda raw: short(raw, 16)),
            self._try("配偶者氏名", cells, lambda raw: name_of(raw) if raw.strip() else ""),
            self._try("擬制世帯主", cells, flag),
            self._try("支援措置区分", cells, flag),
            *phones[0],
            *phones[1],
        )
        self._person_cells = None if self.faults else told

    def _name_faults(self) -> None:
        """Every fault of the instalment or payment that could not be read."""
        cells = dict(zip(self._names, self._rest_of(self.cells), strict=True))
        claim = self._claim_of(self.cells)
        named = "科目名" if claim[1].strip() else "科目コード"  # the name decides where there is one
        self._try(named, {named: claim}, self._claims.__getitem__)
        for name in ("通知書番号",):
            self._try(name, cells, code)
        for name in ("賦課年度", "相当年度", "期別"):
            self._try(name, cells, self._whole.__getitem__)
        for name in ("納期限", "収納日", "収納データ基準日"):
            self._try(name, cells, self._days.__getitem__)
        self._try("督促状発送日", cells, self._optional_days.__getitem__)
        self._try("取消区分", cells, flag)
        owed = [self._try(name, cells, self._yen.__getitem__) for name in ("賦課額", "収納額", "未納額")]
        if "収納日" in cells:
            if owed[1] == 0:
                self._fault("収納額", FieldError("0円の収納です", "行を除いてください"))
        elif None not in owed and owed[0] - owed[1] != owed[2]:
            self._fault("未納額", FieldError(*_SUM))

    def _try(self, name: str, cells: dict[str, Any], read: Callable[[Any], Any]) -> Any:
        """What `read` makes of the cell; None and a fault when it cannot, None when there is no such cell."""
        if name not in cells:
            return None
        try:
            return read(cells[name])
        except FieldError as error:
            self._fault(name, error)
            return None

    def _fault(self, name: str, error: FieldError) -> None:
        place = self.places[name]
        self.faults.append(BadRow(self.line, place + 1, name, self.cells[place], error.reason, error.mend))

    def _phone(self, name: str, raw: str) -> tuple[str | None, ...]:
        """As listed, in E.164, what stood beside it, why it is not dialled."""
        if not raw.strip():
            return _NO_PHONE
        phone = parse_phone(raw, self._area)
        if phone.e164 is None:
            mend = "番号を確かめてください（この番号には架電しません）"
            self.quarantined.append(BadRow(self.line, self.places[name] + 1, name, raw, phone.reason, mend))
        return (phone.raw, phone.e164, phone.note, phone.reason)


_SUM = ("賦課額から収納額を引いた額と合いません", "三つの金額を確かめてください")


def required(raw: str) -> str:
    """The text without blanks around it. Raises FieldError when there is none."""
    if text := raw.strip():
        return text
    raise FieldError("空です", "値を入れてください")


def name_of(raw: str) -> str:
    """A person's name. Raises FieldError when it is empty or holds a line break, which no line can say."""
    text = required(raw)
    if any(unicodedata.category(each) == "Cc" for each in text):
        raise FieldError("改行などが入っています", "一行で書いてください")
    return text


def code(raw: str) -> str:
    """A number that names something. Raises FieldError when it is empty, long, or broken over lines."""
    text = raw.strip() or required(raw)
    if len(text) > _CODE_LENGTH:
        raise FieldError(f"{_CODE_LENGTH} 文字を超えています", "番号を確かめてください")
    if not text.isprintable():
        raise FieldError("改行などが入っています", "一行で書いてください")
    return text


def short(raw: str, longest: int) -> str:
    """A text of at most `longest` characters. Raises FieldError: it is not cut silently."""
    text = raw.strip()
    if len(text) > longest:
        raise FieldError(f"{longest} 文字を超えています", "列がずれていないか確かめてください")
    return text


def flag(raw: str) -> bool:
    """1 is yes, 0 and nothing are no. Raises FieldError."""
    found = _FLAG.get(raw.strip())
    if found is None:
        raise FieldError("0、1、空のどれでもありません", "該当するときだけ 1 を入れてください")
    return found


def _claim(mapping: ListMapping, number: str, name: str) -> str:
    claim = mapping.claim_type(number.strip(), name.strip())
    if claim is None:
        raise FieldError("知らない科目です", "config.yaml の codes か --mapping の claims に足してください")
    return claim


def _whole(raw: str) -> int:
    text = raw.strip()
    if not _SHORT.fullmatch(text):
        raise FieldError("数字ではありません", "半角数字で書いてください（例 2025）")
    return int(text)


def _day(raw: str) -> str:
    if (day := parse_date(raw)) is None:
        raise FieldError("日付がありません", "日付を入れてください")
    return day.isoformat()


def _optional_day(raw: str) -> str | None:
    day: date | None = parse_date(raw)
    return day.isoformat() if day else None
