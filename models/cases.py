"""What is owed: cases, instalments, payments, and the files they came from."""

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
)

from models.base import Id, Instant, belongs_to, index_where, one_of, tenant_table

CLAIM_TYPES = (
    "national_health_insurance",
    "resident_tax",
    "light_vehicle_tax",
    "late_elderly",
    "long_term_care",
    "nursery_fee",
)
CASE_STATES = ("open", "paid", "staff", "closed")

cases = tenant_table(
    "cases",
    Column("debtor_id", Id, nullable=False),
    Column("household_id", Id, nullable=False),
    Column("claim_type", String(32), nullable=False),
    Column("status", String(12), nullable=False, default="open"),  # staff: in the hands of ward staff
    Column("payments_as_of", Date),  # 収納データ基準日
    Column("created_at", Instant, nullable=False),
    belongs_to("debtors", "debtor_id"),
    belongs_to("households", "household_id"),
    one_of("claim_type", CLAIM_TYPES),
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
    one_of("kind", ("arrears", "payments")),
    one_of("state", ("staging", "active", "abandoned")),
    Index("ix_imports_file", "municipality_id", "file_hash"),
    index_where("uq_imports_active_file", "state = 'active'", "file_hash", unique=True),
)

import_rows = tenant_table(
    "import_rows",
    Column("import_id", Id, nullable=False),
    Column("line", Integer, nullable=False),
    Column("row", Text, nullable=False),  # the validated row, JSON
    belongs_to("imports", "import_id"),
    key=("import_id", "line"),
)
