"""Campaigns: their plan, and when they run.

A plan counts every case of a claim type once: under the first exclusion that applies to it, else as included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from callflow.errors import InputError, NotFoundError, RefusedError, Where
from callflow.planning import Exclusion, count_cases, fill_queue
from models.ids import new_id
from models.tables import account_roles, accounts, audit_events, campaigns, queue_entries, script_versions
from scheduler.dealing import Rules

Act = Literal["start", "pause", "resume", "stop"]

MOVES: Mapping[Act, tuple[frozenset[str], str]] = {
    "start": (frozenset({"draft", "approved"}), "running"),
    "pause": (frozenset({"running"}), "paused"),
    "resume": (frozenset({"paused"}), "running"),
    "stop": (frozenset({"draft", "approved", "running", "paused"}), "stopped"),
}
"""From which states an act leads where. A stopped campaign stays stopped."""

STATE_WORDS = {"draft": "下書き", "approved": "承認済", "running": "稼働中", "paused": "一時停止", "stopped": "終了"}
_ACT_WORDS: Mapping[Act, str] = {"start": "開始", "pause": "一時停止", "resume": "再開", "stop": "終了"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How many cases are called, and how many are not, by the first reason that applies."""

    included: int
    excluded: Mapping[Exclusion, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.included + sum(self.excluded.values())

    def as_data(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "included": self.included,
            "excluded": {each.code: self.excluded[each] for each in Exclusion if each in self.excluded},
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        return cls(
            data.get("included", 0), {Exclusion[code.upper()]: n for code, n in data.get("excluded", {}).items()}
        )


def plan_of(counts: Mapping[str, int]) -> Plan:
    """A plan from the number of cases by exclusion code; the empty code counts the included ones."""
    excluded = {each: counts[each.code] for each in Exclusion if counts.get(each.code)}
    return Plan(counts.get("", 0), excluded)


def next_state(state: str, act: Act) -> str:
    """The state after `act`. Raises RefusedError if it is not possible in `state`."""
    allowed, target = MOVES[act]
    if state not in allowed:
        words = "・".join(STATE_WORDS[each] for each in STATE_WORDS if each in allowed)
        raise RefusedError(
            f"{STATE_WORDS[state]}のキャンペーンは{_ACT_WORDS[act]}できません", mend=f"{words}のときに行えます"
        )
    return target


def rules_of(campaign: Row[Any], base: Rules) -> Rules:
    """The rules of a campaign: those of its claim type, tightened by its own."""
    return Rules(campaign.id, base.policy.tightened(json.loads(campaign.policy)), base.calendar)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new campaign is made of. `settings`: the script's; `policy`: tighter than the configuration."""

    name: str
    claim_type: str
    script_hash: str
    settings: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, int] = field(default_factory=dict)


class Campaigns:
    """The campaigns of one municipality, inside the caller's transaction and at its moment."""

    def __init__(self, conn: Connection, municipality_id: int, now: datetime) -> None:
        self._conn = conn
        self._municipality_id = municipality_id
        self._now = now

    def count(self, claim_type: str, rules: Rules) -> Plan:
        """What a plan would be; writes nothing."""
        return plan_of(count_cases(self._conn, self._municipality_id, claim_type, rules, self._now))

    def create(self, draft: Draft, rules: Rules, by: int) -> tuple[int, Plan]:
        """A draft campaign with its queue. Raises InputError for a name in use, an unknown script or a loose policy."""
        name = draft.name.strip()
        if not name:
            raise InputError("キャンペーンの名前がありません", where=Where(field="name"))
        if self._find(campaigns.c.name == name) is not None:
            raise InputError(
                f"キャンペーン {name} はもうあります", where=Where(field="name"), mend="別の名前にしてください"
            )
        self._require_script(draft.script_hash)
        try:
            rules.policy.tightened(draft.policy)
        except ValueError as error:
            raise InputError(str(error), where=Where(field="policy")) from error
        plan = self.count(draft.claim_type, rules)
        campaign_id = new_id(self._conn, campaigns, self._municipality_id)
        self._conn.execute(
            insert(campaigns).values(
                municipality_id=self._municipality_id,
                id=campaign_id,
                name=name,
                claim_type=draft.claim_type,
                script_hash=draft.script_hash,
                settings=json.dumps(dict(draft.settings), ensure_ascii=False),
                policy=json.dumps(dict(draft.policy)),
                plan=json.dumps(plan.as_data()),
                state="draft",
                created_at=self._now,
                created_by=by,
            )
        )
        fill_queue(self._conn, self._municipality_id, campaign_id, draft.claim_type, rules, self._now)
        self._audit(by, "plan", campaign_id)
        return campaign_id, plan

    def replan(self, campaign_id: int, rules: Rules, by: int) -> tuple[Plan, int]:
        """Counts anew and adds cases that are callable now and not yet in the queue. Returns how many were added."""
        row = self.get(campaign_id)
        if row.state == "stopped":
            raise RefusedError("終了したキャンペーンは計画し直せません", mend="新しいキャンペーンを計画してください")
        plan = self.count(row.claim_type, rules)
        added = fill_queue(self._conn, self._municipality_id, campaign_id, row.claim_type, rules, self._now)
        self._set(campaign_id, plan=json.dumps(plan.as_data()))
        self._audit(by, "plan", campaign_id)
        return plan, added

    def start(self, campaign_id: int, supervisor_id: int, by: int) -> None:
        """Dialling begins, with that supervisor on shift (R04; seed, line 277)."""
        self._move(campaign_id, "start", by, supervisor_id=self._on_shift(supervisor_id))

    def resume(self, campaign_id: int, by: int, supervisor_id: int | None = None) -> None:
        """Dialling goes on; the supervisor is the one given, else the one before."""
        row = self.get(campaign_id)
        next_state(row.state, "resume")
        supervisor = supervisor_id if supervisor_id is not None else row.supervisor_id
        if supervisor is None:
            raise RefusedError("業務責任者がいません", mend="--supervisor で指定してください")
        self._move(campaign_id, "resume", by, supervisor_id=self._on_shift(supervisor))

    def pause(self, campaign_id: int, by: int, reason: str) -> None:
        """No new call is dealt; calls that are live go on."""
        self._move(campaign_id, "pause", by, reason=reason)

    def stop(self, campaign_id: int, by: int, reason: str) -> None:
        """The campaign is over. What is claimed ends by itself: nothing is placed for a stopped campaign."""
        self._move(campaign_id, "stop", by, reason=reason, supervisor_id=None)
        q = queue_entries.c
        self._conn.execute(
            update(queue_entries)
            .where(
                q.municipality_id == self._municipality_id,
                q.campaign_id == campaign_id,
                q.state.in_(("scheduled", "ready", "held")),
            )
            .values(state="done", reason="campaign_stopped")
        )

    def get(self, campaign_id: int) -> Row[Any]:
        """Raises NotFoundError."""
        row = self._find(campaigns.c.id == campaign_id)
        if row is None:
            raise NotFoundError(
                f"キャンペーン {campaign_id} はありません", mend="callflow campaign list で確かめられます"
            )
        return row

    def named(self, word: str) -> Row[Any]:
        """A campaign by its id or its name. Raises NotFoundError."""
        if word.isascii() and word.isdigit():
            return self.get(int(word))
        row = self._find(campaigns.c.name == word)
        if row is None:
            raise NotFoundError(f"キャンペーン {word} はありません", mend="callflow campaign list で確かめられます")
        return row

    def all(self) -> list[Row[Any]]:
        """Newest first."""
        query = select(campaigns).where(campaigns.c.municipality_id == self._municipality_id)
        return list(self._conn.execute(query.order_by(campaigns.c.id.desc())))

    def _move(self, campaign_id: int, act: Act, by: int, *, reason: str = "", **columns: Any) -> None:
        state = next_state(self.get(campaign_id).state, act)
        self._set(campaign_id, state=state, state_reason=reason, **columns)
        self._audit(by, act, campaign_id)

    def _on_shift(self, supervisor_id: int) -> int:
        """The account, if it is a supervisor's that may log in. Raises RefusedError."""
        found = self._conn.execute(
            select(accounts.c.id)
            .join(
                account_roles,
                (account_roles.c.municipality_id == accounts.c.municipality_id)
                & (account_roles.c.account_id == accounts.c.id),
            )
            .where(
                accounts.c.municipality_id == self._municipality_id,
                accounts.c.id == supervisor_id,
                accounts.c.disabled_at.is_(None),
                account_roles.c.role == "supervisor",
            )
        ).scalar_one_or_none()
        if found is None:
            raise RefusedError(
                "業務責任者の役割を持つ利用者ではありません", mend="role supervisor の利用者を指定してください"
            )
        return supervisor_id

    def _require_script(self, script_hash: str) -> None:
        published = self._conn.execute(
            select(script_versions.c.hash).where(
                script_versions.c.municipality_id == self._municipality_id, script_versions.c.hash == script_hash
            )
        ).scalar_one_or_none()
        if published is None:
            raise InputError(
                "公開された台本ではありません",
                where=Where(field="script"),
                mend="callflow script publish で公開してください",
            )

    def _find(self, condition: Any) -> Row[Any] | None:
        query = select(campaigns).where(campaigns.c.municipality_id == self._municipality_id, condition)
        return self._conn.execute(query).one_or_none()

    def _set(self, campaign_id: int, **columns: Any) -> None:
        self._conn.execute(
            update(campaigns)
            .where(campaigns.c.municipality_id == self._municipality_id, campaigns.c.id == campaign_id)
            .values(**columns)
        )

    def _audit(self, by: int, act: str, campaign_id: int) -> None:
        self._conn.execute(
            insert(audit_events).values(
                municipality_id=self._municipality_id,
                id=new_id(self._conn, audit_events, self._municipality_id),
                at=self._now,
                actor_id=by,
                verb=f"campaign:{act}",
                object=f"campaign:{campaign_id}",
            )
        )
