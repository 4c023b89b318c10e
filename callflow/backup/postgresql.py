"""A dump of a PostgreSQL database in one snapshot, and a dump put in its place."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, text

from callflow.backup.archive import Contents
from callflow.backup.contents import Heads
from callflow.backup.sqlite import in_use
from callflow.errors import CallflowError, ConfigError, InputError, Where
from models.database import Database

ASIDE = "callflow_before_restore"
"""The schema that holds what was there until a restore is proved. If it is there, a restore was cut short."""

_DISTRIBUTIONS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
_COPY = re.compile(rb'COPY (?:\w+\.)?"?(\w+)"? \((.*)\) FROM stdin;\n')


@dataclass(frozen=True, slots=True)
class Programs:
    """pg_dump and pg_restore of one version that suits the server."""

    dump: Path
    restore: Path


def programs(server: int) -> Programs:
    """The client programs nearest to the server's major version, and not older. On PATH, else where distributions
    put them. Raises ConfigError that says what to install."""
    found = list(_found())
    fit = [each for each in found if each[0] >= server]
    if fit:
        return min(fit, key=lambda each: each[0])[1]
    client = f"postgresql-client-{server}" if server else "postgresql-client"
    mend = f"{client} を入れるか、そのフォルダーを PATH に加えてください"
    if found:
        raise ConfigError(f"pg_dump {found[0][0]} はサーバー {server} より古く、控えを取れません", mend=mend)
    raise ConfigError("pg_dump と pg_restore が見つかりません", mend=mend)


def newest_reader() -> Path:
    """The pg_restore that reads the dumps of every version up to its own. Raises ConfigError if there is none."""
    found = list(_found())
    return max(found, key=lambda each: each[0])[1].restore if found else programs(0).restore


def server_version(conn: Connection) -> int:
    return int(conn.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


def dump(conn: Connection, url: str, target: Path) -> None:
    """Dumps what `conn`, in a REPEATABLE READ transaction, sees: the dump and the counts made in it agree."""
    conn.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # it idles for as long as pg_dump works
    snapshot = str(conn.execute(text("SELECT pg_export_snapshot()")).scalar_one())
    tool = programs(server_version(conn)).dump
    where = _connection(url)
    words = [
        "--format=custom",
        "--schema=public",
        "--no-owner",
        "--no-privileges",
        f"--snapshot={snapshot}",
        f"--file={target}",
    ]
    _run([str(tool), *words, f"--dbname={where.words}"], where.environ, "控えの書き出し")


def dumped(path: Path, tool: Path) -> Contents:
    """What a dump holds, read from the dump alone. Raises InputError if it cannot be read to its end."""
    tables: dict[str, int] = {}
    heads = Heads()
    with subprocess.Popen(  # noqa: S603  found by us
        [tool, "--data-only", "--file=-", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        for line in lines:
            if begins := _COPY.fullmatch(line):
                name, columns = begins[1].decode(), begins[2].decode().replace('"', "").split(", ")
                tables[name] = sum(_headed(row, columns, heads if name == "calls" else None) for row in _rows(lines))
    if process.returncode:
        raise InputError("PostgreSQL の控えとして読めません", where=Where(str(path)))
    tables.pop("alembic_version", None)
    return Contents(tables=tables, heads=heads.hexdigest())


def _rows(lines: Iterator[bytes]) -> Iterator[bytes]:
    for row in lines:
        if row == b"\\.\n":
            return
        yield row


def _headed(row: bytes, columns: Sequence[str], heads: Heads | None) -> int:
    if heads is not None:
        cell = dict(zip(columns, row.decode().rstrip("\n").split("\t"), strict=True))
        head = cell["head_hash"].removeprefix("\\\\x").replace("\\N", "")
        heads.add(int(cell["municipality_id"]), int(cell["id"]), int(cell["event_count"]), head)
    return 1


def is_empty(conn: Connection) -> bool:
    """Whether there is nothing to lose: no table in the schema that callflow uses."""
    count = text("SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', :aside)")
    return not conn.execute(count, {"aside": ASIDE}).scalar_one()


@contextmanager
def replaced(database: Database, path: Path) -> Iterator[None]:
    """Restores the dump; what was there comes back if the block raises, and goes when it ends.

    Raises TryLaterError while others are connected, CallflowError if the dump does not go in.
    """
    with database.read() as conn:
        _alone(conn)
        tool = programs(server_version(conn)).restore
    _put_back(database)  # a restore that was cut short
    with database.write() as conn:
        conn.execute(text(f"ALTER SCHEMA public RENAME TO {ASIDE}"))
        conn.execute(text("CREATE SCHEMA public"))
    try:
        _restore(tool, database.url, path)
        yield
    except BaseException:
        _put_back(database)
        raise
    with database.write() as conn:
        conn.execute(text(f"DROP SCHEMA {ASIDE} CASCADE"))


def _alone(conn: Connection) -> None:
    """A connection that was just closed may be there for a moment longer."""
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    for _ in range(20):
        conn.execute(text("SELECT pg_stat_clear_snapshot()"))
        if not conn.execute(others).scalar_one():
            return
        time.sleep(0.1)
    raise in_use()


def _put_back(database: Database) -> None:
    database.close()
    with database.write() as conn:
        if conn.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": ASIDE}).first():
            conn.execute(text("DROP SCHEMA IF EXISTS public CASCADE"))
            conn.execute(text(f"ALTER SCHEMA {ASIDE} RENAME TO public"))


def _restore(tool: Path, url: str, path: Path) -> None:
    """All of the dump or nothing. The schema itself is made by us: in the dump it is there or not, by its owner."""
    listed = _run([str(tool), "--list", str(path)], {}, "控えの一覧")
    wanted = path.with_suffix(".list")
    wanted.write_text("".join(line for line in listed.splitlines(keepends=True) if " SCHEMA - public " not in line))
    where = _connection(url)
    words = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", f"--use-list={wanted}"]
    _run([str(tool), *words, f"--dbname={where.words}", str(path)], where.environ, "控えの読み込み")


@dataclass(frozen=True, slots=True)
class _Where:
    """A connection for libpq's programs: the password in the environment, where no list of processes shows it."""

    words: str
    environ: dict[str, str]


