"""Which column of a list means what, and which claim a row is about. A mapping file (YAML) can rename both."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, ScalarNode

from callflow.errors import ConfigError, InputError, Where
from callflow.intake.encoding import inspect
from callflow.sections import Claim
from callflow.yamltext import UnreadableError, compose

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
SHIPPED: Mapping[str, str] = {**CLAIM_CODES, **CLAIM_NAMES}
"""What lists call the claim types that ship, where the configuration says nothing else."""


@dataclass(frozen=True)
class ListMapping:
    """`columns`: our heading → the file's heading; `claims`: 科目コード or 科目名 → claim type, by this file;
    `known`: the same by the configuration."""

    columns: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=lambda: SHIPPED)

    def claim_type(self, code: str, name: str) -> str | None:
        """The mapping first, then the name, then the code; None when none of them is known."""
        for given in (name, code):
            if given and given in self.claims:
                return self.claims[given]
        return self.known.get(name or code)


def codes_of(kind: str, claim: Claim) -> list[str]:
    """科目コード of a claim type."""
    return [code for code, shipped in CLAIM_CODES.items() if shipped == kind] if claim.codes is None else claim.codes


def known_claims(kinds: Mapping[str, Claim]) -> Mapping[str, str]:
    """科目コード and 科目名 → claim type, for the claim types of a configuration. Raises ConfigError for one of two."""
    found: dict[str, str] = {}
    for kind, claim in kinds.items():
        shipped = [name for name, of in CLAIM_NAMES.items() if of == kind] if claim.list_names is None else []
        for given in (*codes_of(kind, claim), claim.name, *shipped, *(claim.list_names or ())):
            if found.setdefault(given, kind) != kind:
                raise ConfigError(
                    f"科目 {given} が二つの債権区分にあります: {found[given]}、{kind}",
                    mend="claim_types の codes・list_names・name のどちらかを直してください",
                )
    return found


def load_mapping(path: Path | None, known: Mapping[str, str] = SHIPPED) -> ListMapping:
    """A mapping file: `columns:` and `claims:`, both tables of text. Raises InputError with its line."""
    if path is None:
        return ListMapping(known=known)
    encoding = inspect(path).encoding
    try:
        root = compose(path.read_text(encoding=encoding))
    except UnreadableError as error:
        where = Where(str(path), error.line, error.column, error.field)
        raise InputError(error.what, where=where, mend=error.mend or "docs/import.md の例を見る") from error
    columns: dict[str, str] = {}
    claims: dict[str, str] = {}
    for part, table in _table(path, root):
        if part == "columns":
            columns = dict(_known(path, table, (*ARREARS, *PAYMENTS), "列", of_values=False))
        elif part == "claims":
            claims = dict(_known(path, table, sorted(set(known.values())), "債権", of_values=True))
        else:
            where = _place(path, table, part)
            raise InputError(f"知らないキーです: {part}", where=where, mend="書けるのは columns と claims です")
    twice = sorted({name for name in columns.values() if list(columns.values()).count(name) > 1})
    if twice:
        raise InputError(
            "二つの列に同じ見出しを当てています: " + "、".join(twice), where=Where(str(path), 0, 0, "columns")
        )
    return ListMapping(columns, claims, known)


def _table(path: Path, node: Any, field_name: str = "") -> list[tuple[str, Any]]:
    """The names of a table and their nodes, in order. Raises InputError for anything else, and for a name twice."""
    if not isinstance(node, MappingNode):
        mend = "「名前: 名前」の並びで書いてください"
        raise InputError("名前と名前の表ではありません", where=_place(path, node, field_name), mend=mend)
    found: dict[str, Any] = {}
    for name, value in node.value:
        if str(name.value) in found:
            raise InputError("同じ名前が二度あります", where=_place(path, name, str(name.value)))
        found[str(name.value)] = value
    return list(found.items())


def _known(path: Path, node: Any, allowed: Collection[str], what: str, *, of_values: bool) -> Iterator[tuple[str, str]]:
    """Pairs of texts; the values (or the names) must be among `allowed`."""
    if isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null":
        return
    for name, value in _table(path, node):
        if not isinstance(value, ScalarNode) or not value.value:
            raise InputError("名前を一つ書いてください", where=_place(path, value, name))
        given = str(value.value) if of_values else name
        if given not in allowed:
            near = get_close_matches(given, allowed, 1, 0.5)
            mend = f"もしかして {near[0]}" if near else "使えるのは " + "、".join(allowed)
            raise InputError(f"知らない{what}です: {given}", where=_place(path, value, name), mend=mend)
        yield name, str(value.value)


def _place(path: Path, node: Any, name: str) -> Where:
    mark = getattr(node, "start_mark", None)
    return Where(str(path), mark.line + 1, mark.column + 1, name) if mark else Where(str(path), 1, 0, name)
