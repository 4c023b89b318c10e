"""Which talks are looked at again, and what was found: the sample by the policy's rule, scorecards, comments.

The sample is drawn by a hash of each call's random identifier, so that anybody who asks draws the same one and no
operator can know beforehand which call will be in it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, insert, select, text

from callflow.access.auditlog import audit
from callflow.errors import InputError, NotFoundError, Where
from callflow.scorecard import ANSWERS, CARD
from models.ids import new_id
from models.tables import call_comments, call_events, calls, scorecards

LONGEST_COMMENT = 1_000

Why = Literal["outcome", "share", "least"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`percent` of an operator's talks of a month, never fewer than `at_least`, and every outcome of `always`."""

    percent: int
    at_least: int
    always: Collection[str]


@dataclass(frozen=True, slots=True)
class Talk:
    """What the sample needs to know of a talk."""

    call_id: int
    operator_id: int
    disposition: str
    attempt_ref: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Picked:
    """A talk of the sample. `why`: its outcome, its share, or the least number."""

    talk: Talk
    why: Why


def sample(talks: Iterable[Talk], rule: Rule) -> list[Picked]:
    """The sample of one month's talks, newest first. Pure; it does not depend on the order in which they come."""
    found: list[Picked] = []
    by_operator: defaultdict[int, list[Talk]] = defaultdict(list)
    for talk in talks:
        if talk.disposition in rule.always:
            found.append(Picked(talk, "outcome"))
        by_operator[talk.operator_id].append(talk)
    for own in by_operator.values():
        drawn = sorted(own, key=_lot)
        share = -(-len(drawn) * rule.percent // 100)
        for place, talk in enumerate(drawn[: max(share, rule.at_least)]):
            if talk.disposition not in rule.always:
                found.append(Picked(talk, "share" if place < share else "least"))
    return sorted(found, key=lambda each: each.talk.call_id, reverse=True)


def _lot(talk: Talk) -> str:
    return hashlib.sha256(talk.attempt_ref.encode()).hexdigest()


def talks_of(
    conn: Connection, municipality_id: int, since: datetime, until: datetime, visible: ColumnElement[bool]
) -> list[Talk]:
    """The ended talks that began in a time; `visible` narrows to what a person may know of."""
    c = calls.c
    query = (
        select(c.id, c.operator_id, c.disposition, c.attempt_ref, c.opened_at)
        .where(
            c.municipality_id == municipality_id,
            c.opened_at >= since,
            c.opened_at < until,
            text("NOT live"),
            c.talk_state != "",
            visible,
        )
        .order_by(c.id)
    )
    return [Talk(*row) for row in conn.execute(query)]


@dataclass(frozen=True, slots=True)
class Card:
    """A scorecard that somebody filled in."""

    at: datetime
    author_id: int
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody noted at a step of a call."""

    seq: int
    at: datetime
    author_id: int
    text: str


def keep_card(
    conn: Connection, municipality_id: int, call_id: int, answers: Mapping[str, str], by: int, now: datetime
) -> None:
    """Adds a scorecard to a call; the latest counts. Raises InputError if a line is not answered."""
    for line in CARD:
        if answers.get(line.key) not in ANSWERS:
            raise InputError(f"「{line.question}」に答えがありません", where=Where(field=line.key))
    kept = json.dumps({line.key: answers[line.key] for line in CARD}, sort_keys=True)
    own = _own(conn, scorecards, municipality_id, call_id)
    conn.execute(insert(scorecards).values(**own, at=now, author_id=by, answers=kept))
    audit(conn, municipality_id, now, by, "call:score", f"call:{call_id}")


def cards(conn: Connection, municipality_id: int, call_id: int) -> list[Card]:
    """The scorecards of a call, the one that counts first."""
    s = scorecards.c
    query = select(s.at, s.author_id, s.answers).where(s.municipality_id == municipality_id, s.call_id == call_id)
    return [Card(row.at, row.author_id, json.loads(row.answers)) for row in conn.execute(query.order_by(s.id.desc()))]


def scored(conn: Connection, municipality_id: int, call_ids: Iterable[int]) -> set[int]:
    """Those of the calls that have a scorecard."""
    s = scorecards.c
    query = select(s.call_id).where(s.municipality_id == municipality_id, s.call_id.in_(list(call_ids)))
    return set(conn.execute(query).scalars())


def comment(conn: Connection, municipality_id: int, call_id: int, seq: int, words: str, by: int, now: datetime) -> None:
    """Adds a comment at a step. Raises InputError for none or too long a text, NotFoundError for no such step."""
    if not words.strip():
        raise InputError("コメントがありません", where=Where(field="text"), mend="何か書いてください")
    if len(words) > LONGEST_COMMENT:
        raise InputError(f"コメントが長すぎます（{LONGEST_COMMENT}字まで）", where=Where(field="text"))
    e = call_events.c
    step = select(e.seq).where(e.municipality_id == municipality_id, e.call_id == call_id, e.seq == seq)
    if conn.execute(step).scalar() is None:
        raise NotFoundError(f"通話 {call_id} に通番 {seq} はありません")
    own = _own(conn, call_comments, municipality_id, call_id)
    conn.execute(insert(call_comments).values(**own, seq=seq, at=now, author_id=by, text=words.strip()))
    audit(conn, municipality_id, now, by, "call:comment", f"call:{call_id}")


def comments(conn: Connection, municipality_id: int, call_id: int) -> list[Comment]:
    """The comments on a call, by the step that they stand at."""
    c = call_comments.c
    query = select(c.seq, c.at, c.author_id, c.text).where(c.municipality_id == municipality_id, c.call_id == call_id)
    return [Comment(*row) for row in conn.execute(query.order_by(c.seq, c.id))]


def _own(conn: Connection, table: Any, municipality_id: int, call_id: int) -> dict[str, int]:
    return {"municipality_id": municipality_id, "id": new_id(conn, table, municipality_id), "call_id": call_id}
