"""An import is taken back: what it changed is as it was, what it added goes. Possible until its people are dialled."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Boolean, Connection, Date, and_, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from callflow.access.auditlog import audit
from callflow.errors import NotFoundError, RefusedError
from callflow.intake.journal import KEYS, NUMBERED, forget
from models.database import Database
from models.tables import (
    accounts,
    calls,
    campaigns,
    cases,
    debtor_phones,
    import_changes,
    imports,
    metadata,
    municipalities,
    queue_entries,
)

AT_ONCE = 2_000
TABLES = {
    f"{name}_{verb}": f"{words}を{done}"
    for name, words in (
        ("households", "世帯"),
        ("debtors", "宛名"),
        ("phone_numbers", "電話番号"),
        ("debtor_phones", "宛名の電話番号"),
        ("cases", "案件"),
        ("arrears", "期別"),
        ("payments", "収納"),
    )
    for verb, done in (("restored", "元に戻した"), ("removed", "削除した"))
}
"""What `take_back` counts, in words."""


@dataclass(frozen=True, slots=True)
class Import:
    """A file that was taken in."""

    id: int
    kind: str
    file_name: str
    row_count: int
    activated_at: datetime
    login: str
    taken_back_at: datetime | None

    def as_data(self) -> dict[str, Any]:
        back = self.taken_back_at and self.taken_back_at.isoformat()
        return {**asdict(self), "activated_at": self.activated_at.isoformat(), "taken_back_at": back}


def recent(conn: Connection, municipality_id: int, count: int = 50) -> list[Import]:
    """The files that were taken in, newest first."""
    i, a = imports.c, accounts.c
    rows = conn.execute(
        select(i.id, i.kind, i.file_name, i.row_count, i.activated_at, a.login, i.taken_back_at)
        .join(accounts, (a.municipality_id == i.municipality_id) & (a.id == i.actor_id))
        .where(i.municipality_id == municipality_id, a.municipality_id == municipality_id)
        .where(i.activated_at.is_not(None))
        .order_by(i.id.desc())
        .limit(count)
    )
    return [Import(*row) for row in rows]


def take_back(database: Database, municipality_id: int, import_id: int, now: datetime, by: int) -> dict[str, int]:
    """Rows restored and removed, by table. Raises NotFoundError, or RefusedError with what stands against it."""

    def work(conn: Connection) -> dict[str, int]:
        # as in activation: one import changes the list at a time
        conn.execute(
            select(municipalities.c.id).where(municipalities.c.id == municipality_id).with_for_update(key_share=True)
        )
        if (why := why_not(conn, municipality_id, import_id)) is not None:
            raise why
        counts = _Back(conn, municipality_id, import_id).do()
        own = and_(imports.c.municipality_id == municipality_id, imports.c.id == import_id)
        conn.execute(update(imports).where(own).values(state="abandoned", taken_back_at=now, taken_back_by=by))
        forget(conn, municipality_id)
        audit(conn, municipality_id, now, by, "case:undo-import", f"import:{import_id}")
        return counts

    try:
        return database.transact(work)
    except IntegrityError:
        raise RefusedError(
            "この取り込みの人に、あとから別の記録が付いています", mend="直した一覧を、もう一度取り込んでください"
        ) from None


def why_not(conn: Connection, municipality_id: int, import_id: int) -> RefusedError | NotFoundError | None:
    """Why an import cannot be taken back; None: it can."""
    i = imports.c
    own = i.municipality_id == municipality_id
    row = conn.execute(
        select(i.state, i.activated_at, i.taken_back_at, i.result).where(own, i.id == import_id)
    ).one_or_none()
    if row is None:
        return NotFoundError(f"取り込み {import_id} はありません", mend="callflow case imports で確かめられます")
    if row.taken_back_at is not None:
        return RefusedError(f"取り込み {import_id} は取り消し済みです")
    if row.state != "active":
        return RefusedError(f"取り込み {import_id} は有効になっていません")
    j = import_changes.c
    noted = conn.execute(select(j.import_id).where(j.municipality_id == municipality_id).limit(1)).scalar()
    if noted != import_id:
        later = select(func.max(i.id)).where(own, i.state == "active", i.id > import_id)
        newest = conn.execute(later).scalar()
        what = f"あとの取り込み {newest} があります" if newest else "取り消すための控えがありません"
        return RefusedError(what, mend="取り消せるのは、いちばん新しい取り込みだけです")
    dialled = exists().where(calls.c.municipality_id == municipality_id, calls.c.opened_at >= row.activated_at)
    if conn.execute(select(dialled)).scalar():
        return RefusedError(
            f"取り込み {import_id} のあとに架電が始まっています", mend="直した一覧を、もう一度取り込んでください"
        )
    if json.loads(row.result).get("promises_judged"):
        return RefusedError(
            f"取り込み {import_id} で、納付の約束が守られたかを判定しています",
            mend="取消区分 1 の行で収納を取り消してください",
        )
    return _planned(conn, municipality_id)


def _planned(conn: Connection, municipality_id: int) -> RefusedError | None:
    j, q, c = import_changes.c, queue_entries.c, campaigns.c
    above = conn.execute(
        select(j.row).where(j.municipality_id == municipality_id, j.kind == "above", j.table_name == cases.name)
    ).scalar_one()
    found = conn.execute(
        select(c.name)
        .join(queue_entries, (q.municipality_id == c.municipality_id) & (q.campaign_id == c.id))
        .where(c.municipality_id == municipality_id, q.municipality_id == municipality_id)
        .where(q.case_id > json.loads(above)["id"])
        .limit(1)
    ).scalar()
    if found is None:
        return None
    return RefusedError(
        f"新しい案件がキャンペーン「{found}」に入っています", mend="直した一覧を、もう一度取り込んでください"
    )


class _Back:
    """One taking back: first what was changed or removed is as it was, then what was added goes."""

    def __init__(self, conn: Connection, municipality_id: int, import_id: int) -> None:
        self._conn = conn
        self._municipality = municipality_id
        self._import = import_id
        self.counts: dict[str, int] = defaultdict(int)

    def do(self) -> dict[str, int]:
        above: dict[str, int] = {}
        last = 0
        while rows := self._noted(last):
            last = rows[-1].id
            groups: dict[tuple[str, str, tuple[str, ...]], list[dict[str, Any]]] = defaultdict(list)
            for row in rows:
                values = json.loads(row.row)
                if row.kind == "above":
                    above[row.table_name] = values["id"]
                else:
                    groups[row.kind, row.table_name, tuple(values)].append(_typed(row.table_name, values))
            for (kind, table, _names), each in groups.items():
                self._restore(kind, table, each)
        self._remove(above)
        return {name: count for name, count in self.counts.items() if count}

    def _noted(self, after: int) -> Sequence[Any]:
        j = import_changes.c
        own = (j.municipality_id == self._municipality, j.import_id == self._import, j.id > after)
        return self._conn.execute(
            select(j.id, j.kind, j.table_name, j.row).where(*own).order_by(j.id).limit(AT_ONCE)
        ).all()

    def _restore(self, kind: str, name: str, rows: list[dict[str, Any]]) -> None:
        table = metadata.tables[name]
        if kind == "removed":
            self._conn.execute(insert(table), [{"municipality_id": self._municipality, **row} for row in rows])
            self.counts[f"{name}_restored"] += len(rows)
            return
        key = and_(
            table.c.municipality_id == self._municipality,
            *(table.c[column] == bindparam(f"key_{column}") for column in KEYS[name]),
        )
        keyed = [{f"key_{column}": row.pop(column) for column in KEYS[name]} | row for row in rows]
        if kind == "added":
            self._conn.execute(delete(table).where(key), keyed)
            self.counts[f"{name}_removed"] += len(rows)
        else:
            self._conn.execute(
                update(table).where(key).values({column: bindparam(column) for column in rows[0]}), keyed
            )
            self.counts[f"{name}_restored"] += len(rows)

    def _remove(self, above: dict[str, int]) -> None:
        phones = debtor_phones.c
        new = phones.debtor_id > above["debtors"]
        own = phones.municipality_id == self._municipality
        self.counts["debtor_phones_removed"] += self._conn.execute(delete(debtor_phones).where(own, new)).rowcount
        for table in NUMBERED:
            gone = delete(table).where(table.c.municipality_id == self._municipality, table.c.id > above[table.name])
            self.counts[f"{table.name}_removed"] += self._conn.execute(gone).rowcount


def _typed(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """JSON's values as the columns take them."""
    columns = metadata.tables[name].c
    return {key: _value(columns[key].type, value) for key, value in values.items()}


def _value(kind: Any, value: Any) -> Any:
    if isinstance(kind, Date) and value is not None:
        return date.fromisoformat(value)
    return bool(value) if isinstance(kind, Boolean) and value is not None else value
