"""What goes out, as the OpenAPI document describes it. Instants are UTC, money is yen."""

from __future__ import annotations

from datetime import date, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """Some of what there is, in a fixed order. `next`: the `after` to go on from, now or later."""

    items: list[T]
    next: str
    more: bool = Field(description="there is more already")


class RowFault(BaseModel):
    """A row that could not be taken: 1-based line of the list (its headings are line 1) and column."""

    line: int
    column: int
    field: str
    value: str
    reason: str
    mend: str


class CrossingOut(BaseModel):
    """行き違い: a payment, and the call that was placed on its day or later before it was known here."""

    payment_id: int
    case_id: int
    paid_on: date
    amount: int
    known_at: datetime
    call_id: int | None
    called_at: datetime | None
    disposition: str | None
    paid_off: bool
    still: str = Field(description="`claimed` or `in_call`: the paid-off case is with an operator at this moment")


class ImportOut(BaseModel):
    """What a list held and what it changed. `state`: active, unchanged (came before), checked (dry run)."""

    kind: str
    encoding: str
    state: str
    rows: int
    as_of: date | None
    import_id: int | None
    ignored: list[str]
    counts: dict[str, int]
    shared: dict[str, int]
    bad_row_count: int
    bad_rows: list[RowFault]
    quarantined_count: int
    quarantined: list[RowFault]
    unmatched: list[RowFault]
    crossed: list[CrossingOut]


class OfCase(BaseModel):
    """A row about a case, at its moment in the list's order."""

    id: int
    at: datetime
    case_id: int
    addressee_no: str = Field(description="宛名番号")
    claim_type: str


class RecordOut(OfCase):
    """交渉経過記録. `corrects_id`: the record that it takes the place of."""

    call_id: int | None
    disposition: str
    party: str | None
    text: str
    ack_candidate: bool
    corrects_id: int | None


class PromiseOut(OfCase):
    """納付約束."""

    call_id: int
    promiser: str
    due_on: date
    amount: int
    place: str
    state: str
    judged_at: datetime | None
    replaced_by: int | None
    paid: int | None


class SlipOut(OfCase):
    """連絡票."""

    call_id: int
    origin: str
    urgency: str
    consultation: str
    reasons: list[str]
    text: str
    state: str
    raised_at: datetime
    done_at: datetime | None
    cancelled_at: datetime | None


class LivingReportOut(OfCase):
    """生活状況報告書: how far it has come; never what stands in it."""

    state: str
    sent_at: datetime | None
    due_on: date | None
    re_requested_at: datetime | None
    returned_at: datetime | None
    closed_at: datetime | None
    decision: str
    cancelled_by: str | None


class CallOut(OfCase):
    """An ended call. It comes again when it is corrected. Who called is not told."""

    campaign_id: int | None
    direction: str
    disposition: str | None
    attempt: int
    contact: int
    right_party: int
    party: str | None
    placed_at: datetime | None
    answered_at: datetime | None
    closed_at: datetime | None


class ChangeOut(BaseModel):
    """An act on a slip, a living report, a promise or a visit: from which state to which."""

    id: int
    at: datetime
    thing: str
    thing_id: int
    act: str
    before: str
    after: str


class CaseOut(BaseModel):
    """How a case stands here. `unpaid`: yen. `protected`: 支援措置, never called."""

    id: int
    addressee_no: str
    claim_type: str
    status: str
    payments_as_of: date | None
    unpaid: int
    protected: bool


class CampaignOut(BaseModel):
    """A campaign (架電計画)."""

    id: int
    name: str
    claim_type: str
    state: str
    created_at: datetime


class CampaignStateOut(CampaignOut):
    """How far a campaign has come, in numbers."""

    queue: dict[str, int]
    live_calls: int
    in_review: int
    outcomes: dict[str, int]
    refused_dials: int
    refusals: dict[str, int]
    next_due_at: datetime | None


class HookIn(BaseModel):
    """Where to tell what."""

    url: str = Field(max_length=500, description="https, to a host of `api.webhook_hosts`")
    events: list[str] = Field(min_length=1, max_length=20)


class HookOut(BaseModel):
    """A webhook. `looked_until`: what happened before has its delivery."""

    id: int
    url: str
    events: list[str]
    created_at: datetime
    looked_until: datetime
    stopped_at: datetime | None


class NewHookOut(HookOut):
    """A webhook that was just made. `secret`: shown this once."""

    secret: str


class DeliveryOut(BaseModel):
    """One thing told to one webhook. `state`: waiting, sent or dead. `answer`: the last status, or how it failed."""

    id: int
    event: str
    thing: str
    made_at: datetime
    state: str
    attempts: int
    next_at: datetime
    ended_at: datetime | None
    answer: str
