"""Campaigns: their plan, and when they run.

A plan counts every case of a claim type once: under the first exclusion that applies to it, else as included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from callflow import policywords
from callflow.access.accounts import acting
from callflow.access.auditlog import audit
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from callflow.holdout import draw
from callflow.planning import Exclusion, Question, cases_under, count_cases, fill_queue
from callflow.selection import EVERYTHING, Selection
from models.ids import new_id
from models.live import announce
from models.tables import (
    accounts,
    campaign_approvals,
    campaigns,
    municipalities,
    queue_entries,
    script_versions,
    shifts,
)
from scheduler.budgets import CallingDays, limited
from scheduler.dealing import Rules
from scheduler.settings import MODES, Mode

Act = Literal["approve", "start", "pause", "resume", "stop"]

MOVES: Mapping[Act, tuple[frozenset[str], str]] = {
    "approve": (frozenset({"draft"}), "approved"),
    "start": (frozenset({"approved"}), "running"),
    "pause": (frozenset({"running"}), "paused"),
    "resume": (frozenset({"paused"}), "running"),
    "stop": (frozenset({"draft", "approved", "running", "paused"}), "stopped"),
}
"""From which states an act leads where. A stopped campaign stays stopped."""

MOST_HELD_OUT = 50  # percent: a campaign is for calling

MODE_WORDS: Mapping[Mode, str] = {
    "preview": "確認してから発信",
    "progressive": "1対1で自動発信",
    "predictive": "先行発信",
}
_CAREFUL: Sequence[Mode] = ("preview", "progressive")

STATE_WORDS = {"draft": "下書き", "approved": "承認済", "running": "稼働中", "paused": "一時停止", "stopped": "終了"}
_ACT_WORDS: Mapping[Act, str] = {
    "approve": "承認",
    "start": "開始",
    "pause": "一時停止",
    "resume": "再開",
    "stop": "終了",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How many cases are called, and how many are not, by the first reason that applies."""

    included: int
    excluded: Mapping[Exclusion, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Every case of the claim type."""
        return self.included + sum(self.excluded.values())

    @property
    def meant(self) -> int:
        """The cases that the filter selects."""
        return self.total - self.excluded.get(Exclusion.OUTSIDE, 0)

    def as_contractor_sees(self) -> Plan:
        """Protection and suppression in one: who may not be called is not for the contractor to tell apart."""
        both = sum(self.excluded.get(each, 0) for each in (Exclusion.PROTECTED, Exclusion.SUPPRESSED))
        rest: dict[Exclusion, int] = {each: n for each, n in self.excluded.items() if each is not Exclusion.PROTECTED}
        if both:
            rest[Exclusion.SUPPRESSED] = both
        return Plan(self.included, rest)

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


def check_mode(mode: str) -> None:
    """Raises InputError for anything but a mode of dialling."""
    if mode not in MODES:
        raise InputError(
            f"発信方式 {mode} はありません", where=Where(field="mode"), mend=f"{'、'.join(MODES)} のどれかです"
        )


def rules_of(campaign: Row[Any], base: Rules) -> Rules:
    """The rules of a campaign: those of its claim type, tightened by its own, on its own days."""
    policy = base.policy.tightest(json.loads(campaign.policy))
    calendar = replace(base.calendar, last_dial=timedelta(minutes=policy.last_dial_minutes))
    if campaign.days is not None:
        calendar = limited(calendar, CallingDays.from_data(json.loads(campaign.days)))
    return Rules(campaign.id, policy, calendar)


def selection_of(campaign: Row[Any]) -> Selection:
    """The filter that a campaign was planned with."""
    return Selection.from_data(json.loads(campaign.selection)) if campaign.selection else EVERYTHING


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new campaign is made of. `settings`: the script's; `policy`: tighter than the configuration.

    `days` None: all days of the claim type. `holdout_percent`: of the households, never dialled in this campaign.
    """

    name: str
    claim_type: str
    script_hash: str
    settings: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, int] = field(default_factory=dict)
    selection: Selection = EVERYTHING
    days: CallingDays | None = None
    holdout_percent: int = 0
    mode: Mode = "progressive"


