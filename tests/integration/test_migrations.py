"""The migrations make what the models say, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from callflow.access import verifier
from callflow.access.anchors import anchor
from models import migrate
from models.database import Database
from models.ids import SEQUENCES, new_ids
from models.tables import metadata, municipalities, organisations


def structure(conn: Connection) -> dict[str, Any]:
    """Everything the database itself knows about its tables, in an order of its own."""
    found = inspect(conn)
    tables = {}
    for name in sorted(set(found.get_table_names()) - {"alembic_version"}):
        tables[name] = {
            "columns": [_words(column) for column in found.get_columns(name)],
            "key": _words(found.get_pk_constraint(name)),
            "references": sorted(_words(one) for one in found.get_foreign_keys(name)),
            "unique": sorted(_words(one) for one in found.get_unique_constraints(name)),
            "checks": sorted(_words(one) for one in found.get_check_constraints(name)),
            "indexes": sorted(_words(one) for one in found.get_indexes(name)),
        }
    numbered = found.get_sequence_names() if conn.dialect.name == "postgresql" else []
    return {"tables": tables, "sequences": sorted(numbered)}


def _words(part: Any) -> str:
    if isinstance(part, dict):
        return repr(sorted((key, _words(value)) for key, value in part.items()))
    return str(part)


def test_upgrade_makes_exactly_what_the_models_say(empty_database: Database) -> None:
    migrate.upgrade(empty_database)
    with empty_database.read() as conn:
        migrated = structure(conn)
    with empty_database.write() as conn:
        metadata.drop_all(conn)
    with empty_database.write() as conn:
        metadata.create_all(conn)
    with empty_database.read() as conn:
        declared = structure(conn)
    assert migrated == declared
    assert set(migrated["tables"]) == set(metadata.tables)
    if not empty_database.is_sqlite:
        assert migrated["sequences"] == sorted(f"{name}_id" for name in SEQUENCES)


def test_nothing_is_left_to_migrate(empty_database: Database) -> None:
    migrate.upgrade(empty_database)
    with empty_database.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_head_file_names_the_only_head(empty_database: Database) -> None:
    with empty_database.read() as conn:
        heads = ScriptDirectory.from_config(migrate.config(conn)).get_heads()
    assert heads == [migrate.HEAD]
    assert migrate.current(empty_database) is None
    assert migrate.upgrade(empty_database) == migrate.HEAD
    assert migrate.current(empty_database) == migrate.HEAD


def test_acts_of_an_early_version_are_chained_as_they_stand(empty_database: Database, tmp_path: Path) -> None:
    with empty_database.write() as conn:
        command.upgrade(migrate.config(conn), "0013")
        conn.execute(municipalities.insert().values(id=1, code="139999", name="見本区"))
        row = "INSERT INTO audit_events VALUES (1, :id, :at, NULL, 'case:view', 'case:7', '', 'name')"
        for one, moment in ((1, "24 01:00:00.000000"), (2, "24 16:00:00.000000"), (3, "24 02:00:00.500000")):
            zone = "" if empty_database.is_sqlite else "+00"
            conn.execute(text(row), {"id": one, "at": f"2026-11-{moment}{zone}"})
    migrate.upgrade(empty_database)
    with empty_database.read() as conn:
        anchor(conn, tmp_path / "anchors", tmp_path / "key", datetime(2026, 11, 25, 1, 0, tzinfo=UTC))
    connection = verifier.connect(empty_database.url)
    report = verifier.verify(connection, tmp_path / "anchors")
    connection.close()
    assert (report.findings, report.acts) == ([], 3)
    (leaves,) = (tmp_path / "anchors").glob("*.leaves")
    assert [line.split()[:2] for line in leaves.read_text().splitlines()] == [["audit/1/1", "2"], ["audit/1/2", "1"]]


def test_upgrading_again_changes_nothing(empty_database: Database) -> None:
    migrate.upgrade(empty_database)
    with empty_database.write() as conn:
        conn.execute(municipalities.insert().values(id=1, code="139999", name="見本区"))
    migrate.upgrade(empty_database)
    with empty_database.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM municipalities")).scalar() == 1


def test_a_failed_upgrade_leaves_nothing_behind(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object, **__: object) -> None:
        real(*_, **__)
        raise OSError("the disk is full")

    real: Any = command.upgrade
    monkeypatch.setattr(command, "upgrade", stumble)
    with pytest.raises(OSError, match="disk"):
        migrate.upgrade(empty_database)
    with empty_database.read() as conn:
        assert inspect(conn).get_table_names() == []
        assert structure(conn)["sequences"] == []


def test_of_two_processes_that_upgrade_at_once_both_succeed(empty_database: Database) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: migrate.upgrade(empty_database), range(2)))
    assert migrate.current(empty_database) == migrate.HEAD


def test_ids_can_be_given_after_the_upgrade(empty_database: Database) -> None:
    migrate.upgrade(empty_database)
    with empty_database.write() as conn:
        assert new_ids(conn, organisations, 1, 3) == [1, 2, 3]
