"""Who works here and who is called: organisations, accounts, households, debtors, phone numbers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, String, Table, Text, UniqueConstraint

from models.base import Id, Instant, belongs_to, index_where, metadata, one_of, tenant_table

ROLES = ("operator", "supervisor", "staff", "auditor", "admin")
NUMBER_STATES = ("usable", "invalid", "wrong", "forbidden")

municipalities = Table(
    "municipalities",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("code", String(6), nullable=False, unique=True),
    Column("name", Text, nullable=False),
)

organisations = tenant_table(
    "organisations",
    Column("kind", String(12), nullable=False),
    Column("name", Text, nullable=False),
    one_of("kind", ("contractor", "ward")),
    UniqueConstraint("municipality_id", "name"),
)

accounts = tenant_table(
    "accounts",
    Column("organisation_id", Id, nullable=False),
    Column("login", String(64), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("password_hash", Text),
    Column("password_once", Boolean, nullable=False, default=False),  # to be changed at the next login
    Column("totp_secret", String(64)),
    Column("totp_step", BigInteger, nullable=False, default=0),  # the last time step used: a code counts once
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("oidc_subject", String(255)),  # who the ward's own provider says it is
    belongs_to("organisations", "organisation_id"),
    UniqueConstraint("municipality_id", "login"),
    index_where("uq_accounts_subject", "oidc_subject IS NOT NULL", "oidc_subject", unique=True),
)

account_roles = tenant_table(
    "account_roles",
    Column("account_id", Id, nullable=False),
    Column("role", String(12), nullable=False),
    belongs_to("accounts", "account_id"),
    one_of("role", ROLES),
    key=("account_id", "role"),
)

households = tenant_table(
    "households",
    Column("external_no", String(32), nullable=False),  # 世帯番号
    Column("protected", Boolean, nullable=False, default=False),  # 支援措置: never reaches a contractor
    UniqueConstraint("municipality_id", "external_no"),
)

debtors = tenant_table(
    "debtors",
    Column("addressee_no", String(32), nullable=False),  # 宛名番号
    Column("household_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("kana", Text, nullable=False, default=""),  # NFKC, full-width katakana
    Column("birth_date", Date),
    Column("birth_date_raw", Text, nullable=False, default=""),
    Column("postal_code", String(8), nullable=False, default=""),
    Column("address", Text, nullable=False, default=""),
    Column("language", String(16), nullable=False, default=""),
    Column("spouse_name", Text, nullable=False, default=""),
    Column("is_nominal_householder", Boolean, nullable=False, default=False),  # 擬制世帯主
    Column("is_corporate", Boolean, nullable=False, default=False),
    belongs_to("households", "household_id"),
    UniqueConstraint("municipality_id", "addressee_no"),
    Index(None, "municipality_id", "household_id"),
    Index(None, "municipality_id", "birth_date"),
)

phone_numbers = tenant_table(
    "phone_numbers",
    Column("e164", String(20), nullable=False),
    Column("status", String(12), nullable=False, default="usable"),
    Column("status_since", Instant),
    Column("status_call_id", Id),
    one_of("status", NUMBER_STATES),
    UniqueConstraint("municipality_id", "e164"),
)

debtor_phones = tenant_table(
    "debtor_phones",
    Column("debtor_id", Id, nullable=False),
    Column("position", Integer, nullable=False),  # 1 and up, as in the list
    Column("number_id", Id),  # empty: quarantined
    Column("raw", Text, nullable=False),
    Column("note", Text, nullable=False, default=""),  # 妻携帯 and the like
    Column("quarantine", Text, nullable=False, default=""),  # why it cannot be dialled
    belongs_to("debtors", "debtor_id"),
    belongs_to("phone_numbers", "number_id"),
    Index(None, "municipality_id", "number_id"),
    key=("debtor_id", "position"),
)
