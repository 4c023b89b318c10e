"""How calls are looked at afterwards: comments, scorecards, requests to replay, scores of practices. All only grow;
recordings come and go."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Text, UniqueConstraint

from models.base import Id, Instant, belongs_to, one_of, tenant_table

call_comments = tenant_table(
    "call_comments",
    Column("call_id", Id, nullable=False),
    Column("seq", Integer, nullable=False),  # of the event that it is about
    Column("at", Instant, nullable=False),
    Column("author_id", Id, nullable=False),
    Column("text", Text, nullable=False),
    belongs_to("calls", "call_id"),
    belongs_to("accounts", "author_id"),
    Index("ix_call_comments_call", "municipality_id", "call_id"),
)

scorecards = tenant_table(  # the latest of a call counts
    "scorecards",
    Column("call_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("author_id", Id, nullable=False),
    Column("answers", Text, nullable=False),  # {line: yes | no | none}, JSON
    belongs_to("calls", "call_id"),
    belongs_to("accounts", "author_id"),
    Index("ix_scorecards_call", "municipality_id", "call_id"),
)

replay_requests = tenant_table(  # 監査: an auditor replays a call only when the ward's staff agreed
    "replay_requests",
    Column("call_id", Id, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_at", Instant),
    Column("decided_by", Id),
    Column("decision", String(8), nullable=False, default="open"),
    belongs_to("calls", "call_id"),
    belongs_to("accounts", "account_id"),
    belongs_to("accounts", "decided_by"),
    one_of("decision", ("open", "granted", "refused")),
    Index("ix_replay_requests_call", "municipality_id", "call_id"),
)

practices = tenant_table(  # 練習: a call with an invented resident leaves its score and nothing else
    "practices",
    Column("account_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("script_name", String(64), nullable=False),
    Column("card", Text, nullable=False),  # {line: yes | no | none}, JSON
    Column("fitting", Integer, nullable=False),  # answers that were what the resident had said
    Column("answers", Integer, nullable=False),
    belongs_to("accounts", "account_id"),
    Index("ix_practices_account", "municipality_id", "account_id", "at"),
)

recordings = (
    tenant_table(  # 録音: the sound is an encrypted file; a row says of which call, when, and whether it is whole
        "recordings",
        Column("call_id", Id, nullable=False),
        Column("provider_ref", String(40), nullable=False),
        Column("state", String(8), nullable=False),
        Column("began_at", Instant, nullable=False),
        Column("seconds", Integer, nullable=False),
        Column("next_try_at", Instant),  # to fetch it, or to have the provider forget it; none: nothing is left to do
        Column("kept_at", Instant),
        Column("key_name", String(32), nullable=False),
        Column("sha256", String(64), nullable=False),
        Column("size", Integer, nullable=False),  # bytes of sound
        Column("erased_at", Instant),
        belongs_to("calls", "call_id"),
        one_of("state", ("waiting", "kept", "erased")),
        UniqueConstraint("municipality_id", "provider_ref"),
        Index("ix_recordings_call", "municipality_id", "call_id"),
    )
)
