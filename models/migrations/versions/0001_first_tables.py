"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBERED: tuple[str, ...] = (
    "accounts",
    "arrears",
    "audit_events",
    "callbacks",
    "calls",
    "campaigns",
    "cases",
    "contact_slips",
    "debtors",
    "dial_refusals",
    "households",
    "imports",
    "living_report_links",
    "living_reports",
    "negotiation_records",
    "organisations",
    "payments",
    "phone_numbers",
    "promises",
    "suppressions",
    "ward_tasks",
)
"""Tables whose ids come from a sequence on PostgreSQL."""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in NUMBERED:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"{table}_id")))
    op.create_table(
        "job_runs",
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("fire_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("job", "fire_time", name=op.f("pk_job_runs")),
    )
    op.create_table(
        "municipalities",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=6), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_municipalities")),
        sa.UniqueConstraint("code", name=op.f("uq_municipalities_code")),
    )
    op.create_table(
        "closed_days",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_closed_days_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "day", name=op.f("pk_closed_days")),
    )
    op.create_table(
        "households",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("external_no", sa.String(length=32), nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_households_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_households")),
        sa.UniqueConstraint("municipality_id", "external_no", name=op.f("uq_households_municipality_id_external_no")),
    )
    op.create_table(
        "imports",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_hash", sa.String(length=64), nullable=False),
        sa.Column("encoding", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("full_list", sa.Boolean(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("bad_row_count", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=True),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('arrears', 'payments')", name=op.f("ck_imports_kind")),
        sa.CheckConstraint("state IN ('staging', 'active', 'abandoned')", name=op.f("ck_imports_state")),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_imports_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_file", "imports", ["municipality_id", "file_hash"], unique=False)
    op.create_index(
        "uq_imports_active_file",
        "imports",
        ["municipality_id", "file_hash"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "login_failures",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=96), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_login_failures_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "subject", name=op.f("pk_login_failures")),
    )
    op.create_table(
        "organisations",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('contractor', 'ward')", name=op.f("ck_organisations_kind")),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_organisations_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("municipality_id", "name", name=op.f("uq_organisations_municipality_id_name")),
    )
    op.create_table(
        "phone_numbers",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("e164", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_call_id", ID, nullable=True),
        sa.CheckConstraint(
            "status IN ('usable', 'invalid', 'wrong', 'forbidden')", name=op.f("ck_phone_numbers_status")
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_phone_numbers_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_phone_numbers")),
        sa.UniqueConstraint("municipality_id", "e164", name=op.f("uq_phone_numbers_municipality_id_e164")),
    )
    op.create_table(
        "accounts",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("password_once", sa.Boolean(), nullable=False),
        sa.Column("totp_secret", sa.String(length=64), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["municipality_id", "organisation_id"],
            ["organisations.municipality_id", "organisations.id"],
            name=op.f("fk_accounts_municipality_id_organisation_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_accounts_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("municipality_id", "login", name=op.f("uq_accounts_municipality_id_login")),
    )
    op.create_table(
        "debtors",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("addressee_no", sa.String(length=32), nullable=False),
        sa.Column("household_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kana", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("birth_date_raw", sa.Text(), nullable=False),
        sa.Column("postal_code", sa.String(length=8), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("spouse_name", sa.Text(), nullable=False),
        sa.Column("is_nominal_householder", sa.Boolean(), nullable=False),
        sa.Column("is_corporate", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "household_id"],
            ["households.municipality_id", "households.id"],
            name=op.f("fk_debtors_municipality_id_household_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_debtors_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_debtors")),
        sa.UniqueConstraint("municipality_id", "addressee_no", name=op.f("uq_debtors_municipality_id_addressee_no")),
    )
    op.create_index(
        op.f("ix_debtors_municipality_id_household_id"), "debtors", ["municipality_id", "household_id"], unique=False
    )
    op.create_table(
        "import_rows",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("import_id", ID, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "import_id"],
            ["imports.municipality_id", "imports.id"],
            name=op.f("fk_import_rows_municipality_id_import_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_import_rows_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "import_id", "line", name=op.f("pk_import_rows")),
    )
    op.create_table(
        "account_roles",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.CheckConstraint(
            "role IN ('operator', 'supervisor', 'staff', 'auditor', 'admin')", name=op.f("ck_account_roles_role")
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "account_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_account_roles_municipality_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_account_roles_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "account_id", "role", name=op.f("pk_account_roles")),
    )
    op.create_table(
        "audit_events",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", ID, nullable=True),
        sa.Column("verb", sa.String(length=64), nullable=False),
        sa.Column("object", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "actor_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_audit_events_municipality_id_actor_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_audit_events_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_audit_events")),
    )
    op.create_index(op.f("ix_audit_events_municipality_id_at"), "audit_events", ["municipality_id", "at"], unique=False)
    op.create_table(
        "campaigns",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("claim_type", sa.String(length=32), nullable=False),
        sa.Column("script_hash", sa.String(length=64), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("supervisor_id", ID, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", ID, nullable=False),
        sa.CheckConstraint(
            "claim_type IN ('national_health_insurance', 'resident_tax', 'light_vehicle_tax', 'late_elderly', 'long_term_care', 'nursery_fee')",
            name=op.f("ck_campaigns_claim_type"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'approved', 'running', 'paused', 'stopped')", name=op.f("ck_campaigns_state")
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "created_by"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_campaigns_municipality_id_created_by"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "supervisor_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_campaigns_municipality_id_supervisor_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_campaigns_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("municipality_id", "name", name=op.f("uq_campaigns_municipality_id_name")),
    )
    op.create_table(
        "cases",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("debtor_id", ID, nullable=False),
        sa.Column("household_id", ID, nullable=False),
        sa.Column("claim_type", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("payments_as_of", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "claim_type IN ('national_health_insurance', 'resident_tax', 'light_vehicle_tax', 'late_elderly', 'long_term_care', 'nursery_fee')",
            name=op.f("ck_cases_claim_type"),
        ),
        sa.CheckConstraint("status IN ('open', 'paid', 'staff', 'closed')", name=op.f("ck_cases_status")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "debtor_id"],
            ["debtors.municipality_id", "debtors.id"],
            name=op.f("fk_cases_municipality_id_debtor_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "household_id"],
            ["households.municipality_id", "households.id"],
            name=op.f("fk_cases_municipality_id_household_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_cases_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_cases")),
        sa.UniqueConstraint(
            "municipality_id", "debtor_id", "claim_type", name=op.f("uq_cases_municipality_id_debtor_id_claim_type")
        ),
    )
    op.create_index(
        op.f("ix_cases_municipality_id_household_id"), "cases", ["municipality_id", "household_id"], unique=False
    )
    op.create_table(
        "debtor_phones",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("debtor_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("number_id", ID, nullable=True),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("quarantine", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "debtor_id"],
            ["debtors.municipality_id", "debtors.id"],
            name=op.f("fk_debtor_phones_municipality_id_debtor_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "number_id"],
            ["phone_numbers.municipality_id", "phone_numbers.id"],
            name=op.f("fk_debtor_phones_municipality_id_number_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_debtor_phones_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "debtor_id", "position", name=op.f("pk_debtor_phones")),
    )
    op.create_index(
        op.f("ix_debtor_phones_municipality_id_number_id"),
        "debtor_phones",
        ["municipality_id", "number_id"],
        unique=False,
    )
    op.create_table(
        "script_versions",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", ID, nullable=False),
        sa.Column("approved_by", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "approved_by"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_script_versions_municipality_id_approved_by"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "published_by"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_script_versions_municipality_id_published_by"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_script_versions_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "hash", name=op.f("pk_script_versions")),
        sa.UniqueConstraint(
            "municipality_id", "name", "version", name=op.f("uq_script_versions_municipality_id_name_version")
        ),
    )
    op.create_table(
        "sessions",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("terminal", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "account_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_sessions_municipality_id_account_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_sessions_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "token_hash", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_account", "sessions", ["municipality_id", "account_id", "ended_at"], unique=False)
    op.create_table(
        "arrears",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("claim_type", sa.String(length=32), nullable=False),
        sa.Column("notice_no", sa.String(length=32), nullable=False),
        sa.Column("levy_year", sa.Integer(), nullable=False),
        sa.Column("nominal_year", sa.Integer(), nullable=False),
        sa.Column("instalment", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("levied", sa.Integer(), nullable=False),
        sa.Column("paid", sa.Integer(), nullable=False),
        sa.Column("unpaid", sa.Integer(), nullable=False),
        sa.Column("reminder_on", sa.Date(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint("levied >= 0 AND paid >= 0 AND unpaid >= 0", name=op.f("ck_arrears_yen")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_arrears_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_arrears_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_arrears")),
        sa.UniqueConstraint(
            "municipality_id",
            "claim_type",
            "notice_no",
            "levy_year",
            "instalment",
            name=op.f("uq_arrears_municipality_id_claim_type_notice_no_levy_year_instalment"),
        ),
    )
    op.create_index(op.f("ix_arrears_municipality_id_case_id"), "arrears", ["municipality_id", "case_id"], unique=False)
    op.create_table(
        "calls",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("campaign_id", ID, nullable=True),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("household_id", ID, nullable=False),
        sa.Column("number_id", ID, nullable=True),
        sa.Column("operator_id", ID, nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("script_hash", sa.String(length=64), nullable=False),
        sa.Column("attempt_ref", sa.String(length=40), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("line_state", sa.String(length=12), nullable=False),
        sa.Column("provider_ref", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("talk_state", sa.String(length=64), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("disposition", sa.String(length=8), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("contact", sa.Integer(), nullable=False),
        sa.Column("right_party", sa.Integer(), nullable=False),
        sa.Column("party", sa.String(length=12), nullable=True),
        sa.Column("review_reason", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("line_ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_event_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("head_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("direction IN ('outbound', 'inbound')", name=op.f("ck_calls_direction")),
        sa.CheckConstraint(
            "line_state IN ('claimed', 'placing', 'ringing', 'answered', 'ended', 'needs_review')",
            name=op.f("ck_calls_line_state"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "campaign_id"],
            ["campaigns.municipality_id", "campaigns.id"],
            name=op.f("fk_calls_municipality_id_campaign_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_calls_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "household_id"],
            ["households.municipality_id", "households.id"],
            name=op.f("fk_calls_municipality_id_household_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "number_id"],
            ["phone_numbers.municipality_id", "phone_numbers.id"],
            name=op.f("fk_calls_municipality_id_number_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "operator_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_calls_municipality_id_operator_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_calls_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_calls")),
        sa.UniqueConstraint("municipality_id", "attempt_ref", name=op.f("uq_calls_municipality_id_attempt_ref")),
    )
    op.create_index("ix_calls_case", "calls", ["municipality_id", "case_id", "opened_at"], unique=False)
    op.create_index("ix_calls_household", "calls", ["municipality_id", "household_id", "opened_at"], unique=False)
    op.create_index("ix_calls_last_event", "calls", ["municipality_id", "last_event_at"], unique=False)
    op.create_index("ix_calls_number", "calls", ["municipality_id", "number_id", "opened_at"], unique=False)
    op.create_index(
        "uq_calls_live_case",
        "calls",
        ["municipality_id", "case_id"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.create_index(
        "uq_calls_live_household",
        "calls",
        ["municipality_id", "household_id"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.create_index(
        "uq_calls_live_number",
        "calls",
        ["municipality_id", "number_id"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.create_index(
        "uq_calls_live_operator",
        "calls",
        ["municipality_id", "operator_id"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.create_table(
        "dial_refusals",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("campaign_id", ID, nullable=True),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("earliest", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("stage IN ('claim', 'placing')", name=op.f("ck_dial_refusals_stage")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_dial_refusals_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_dial_refusals_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_dial_refusals")),
    )
    op.create_index(
        op.f("ix_dial_refusals_municipality_id_case_id_at"),
        "dial_refusals",
        ["municipality_id", "case_id", "at"],
        unique=False,
    )
    op.create_table(
        "living_reports",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("household_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.String(length=8), nullable=True),
        sa.CheckConstraint(
            "state IN ('requested', 'sent', 'returned', 'reviewed', 're_requested', 'escalated', 'cancelled')",
            name=op.f("ck_living_reports_state"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_living_reports_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "household_id"],
            ["households.municipality_id", "households.id"],
            name=op.f("fk_living_reports_municipality_id_household_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_living_reports_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_living_reports")),
    )
    op.create_index(
        "uq_living_reports_open",
        "living_reports",
        ["municipality_id", "household_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('requested', 'sent', 're_requested')"),
        postgresql_where=sa.text("state IN ('requested', 'sent', 're_requested')"),
    )
    op.create_table(
        "queue_entries",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("household_id", ID, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=64), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('scheduled', 'ready', 'claimed', 'held', 'done')", name=op.f("ck_queue_entries_state")
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "campaign_id"],
            ["campaigns.municipality_id", "campaigns.id"],
            name=op.f("fk_queue_entries_municipality_id_campaign_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_queue_entries_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_queue_entries_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "campaign_id", "case_id", name=op.f("pk_queue_entries")),
    )
    op.create_index("ix_queue_case", "queue_entries", ["municipality_id", "case_id"], unique=False)
    op.create_index(
        "ix_queue_leases",
        "queue_entries",
        ["municipality_id", "lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'claimed'"),
        postgresql_where=sa.text("state = 'claimed'"),
    )
    op.create_index(
        "ix_queue_ready",
        "queue_entries",
        ["municipality_id", "campaign_id", "priority", "due_at", "case_id"],
        unique=False,
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_queue_scheduled",
        "queue_entries",
        ["municipality_id", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'scheduled'"),
        postgresql_where=sa.text("state = 'scheduled'"),
    )
    op.create_table(
        "suppressions",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("case_id", ID, nullable=True),
        sa.Column("household_id", ID, nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("call_id", ID, nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(case_id IS NULL) <> (household_id IS NULL)", name=op.f("ck_suppressions_scope")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_suppressions_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "household_id"],
            ["households.municipality_id", "households.id"],
            name=op.f("fk_suppressions_municipality_id_household_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_suppressions_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_suppressions")),
    )
    op.create_index("ix_suppressions_case", "suppressions", ["municipality_id", "case_id"], unique=False)
    op.create_index("ix_suppressions_household", "suppressions", ["municipality_id", "household_id"], unique=False)
    op.create_table(
        "call_events",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("erased_under", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_call_events_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_call_events_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "call_id", "seq", name=op.f("pk_call_events")),
    )
    op.create_table(
        "callbacks",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("unverified", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.CheckConstraint("state IN ('open', 'done', 'missed', 'cancelled')", name=op.f("ck_callbacks_state")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_callbacks_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_callbacks_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_callbacks_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_callbacks")),
    )
    op.create_index(
        op.f("ix_callbacks_municipality_id_state_at"), "callbacks", ["municipality_id", "state", "at"], unique=False
    )
    op.create_index(
        "uq_callbacks_call",
        "callbacks",
        ["municipality_id", "call_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'cancelled'"),
        postgresql_where=sa.text("state <> 'cancelled'"),
    )
    op.create_table(
        "contact_slips",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("household_id", ID, nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("urgency", sa.String(length=12), nullable=False),
        sa.Column("consultation", sa.String(length=20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("visible_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('raised', 'received', 'in_work', 'done', 'sent_back', 'cancelled')",
            name=op.f("ck_contact_slips_state"),
        ),
        sa.CheckConstraint("urgency IN ('normal', 'same_day', 'urgent')", name=op.f("ck_contact_slips_urgency")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_contact_slips_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_contact_slips_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "household_id"],
            ["households.municipality_id", "households.id"],
            name=op.f("fk_contact_slips_municipality_id_household_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_contact_slips_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_contact_slips")),
    )
    op.create_index(
        op.f("ix_contact_slips_municipality_id_state_visible_at"),
        "contact_slips",
        ["municipality_id", "state", "visible_at"],
        unique=False,
    )
    op.create_index(
        "uq_contact_slips_call",
        "contact_slips",
        ["municipality_id", "call_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'cancelled'"),
        postgresql_where=sa.text("state <> 'cancelled'"),
    )
    op.create_table(
        "living_report_links",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("report_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("state_before", sa.String(length=12), nullable=True),
        sa.CheckConstraint(
            "kind IN ('created', 'reminded', 'cancelled', 'withdrawn')", name=op.f("ck_living_report_links_kind")
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_living_report_links_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "report_id"],
            ["living_reports.municipality_id", "living_reports.id"],
            name=op.f("fk_living_report_links_municipality_id_report_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_living_report_links_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_living_report_links")),
    )
    op.create_index(
        op.f("ix_living_report_links_municipality_id_report_id"),
        "living_report_links",
        ["municipality_id", "report_id"],
        unique=False,
    )
    op.create_index(
        "uq_living_report_links_call",
        "living_report_links",
        ["municipality_id", "call_id"],
        unique=True,
        sqlite_where=sa.text("kind <> 'withdrawn'"),
        postgresql_where=sa.text("kind <> 'withdrawn'"),
    )
    op.create_table(
        "memos",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_memos_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_memos_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "call_id", name=op.f("pk_memos")),
    )
    op.create_table(
        "negotiation_records",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("call_id", ID, nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("disposition", sa.String(length=8), nullable=False),
        sa.Column("party", sa.String(length=12), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("ack_candidate", sa.Boolean(), nullable=False),
        sa.Column("corrects_id", ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_negotiation_records_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_negotiation_records_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "corrects_id"],
            ["negotiation_records.municipality_id", "negotiation_records.id"],
            name=op.f("fk_negotiation_records_municipality_id_corrects_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_negotiation_records_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_negotiation_records")),
    )
    op.create_index(
        op.f("ix_negotiation_records_municipality_id_case_id_at"),
        "negotiation_records",
        ["municipality_id", "case_id", "at"],
        unique=False,
    )
    op.create_index(
        "uq_negotiation_records_call",
        "negotiation_records",
        ["municipality_id", "call_id"],
        unique=True,
        sqlite_where=sa.text("corrects_id IS NULL"),
        postgresql_where=sa.text("corrects_id IS NULL"),
    )
    op.create_index(
        "uq_negotiation_records_corrects",
        "negotiation_records",
        ["municipality_id", "corrects_id"],
        unique=True,
        sqlite_where=sa.text("corrects_id IS NOT NULL"),
        postgresql_where=sa.text("corrects_id IS NOT NULL"),
    )
    op.create_table(
        "off_scripts",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_off_scripts_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_off_scripts_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "call_id", "seq", name=op.f("pk_off_scripts")),
    )
    op.create_table(
        "payments",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("arrear_id", ID, nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("cancelled_as_of", sa.Date(), nullable=True),
        sa.Column("import_id", ID, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "arrear_id"],
            ["arrears.municipality_id", "arrears.id"],
            name=op.f("fk_payments_municipality_id_arrear_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_payments_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_payments")),
        sa.UniqueConstraint(
            "municipality_id",
            "arrear_id",
            "paid_on",
            "amount",
            "occurrence",
            name=op.f("uq_payments_municipality_id_arrear_id_paid_on_amount_occurrence"),
        ),
    )
    op.create_table(
        "promises",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("promiser", sa.String(length=12), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_by", ID, nullable=True),
        sa.CheckConstraint("promiser IN ('householder', 'spouse')", name=op.f("ck_promises_promiser")),
        sa.CheckConstraint(
            "state IN ('open', 'kept', 'partial', 'broken', 'replaced', 'cancelled')", name=op.f("ck_promises_state")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_promises_amount")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_promises_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_promises_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "replaced_by"],
            ["promises.municipality_id", "promises.id"],
            name=op.f("fk_promises_municipality_id_replaced_by"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_promises_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_promises")),
    )
    op.create_index(
        "uq_promises_call",
        "promises",
        ["municipality_id", "call_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'cancelled'"),
        postgresql_where=sa.text("state <> 'cancelled'"),
    )
    op.create_index(
        "uq_promises_open",
        "promises",
        ["municipality_id", "case_id"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "signals",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('signal', 'emergency')", name=op.f("ck_signals_kind")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_signals_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_signals_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_signals_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "call_id", "seq", name=op.f("pk_signals")),
    )
    op.create_table(
        "ward_tasks",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('reissue', 'letter', 'address_check', 'payment_check', 'form')", name=op.f("ck_ward_tasks_kind")
        ),
        sa.CheckConstraint("state IN ('open', 'done', 'cancelled')", name=op.f("ck_ward_tasks_state")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_ward_tasks_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_ward_tasks_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_ward_tasks_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_ward_tasks")),
    )
    op.create_index(
        "uq_ward_tasks_call",
        "ward_tasks",
        ["municipality_id", "call_id", "kind"],
        unique=True,
        sqlite_where=sa.text("state <> 'cancelled'"),
        postgresql_where=sa.text("state <> 'cancelled'"),
    )
    op.create_table(
        "promise_arrears",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("promise_id", ID, nullable=False),
        sa.Column("arrear_id", ID, nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "arrear_id"],
            ["arrears.municipality_id", "arrears.id"],
            name=op.f("fk_promise_arrears_municipality_id_arrear_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "promise_id"],
            ["promises.municipality_id", "promises.id"],
            name=op.f("fk_promise_arrears_municipality_id_promise_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_promise_arrears_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "promise_id", "arrear_id", name=op.f("pk_promise_arrears")),
    )
    op.create_table(
        "slip_reasons",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("slip_id", ID, nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "slip_id"],
            ["contact_slips.municipality_id", "contact_slips.id"],
            name=op.f("fk_slip_reasons_municipality_id_slip_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_slip_reasons_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "slip_id", "reason", name=op.f("pk_slip_reasons")),
    )
