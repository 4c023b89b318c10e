"""What is owed: cases, instalments, payments, and the files they came from (their rows on the way: staging)."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)

from models.base import Id, Instant, belongs_to, index_where, one_of, tenant_table

CASE_STATES = ("open", "paid", "staff", "closed")

cases = tenant_table(
    "cases",
    Column("debtor_id", Id, nullable=False),
    Column("household_id", Id, nullable=False),
    Column("claim_type", String(32), nullable=False),  # one of the configuration's
    Column("status", String(12), nullable=False, default="open"),  # staff: in the hands of ward staff
    Column("payments_as_of", Date),  # 収納データ基準日
    Column("created_at", Instant, nullable=False),
    belongs_to("debtors", "debtor_id"),
    belongs_to("households", "household_id"),
    one_of("status", CASE_STATES),
    UniqueConstraint("municipality_id", "debtor_id", "claim_type"),
    Index(None, "municipality_id", "household_id"),
)

arrears = tenant_table(
    "arrears",
    Column("case_id", Id, nullable=False),
    Column("claim_type", String(32), nullable=False),
    Column("notice_no", String(32), nullable=False),  # 通知書番号
    Column("levy_year", Integer, nullable=False),  # 賦課年度, western
    Column("nominal_year", Integer, nullable=False),  # 相当年度
    Column("instalment", Integer, nullable=False),  # 期別
    Column("due_on", Date),  # 納期限
    Column("levied", Integer, nullable=False),  # yen
    Column("paid", Integer, nullable=False),
    Column("unpaid", Integer, nullable=False),
    Column("reminder_on", Date),  # 督促状発送日
    Column("expires_on", Date),  # 時効完成予定日 if the list has one
    Column("active", Boolean, nullable=False, default=True),  # false: vanished from a full list
    Column("due_on_raw", Text, nullable=False, default="", server_default=text("''")),  # as the list writes it
    Column("reminder_on_raw", Text, nullable=False, default="", server_default=text("''")),
    belongs_to("cases", "case_id"),
    CheckConstraint("levied >= 0 AND paid >= 0 AND unpaid >= 0", name="yen"),
    UniqueConstraint("municipality_id", "claim_type", "notice_no", "levy_year", "instalment"),
    Index(None, "municipality_id", "case_id"),
)

payments = tenant_table(
    "payments",
    Column("arrear_id", Id, nullable=False),
    Column("paid_on", Date, nullable=False),
    Column("amount", Integer, nullable=False),  # yen
    Column("as_of", Date, nullable=False),
    Column("occurrence", Integer, nullable=False, default=1),  # the nth equal payment of that day
    Column("cancelled_as_of", Date),  # 取消区分 1
    Column("import_id", Id),
    belongs_to("arrears", "arrear_id"),
    CheckConstraint("amount > 0", name="amount"),
    UniqueConstraint("municipality_id", "arrear_id", "paid_on", "amount", "occurrence"),
)

imports = tenant_table(
    "imports",
    Column("kind", String(12), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_hash", String(64), nullable=False),
    Column("encoding", String(12), nullable=False),
    Column("state", String(12), nullable=False),
    Column("full_list", Boolean, nullable=False, default=False),
    Column("row_count", Integer, nullable=False, default=0),
    Column("bad_row_count", Integer, nullable=False, default=0),
    Column("as_of", Date),
    Column("actor_id", Id, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("activated_at", Instant),
    Column("result", Text, nullable=False, default="{}"),  # counts, JSON
    Column("alive_at", Instant),  # when its process was last heard of
    Column("staged", Boolean, nullable=False, default=True, server_default=text("false")),  # rows of it are in staging
    Column("taken_back_at", Instant),
    Column("taken_back_by", Id),
    one_of("kind", ("arrears", "payments")),
    one_of("state", ("staging", "active", "abandoned")),
    Index("ix_imports_file", "municipality_id", "file_hash"),
    index_where("uq_imports_active_file", "state = 'active'", "file_hash", unique=True),
    index_where("ix_imports_staged", "staged", "started_at"),
)

import_changes = tenant_table(  # of the newest import alone, so that it can be taken back (callflow.intake.journal)
    "import_changes",
    Column("import_id", Id, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("table_name", String(32), nullable=False),
    Column("row", Text, nullable=False),  # key and former values, JSON
    one_of("kind", ("above", "before", "removed", "added")),
    belongs_to("imports", "import_id"),
)

import_uploads = tenant_table(  # a file on its way through the import wizard
    "import_uploads",
    Column("file_name", Text, nullable=False),  # as the browser named it
    Column("stored_as", String(64), nullable=False),  # its name in the folder of uploads
    Column("full_list", Boolean, nullable=False, default=False),
    Column("state", String(12), nullable=False),
    Column("actor_id", Id, nullable=False),
    Column("uploaded_at", Instant, nullable=False),
    Column("alive_at", Instant),  # when whoever reads it was last heard of
    Column("rows_read", Integer, nullable=False, default=0),
    Column("rows_all", Integer, nullable=False, default=0),  # about
    Column("report", Text, nullable=False, default="{}"),  # JSON; holds values until the upload is over
    one_of("state", ("waiting", "checked", "confirmed", "done", "failed", "dropped")),
    belongs_to("accounts", "actor_id"),
    Index("ix_import_uploads_state", "municipality_id", "state"),
)