class Campaigns:
    """The campaigns of one municipality, inside the caller's transaction and at its moment."""

    def __init__(self, conn: Connection, municipality_id: int, now: datetime) -> None:
        self._conn = conn
        self._municipality_id = municipality_id
        self._now = now

    @property
    def connection(self) -> Connection:
        """The transaction that this desk works in."""
        return self._conn

    def count(self, draft: Draft, rules: Rules) -> Plan:
        """What a plan would be; writes nothing. Raises InputError as `create` does."""
        self._check(draft, rules)
        return plan_of(count_cases(self._conn, self._question(draft.claim_type, rules, draft.selection)))

    def recount(self, row: Row[Any], rules: Rules) -> Plan:
        """What planning an existing campaign anew would count; writes nothing."""
        return plan_of(count_cases(self._conn, self._question_of(row, rules)))

    def excluded_cases(self, row: Row[Any], rules: Rules, why: Exclusion, *, offset: int, limit: int) -> list[int]:
        """The ids of cases of the claim type that a campaign leaves out for this reason, as of now."""
        return cases_under(self._conn, self._question_of(row, rules), why, offset=offset, limit=limit)

    def create(self, draft: Draft, rules: Rules, by: int) -> tuple[int, Plan]:
        """A draft campaign with its queue, to be approved by the ward.

        Raises InputError for a name in use, an unknown script, a loose policy or a hold-out share beyond half.
        """
        self._check(draft, rules)
        campaign_id = new_id(self._conn, campaigns, self._municipality_id)
        self._conn.execute(
            insert(campaigns).values(
                municipality_id=self._municipality_id,
                id=campaign_id,
                name=draft.name.strip(),
                claim_type=draft.claim_type,
                script_hash=draft.script_hash,
                settings=json.dumps(dict(draft.settings), ensure_ascii=False),
                policy=json.dumps(dict(draft.policy)),
                selection=json.dumps(draft.selection.as_data(), ensure_ascii=False),
                days=None if draft.days is None else json.dumps(draft.days.as_data()),
                holdout_percent=draft.holdout_percent,
                mode=draft.mode,
                state="draft",
                created_at=self._now,
                created_by=by,
            )
        )
        plan, _ = self._fill(self.get(campaign_id), rules)
        self._audit(by, "plan", campaign_id)
        return campaign_id, plan

    def replan(self, campaign_id: int, rules: Rules, by: int) -> tuple[Plan, int]:
        """Counts anew and adds cases that are callable now and not yet in the queue. Returns how many were added."""
        row = self.get(campaign_id)
        if row.state == "stopped":
            raise RefusedError("終了したキャンペーンは計画し直せません", mend="新しいキャンペーンを計画してください")
        plan, added = self._fill(row, rules)
        self._audit(by, "plan", campaign_id)
        return plan, added

    def approve(self, campaign_id: int, by: int) -> None:
        """The ward agrees to a plan: its selection, its days, its script and its policy.

        Raises RefusedError for anybody but a staff account of the ward, and for the one who planned it.
        """
        row = self.get(campaign_id)
        next_state(row.state, "approve")
        if not self._is_ward_staff(by):
            raise RefusedError("承認できるのは区の職員だけです", mend="role staff の利用者が承認してください")
        if row.created_by == by:
            raise RefusedError("計画した本人は承認できません", mend="ほかの区の職員が承認してください")
        self._conn.execute(
            insert(campaign_approvals).values(
                municipality_id=self._municipality_id, campaign_id=campaign_id, approved_by=by, approved_at=self._now
            )
        )
        self._move(campaign_id, "approve", by)

    def start(self, campaign_id: int, supervisor_id: int, by: int) -> None:
        """Dialling begins, with that supervisor on shift (R04; seed, line 277)."""
        next_state(self.get(campaign_id).state, "start")
        self._move(campaign_id, "start", by, supervisor_id=self._on_shift(supervisor_id))

    def hand_over(self, campaign_id: int, supervisor_id: int, by: int) -> None:
        """Another supervisor who is on shift takes over a campaign that runs or is paused."""
        row = self.get(campaign_id)
        if row.state not in ("running", "paused"):
            raise RefusedError(
                f"{STATE_WORDS[row.state]}のキャンペーンは引き継げません",
                mend="稼働中・一時停止のときに行えます",
            )
        self._set(campaign_id, supervisor_id=self._on_shift(supervisor_id))
        self._audit(by, "hand_over", campaign_id)

    def resume(self, campaign_id: int, by: int, supervisor_id: int | None = None) -> None:
        """Dialling goes on; the supervisor is the one given, else the one before."""
        row = self.get(campaign_id)
        next_state(row.state, "resume")
        supervisor = supervisor_id if supervisor_id is not None else row.supervisor_id
        if supervisor is None:
            raise RefusedError("業務責任者がいません", mend="--supervisor で指定してください")
        self._move(campaign_id, "resume", by, supervisor_id=self._on_shift(supervisor))

    def dial_by(self, campaign_id: int, mode: str, by: int) -> None:
        """A supervisor chooses how lines are opened. Lines ahead of operators are part of what the ward approves, so
        that this mode can be chosen before the approval only; a more careful one at any time.
        """
        row = self.get(campaign_id)
        check_mode(mode)
        who = acting(self._conn, self._municipality_id, by)
        if who is None or "supervisor" not in who.roles:
            raise RefusedError("発信方式を選べるのは業務責任者だけです", mend="業務責任者が選んでください")
        if row.state == "stopped" or (mode not in _CAREFUL and row.state != "draft" and row.mode != mode):
            raise RefusedError(
                f"{STATE_WORDS[row.state]}のキャンペーンの発信方式を{mode}にはできません",
                mend="先行発信は承認の前に選びます。新しいキャンペーンを計画してください",
            )
        self._set(campaign_id, mode=mode)
        announce(self._conn, self._municipality_id, "campaign", campaign_id)
        self._audit(by, "mode", campaign_id, mode)

    def pause(self, campaign_id: int, by: int | None, reason: str) -> None:
        """No new call is dealt; calls that are live go on. `by` None: the program itself, at the end of a shift."""
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

    def approval(self, campaign_id: int) -> Row[str, datetime] | None:
        """Who approved it, by login, and when."""
        approvals = campaign_approvals.join(
            accounts,
            (accounts.c.municipality_id == campaign_approvals.c.municipality_id)
            & (accounts.c.id == campaign_approvals.c.approved_by),
        )
        query = select(accounts.c.login, campaign_approvals.c.approved_at).select_from(approvals)
        mine = (
            campaign_approvals.c.municipality_id == self._municipality_id,
            campaign_approvals.c.campaign_id == campaign_id,
        )
        return self._conn.execute(query.where(*mine)).one_or_none()

    def all(self) -> list[Row[Any]]:
        """Newest first."""
        query = select(campaigns).where(campaigns.c.municipality_id == self._municipality_id)
        return list(self._conn.execute(query.order_by(campaigns.c.id.desc())))

    def _check(self, draft: Draft, rules: Rules) -> None:
        name = draft.name.strip()
        if not name:
            raise InputError("キャンペーンの名前がありません", where=Where(field="name"))
        if self._find(campaigns.c.name == name) is not None:
            raise InputError(
                f"キャンペーン {name} はもうあります", where=Where(field="name"), mend="別の名前にしてください"
            )
        self._require_script(draft.script_hash)
        policywords.check(draft.policy, rules.policy)
        check_mode(draft.mode)
        if not 0 <= draft.holdout_percent <= MOST_HELD_OUT:
            raise InputError(
                f"対照群の割合は 0〜{MOST_HELD_OUT} %です", where=Where(field="holdout"), mend="10 のように書きます"
            )

    def _fill(self, row: Row[Any], rules: Rules) -> tuple[Plan, int]:
        """Locks the municipality, so that two plans of one claim type's days are made one after the other."""
        self._conn.execute(
            select(municipalities.c.id).where(municipalities.c.id == self._municipality_id).with_for_update()
        )
        question = self._question_of(row, rules)
        if row.holdout_percent:
            draw(self._conn, question, row.holdout_percent)
        added = fill_queue(self._conn, question)
        plan = plan_of(count_cases(self._conn, question))
        self._set(row.id, plan=json.dumps(plan.as_data()))
        return plan, added

    def _question(self, claim_type: str, rules: Rules, selection: Selection) -> Question:
        return Question(self._municipality_id, claim_type, rules, self._now, selection)

    def _question_of(self, row: Row[Any], rules: Rules) -> Question:
        return self._question(row.claim_type, rules_of(row, rules), selection_of(row))

    def _move(self, campaign_id: int, act: Act, by: int | None, *, reason: str = "", **columns: Any) -> None:
        state = next_state(self.get(campaign_id).state, act)
        self._set(campaign_id, state=state, state_reason=reason, **columns)
        announce(self._conn, self._municipality_id, "campaign", campaign_id)
        self._audit(by, act, campaign_id, reason)

    def _on_shift(self, supervisor_id: int) -> int:
        """The account, if it is a supervisor's who is on shift. Raises RefusedError."""
        who = acting(self._conn, self._municipality_id, supervisor_id)
        if who is None or "supervisor" not in who.roles:
            raise RefusedError(
                "業務責任者の役割を持つ利用者ではありません", mend="role supervisor の利用者を指定してください"
            )
        on_shift = select(shifts.c.id).where(
            shifts.c.municipality_id == self._municipality_id,
            shifts.c.account_id == supervisor_id,
            shifts.c.ended_at.is_(None),
            shifts.c.until > self._now,
        )
        if self._conn.execute(on_shift).scalar() is None:
            raise RefusedError(
                f"業務責任者 {who.login} は勤務中ではありません",
                mend=f"ボードか callflow --as {who.login} campaign shift begin で、先に勤務を始めてください",
            )
        return supervisor_id

    def _is_ward_staff(self, account_id: int) -> bool:
        who = acting(self._conn, self._municipality_id, account_id)
        return who is not None and who.kind == "ward" and "staff" in who.roles

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

    def _audit(self, by: int | None, act: str, campaign_id: int, reason: str = "") -> None:
        verb, what = f"campaign:{act}", f"campaign:{campaign_id}"
        audit(self._conn, self._municipality_id, self._now, by, verb, what, purpose=reason)
