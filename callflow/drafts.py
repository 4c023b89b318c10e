"""Drafts of scripts: somebody proposes one, two of the ward's staff approve it, and it becomes the next version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from callflow.access.auditlog import audit
from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.script.model import Script
from callflow.script.proofs import Report
from callflow.shelf import publish
from models.ids import new_id
from models.tables import accounts, script_drafts

STATES = {"open": "承認待ち", "published": "公開済み", "withdrawn": "取り下げ"}


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval came to. `version`: 0 while the second one is missing."""

    name: str
    version: int = 0


class Drafts:
    """The drafts of one municipality, inside the caller's transaction and at its moment."""

    def __init__(self, conn: Connection, municipality_id: int, now: datetime) -> None:
        self._conn = conn
        self._municipality_id = municipality_id
        self._now = now

    def put(self, script: Script, note: str, by: int) -> int:
        """A new draft and its id. The same content twice is one draft."""
        d = script_drafts.c
        same = select(d.id).where(*self._ours, d.hash == script.content_hash, d.state == "open")
        if (known := self._conn.execute(same).scalar()) is not None:
            return int(known)
        draft_id = new_id(self._conn, script_drafts, self._municipality_id)
        self._conn.execute(
            script_drafts.insert().values(
                municipality_id=self._municipality_id,
                id=draft_id,
                name=script.name,
                hash=script.content_hash,
                sources=json.dumps(dict(script.sources), ensure_ascii=False),
                note=note,
                state="open",
                drafted_by=by,
                drafted_at=self._now,
            )
        )
        self._record(by, "script:draft", draft_id)
        return draft_id

    def get(self, draft_id: int, *, lock: bool = False) -> Row[Any]:
        """Raises NotFoundError."""
        query = select(script_drafts).where(*self._ours, script_drafts.c.id == draft_id)
        row = self._conn.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise NotFoundError(f"下書き {draft_id} はありません")
        return row

    def all(self, state: str = "open") -> list[Row[Any]]:
        """The drafts in a state with who wrote them, newest first; without their text."""
        d, a = script_drafts.c, accounts.c
        query = (
            select(d.id, d.name, d.note, d.drafted_at, d.first_at, a.login)
            .join(accounts, (a.municipality_id == d.municipality_id) & (a.id == d.drafted_by))
            .where(*self._ours, a.municipality_id == self._municipality_id, d.state == state)
            .order_by(d.id.desc())
        )
        return list(self._conn.execute(query))

    def approve(self, draft_id: int, script: Script, report: Report, by: int) -> Approved:
        """The first or, by somebody else, the second approval, which publishes. `script` is the draft, read and proved.

        Raises RefusedError for one person twice, InputError for a draft that is not proved.
        """
        row = self._open(draft_id)
        if row.hash != script.content_hash:
            raise RefusedError("下書きの中身が、確かめたものと違います", mend="画面を開き直してください")
        if report.findings:
            raise InputError(
                f"台本 {script.name} は検査に合格していません", mend="検査の結果を直した下書きを、新しく出してください"
            )
        if row.first_by is None:
            self._change(draft_id, first_by=by, first_at=self._now)
            self._record(by, "script:approve", draft_id)
            return Approved(script.name)
        if row.first_by == by:
            raise RefusedError("台本の公開には、別の二人の承認が要ります", mend="もう一人の区職員が承認してください")
        version = publish(
            self._conn, self._municipality_id, script, report, by=row.first_by, approved_by=by, at=self._now
        )
        self._change(draft_id, state="published", closed_by=by, closed_at=self._now)
        self._record(by, "script:approve", draft_id)
        audit(self._conn, self._municipality_id, self._now, by, "script:publish", f"script:{script.content_hash[:12]}")
        return Approved(script.name, version)

    def withdraw(self, draft_id: int, by: int) -> None:
        """The draft is no longer to be approved. Raises RefusedError if it has ended."""
        self._open(draft_id)
        self._change(draft_id, state="withdrawn", closed_by=by, closed_at=self._now)
        self._record(by, "script:withdraw", draft_id)

    @property
    def _ours(self) -> tuple[Any, ...]:
        return (script_drafts.c.municipality_id == self._municipality_id,)

    def _open(self, draft_id: int) -> Row[Any]:
        row = self.get(draft_id, lock=True)
        if row.state != "open":
            raise RefusedError(f"下書き {draft_id} は{STATES[row.state]}です", mend="新しい下書きを出してください")
        return row

    def _change(self, draft_id: int, **values: Any) -> None:
        self._conn.execute(update(script_drafts).where(*self._ours, script_drafts.c.id == draft_id).values(**values))

    def _record(self, by: int, verb: str, draft_id: int) -> None:
        audit(self._conn, self._municipality_id, self._now, by, verb, f"script_draft:{draft_id}")
