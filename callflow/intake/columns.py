"""Which column of a list means what, and which claim a row is about. A mapping file (YAML) can rename both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from callflow.errors import InputError, Where
from callflow.intake.encoding import inspect
from models.cases import CLAIM_TYPES

ARREARS = (
    "宛名番号", "世帯番号", "氏名", "氏名カナ", "生年月日", "郵便番号", "住所", "電話番号1", "電話番号2",
    "配偶者氏名", "擬制世帯主", "支援措置区分", "言語", "通知書番号", "科目コード", "科目名", "賦課年度", "相当年度",
    "期別", "納期限", "賦課額", "収納額", "未納額", "督促状発送日", "収納データ基準日",
)  # fmt: skip
PAYMENTS = (
    "宛名番号", "通知書番号", "科目コード", "賦課年度", "期別", "収納日", "収納額", "取消区分", "収納データ基準日",
)  # fmt: skip
OPTIONAL = frozenset(
    {"電話番号2", "配偶者氏名", "擬制世帯主", "支援措置区分", "言語", "科目名", "氏名カナ", "郵便番号"}
)
CLAIM_CODES: Mapping[str, str] = {
    "10": "national_health_insurance",
    "20": "resident_tax",
    "30": "light_vehicle_tax",
    "40": "long_term_care",
    "50": "late_elderly",
    "60": "nursery_fee",
}
CLAIM_NAMES: Mapping[str, str] = {
    "国民健康保険料": "national_health_insurance",
    "国民健康保険税": "national_health_insurance",
    "特別区民税": "resident_tax",
    "特別区民税・都民税": "resident_tax",
    "市民税・県民税": "resident_tax",
    "住民税": "resident_tax",
    "軽自動車税": "light_vehicle_tax",
    "軽自動車税（種別割）": "light_vehicle_tax",
    "介護保険料": "long_term_care",
    "後期高齢者医療保険料": "late_elderly",
    "保育料": "nursery_fee",
    "保育所保育料": "nursery_fee",
}


@dataclass(frozen=True)
class ListMapping:
    """`columns`: our heading → the file's heading; `claims`: 科目コード or 科目名 → claim type."""

    columns: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)

    def claim_type(self, code: str, name: str) -> str | None:
        """The mapping first, then the name, then the code; None when none of them is known."""
        for given in (name, code):
            if given and given in self.claims:
                return self.claims[given]
        return CLAIM_NAMES.get(name) if name else CLAIM_CODES.get(code)


def load_mapping(path: Path) -> ListMapping:
    """A mapping file: `columns:` and `claims:`, both tables of text. Raises InputError with its line."""
    encoding = inspect(path).encoding
    try:
        found: Any = YAML(typ="safe").load(StringIO(path.read_text(encoding=encoding)))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        raise InputError("対応表を YAML として読めません", where=Where(str(path), line)) from error
    if not isinstance(found, dict) or not set(found) <= {"columns", "claims"}:
        raise InputError("対応表には columns と claims だけを書けます", where=Where(str(path)))
    columns, claims = (_texts(found.get(key), path, key) for key in ("columns", "claims"))
    for ours in columns:
        if ours not in ARREARS and ours not in PAYMENTS:
            raise InputError(f"知らない列名です: {ours}", where=Where(str(path), field="columns"))
    for claim in claims.values():
        if claim not in CLAIM_TYPES:
            mend = "使えるのは " + ", ".join(CLAIM_TYPES)
            raise InputError(f"知らない債権です: {claim}", where=Where(str(path), field="claims"), mend=mend)
    return ListMapping(columns, claims)


def _texts(found: Any, path: Path, key: str) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InputError("名前と名前の表で書いてください", where=Where(str(path), field=key))
    return {str(name): str(value) for name, value in found.items()}
