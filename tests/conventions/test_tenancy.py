"""The check of the distribution key finds what it is for."""

from __future__ import annotations

import pytest

from models.database import Database
from models.tables import metadata
from tests import tenancy
from tests.tenancy import TENANT_TABLES, why_not

FINE = (
    "SELECT calls.id FROM calls WHERE calls.municipality_id = %(m)s AND calls.id = %(id)s",
    "SELECT 1 FROM calls AS c JOIN cases ON cases.municipality_id = c.municipality_id WHERE c.municipality_id = ?",
    "UPDATE queue_entries SET state='ready' WHERE queue_entries.municipality_id = ? AND queue_entries.case_id IN "
    "(SELECT queue_entries.case_id FROM queue_entries WHERE queue_entries.municipality_id = ?)",
    "INSERT INTO calls (municipality_id, id) VALUES (?, ?)",
    "INSERT INTO memos (municipality_id, call_id, text) VALUES (?, ?, 'calls') ON CONFLICT DO NOTHING",
    "DELETE FROM memos WHERE memos.municipality_id = %(municipality_id_1)s",
    "SELECT municipalities.id FROM municipalities WHERE municipalities.code = ?",
    "SELECT job FROM job_runs",
    "PRAGMA data_version",
)

WRONG = (
    "SELECT calls.id FROM calls WHERE calls.id = ?",
    "SELECT calls.municipality_id FROM calls",
    "SELECT 1 FROM calls AS c JOIN cases ON cases.id = c.case_id WHERE c.municipality_id = ?",
    "SELECT 1 FROM calls AS c JOIN cases ON cases.municipality_id = c.municipality_id",
    "UPDATE queue_entries SET state='ready' WHERE queue_entries.municipality_id = ? AND queue_entries.case_id IN "
    "(SELECT queue_entries.case_id FROM queue_entries WHERE queue_entries.state = 'scheduled')",
    "INSERT INTO calls (id) VALUES (?)",
    "DELETE FROM memos",
    "SELECT 1 FROM calls, cases WHERE calls.municipality_id = ? AND cases.id = calls.case_id",
)


@pytest.mark.parametrize("statement", FINE)
def test_a_statement_of_one_municipality_is_let_through(statement: str) -> None:
    assert why_not(statement) == ""


@pytest.mark.parametrize("statement", WRONG)
def test_a_statement_that_forgets_it_is_found(statement: str) -> None:
    assert why_not(statement)


def test_every_tenant_table_leads_its_keys_and_indexes_with_the_municipality() -> None:
    for name in TENANT_TABLES:
        table = metadata.tables[name]
        assert next(iter(table.primary_key.columns)).name == "municipality_id"
        for index in table.indexes:
            assert next(iter(index.columns)).name == "municipality_id", index.name
    assert set(metadata.tables) - TENANT_TABLES == {"municipalities", "job_runs"}


def test_the_program_is_listened_to(database: Database) -> None:
    from models.ids import new_id  # noqa: PLC0415
    from models.tables import calls  # noqa: PLC0415

    with database.write() as conn:
        new_id(conn, calls, 1)
        assert not tenancy.breaches
        namespace: dict[str, object] = {}
        source = compile(
            "def ask(conn): conn.exec_driver_sql('SELECT id FROM calls')", tenancy.OURS[0] + "x.py", "exec"
        )
        exec(source, namespace)
        namespace["ask"](conn)  # type: ignore[operator]
        assert [each.split("\n")[0] for each in tenancy.breaches] == [
            "models/x.py:ask: calls is not tied to a municipality"
        ]
        tenancy.breaches.clear()
