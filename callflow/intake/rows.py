"""One row of a list as values, or its faults. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from callflow.intake.columns import ARREARS, ListMapping
from callflow.intake.encoding import odd_characters
from callflow.intake.faults import BadRow, FieldError
from callflow.intake.money import parse_yen
from callflow.intake.names import kana
from callflow.intake.phones import Phone, parse_phone
from callflow.intake.wareki import parse_date

T = TypeVar("T")
_FLAG = {"": False, "0": False, "1": True}
_SHORT = re.compile(r"[0-9]{1,4}", re.ASCII)
_CODE_LENGTH = 32
_PERSON = ARREARS[: ARREARS.index("通知書番号")]


@dataclass(slots=True)
class RowReader:
    """Reads rows of one file; `faults` and `quarantined` are those of the last row read."""

    places: dict[str, int]
    width: int
    mapping: ListMapping
    default_area_code: str
    line: int = 0
    cells: list[str] = None  # type: ignore[assignment]  # set with every row
    faults: list[BadRow] = None  # type: ignore[assignment]
    quarantined: list[BadRow] = None  # type: ignore[assignment]
    person_places: list[int] = None  # type: ignore[assignment]
    _person_cells: list[str] | None = None
    _person_values: list[Any] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.person_places = [self.places[name] for name in _PERSON if name in self.places]

    def key(self, cells: list[str]) -> tuple[str, ...] | None:
        """What must not come twice in a list: 科目, 通知書番号, 賦課年度, 期別, as written."""
        if len(cells) != self.width:
            return None
        return tuple(cells[self.places[name]] for name in ("科目コード", "通知書番号", "賦課年度", "期別"))

    def arrears(self, line: int, cells: list[str]) -> list[Any] | None:
        """The values of an instalment in the order of `activation.ROW`, ready for JSON; None when there is a fault."""
        if not self._begin(line, cells):
            return None
        claim = self._claim()
        levied, paid, unpaid = (self._parsed(name, parse_yen) for name in ("賦課額", "収納額", "未納額"))
        if None not in (levied, paid, unpaid) and levied - paid != unpaid:  # type: ignore[operator]
            self._fault("未納額", "賦課額から収納額を引いた額と合いません", "三つの金額を確かめてください")
        values: list[Any] = [
            *self._person(),
            claim,
            self._code("通知書番号"),
            self._whole("賦課年度"),
            self._whole("相当年度"),
            self._whole("期別"),
            _iso(self._day("納期限")),
            levied,
            paid,
            unpaid,
            _iso(self._parsed("督促状発送日", parse_date)),
            _iso(self._day("収納データ基準日")),
        ]
        return None if self.faults else values

    def _person(self) -> list[Any]:
        """Who owes. Rows of one person follow each other: what was read of the row before is not read again."""
        cells = [self.cells[place] for place in self.person_places]
        if cells == self._person_cells:
            return self._person_values
        before = len(self.faults)
        values: list[Any] = [
            self._code("宛名番号"),
            self._code("世帯番号"),
            self._required("氏名"),
            kana(self._text("氏名カナ")),
            _iso(self._parsed("生年月日", parse_date)),
            self._text("生年月日"),
            self._text("郵便番号")[:8],
            self._text("住所"),
            self._text("言語")[:16],
            self._text("配偶者氏名"),
            self._flag("擬制世帯主"),
            self._flag("支援措置区分"),
            [phone for name in ("電話番号1", "電話番号2") if (phone := self._phone(name))],
        ]
        if len(self.faults) == before:
            self._person_cells, self._person_values = cells, values
        return values

    def payment(self, line: int, cells: list[str]) -> list[Any] | None:
        """The values of a payment, ready for JSON; None when there is a fault."""
        if not self._begin(line, cells):
            return None
        amount = self._parsed("収納額", parse_yen)
        if amount == 0:
            self._fault("収納額", "0円の収納です", "行を除いてください")
        values: list[Any] = [
            self._claim(),
            self._code("通知書番号"),
            self._whole("賦課年度"),
            self._whole("期別"),
            _iso(self._day("収納日")),
            amount,
            self._flag("取消区分"),
            _iso(self._day("収納データ基準日")),
        ]
        return None if self.faults else values

    def _begin(self, line: int, cells: list[str]) -> bool:
        self.line, self.cells, self.faults, self.quarantined = line, cells, [], []
        if len(cells) != self.width:
            reason = f"列が {len(cells)} 個しかありません" if len(cells) < self.width else "列が多すぎます"
            mend = f"見出しと同じ {self.width} 列にしてください"
            self.faults.append(BadRow(line, 0, "", ",".join(cells)[:60], reason, mend))
            return False
        if not odd_characters("".join(cells)):
            return True
        for place, cell in enumerate(cells):
            if odd := odd_characters(cell):
                name: str = next((ours for ours, at in self.places.items() if at == place), "")
                mend = "文字を標準の字に置き換えて出力し直してください"
                self.faults.append(BadRow(line, place + 1, name, cell, odd, mend))
        return False

    def _fault(self, name: str, reason: str, mend: str) -> None:
        place = self.places[name]
        self.faults.append(BadRow(self.line, place + 1, name, self.cells[place], reason, mend))

    def _text(self, name: str) -> str:
        at = self.places.get(name)
        return "" if at is None else self.cells[at].strip()

    def _parsed(self, name: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(self._text(name))
        except FieldError as error:
            self._fault(name, error.reason, error.mend)
            return None

    def _required(self, name: str) -> str:
        text = self._text(name)
        if not text:
            self._fault(name, "空です", "値を入れてください")
        return text

    def _code(self, name: str) -> str:
        text = self._required(name)
        if len(text) > _CODE_LENGTH:
            self._fault(name, f"{_CODE_LENGTH} 文字を超えています", "番号を確かめてください")
        return text

    def _whole(self, name: str) -> int:
        text = self._text(name)
        if _SHORT.fullmatch(text):
            return int(text)
        self._fault(name, "数字ではありません", "半角数字で書いてください（例 2025）")
        return 0

    def _day(self, name: str) -> date | None:
        before = len(self.faults)
        day = self._parsed(name, parse_date)
        if day is None and len(self.faults) == before:
            self._fault(name, "日付がありません", "日付を入れてください")
        return day

    def _flag(self, name: str) -> bool:
        text = self._text(name)
        if text not in _FLAG:
            self._fault(name, "0、1、空のどれでもありません", "該当するときだけ 1 を入れてください")
        return _FLAG.get(text, False)

    def _claim(self) -> str:
        claim = self.mapping.claim_type(self._text("科目コード"), self._text("科目名"))
        if claim is None:
            self._fault("科目コード", "知らない科目です", "--mapping の claims に科目を足してください")
        return claim or ""

    def _phone(self, name: str) -> list[str] | None:
        raw = self._text(name)
        if not raw:
            return None
        phone: Phone = parse_phone(raw, self.default_area_code)
        if phone.e164 is None:
            place = self.places[name]
            mend = "番号を確かめてください（この番号には架電しません）"
            self.quarantined.append(BadRow(self.line, place + 1, name, raw, phone.reason, mend))
        return [name[-1], phone.e164 or "", raw, phone.note, phone.reason]


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