def _connection(url: str) -> _Where:
    given = conninfo_to_dict(re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql://", url))
    password = given.pop("password", None)
    return _Where(make_conninfo("", **given), {"PGPASSWORD": str(password)} if password else {})


def _run(words: Sequence[str], environ: dict[str, str], what: str) -> str:
    done = subprocess.run(  # noqa: S603  found by us
        words, env={**os.environ, **environ, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CallflowError(
            f"{what}に失敗しました（{Path(words[0]).name} の終了コード {done.returncode}）", mend=_reason(done.stderr)
        )
    return done.stdout


def _reason(told: str) -> str:
    """The first error of a client program, without what it quotes: that may be a row."""
    errors = [line.split("error:", 1)[1].strip() for line in told.splitlines() if "error:" in line]
    return re.sub(r'"[^"]*"', '"…"', errors[0])[:200] if errors else ""


def _found() -> Iterator[tuple[int, Programs]]:
    """What is installed, with its major version."""
    for folder in [*os.environ.get("PATH", "").split(os.pathsep), *_installed()]:
        pair = Programs(Path(folder, "pg_dump"), Path(folder, "pg_restore"))
        if folder and shutil.which(str(pair.dump)) and shutil.which(str(pair.restore)):
            yield _major(pair.dump), pair


def _installed() -> list[str]:
    folders = [found for pattern in _DISTRIBUTIONS for found in Path("/").glob(pattern.lstrip("/"))]
    return [str(folder) for folder in sorted(folders)]


def _major(tool: Path) -> int:
    told = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"(\d+)", told)
    return int(found[1]) if found else 0
