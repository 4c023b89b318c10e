"""What goes back to the ward at the contract's end: every table, every script, every anchor, with a manifest that
anybody can check from the files alone.

A table is a file of JSON lines in the order of its key: instants in UTC (ISO 8601), money in yen, bytes in hex. What
opens doors (passwords, second factors, tokens, the webhooks' secrets) is left out and named in the manifest.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Table, func, select

from callflow import __version__
from callflow.access.auditlog import audit
from callflow.errors import InputError, NotFoundError, Where
from callflow.retention.holds import must_be_staff, reason_of
from models.database import Database
from models.migrate import HEAD
from models.tables import audit_events, metadata, municipalities, script_versions

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SECRETS: Final[Mapping[str, frozenset[str]]] = {
    "accounts": frozenset({"password_hash", "totp_secret"}),
    "sessions": frozenset({"token_hash", "csrf"}),
    "api_clients": frozenset({"token_hash"}),
    "webhooks": frozenset({"secret"}),
}
TENANT: Final = tuple(table for table in metadata.sorted_tables if "municipality_id" in table.c)
README: Final = """callflow の返還データ

tables/*.jsonl  表ごとに一つ。一行が一件の JSON。日時は UTC、金額は円、バイト列は16進
scripts/        公開された台本（版ごと）
anchors/        記録の錨と公開鍵
recordings/     録音（暗号化したまま。鍵は別に渡してください）
manifest.json   ファイルの一覧: 行数、バイト数、SHA-256

確かめ方: callflow retention check このフォルダー
callflow がなくても、各ファイルの SHA-256（sha256sum）を manifest.json とくらべれば確かめられます。
"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a return holds. `files`: path in the folder → {rows, bytes, sha256}; `digest`: of the manifest itself."""

    body: Mapping[str, Any]
    digest: str

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = self.body["files"]
        return found

    @property
    def rows(self) -> int:
        return sum(each["rows"] for each in self.files.values())


def give_back(
    database: Database,
    municipality_id: int,
    anchors: Path,
    recordings: Path,
    folder: Path,
    purpose: str,
    by: int,
    now: datetime,
    told: Callable[[str], None] = lambda _table: None,
) -> Manifest:
    """Writes everything into a new folder. Raises InputError, RefusedError. `told` hears each table's name."""
    reason_of(purpose)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "フォルダーが空ではありません", where=Where(str(folder)), mend="新しいフォルダーを指定してください"
        )
    with database.read() as conn:
        must_be_staff(conn, municipality_id, by)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in ("tables", "scripts", "anchors", "recordings"):
        (folder / name).mkdir()
    with database.one_moment() as conn:
        rows = {}
        for table in TENANT:
            told(table.name)
            rows[f"tables/{table.name}.jsonl"] = _write_table(conn, table, municipality_id, folder)
        _write_scripts(conn, municipality_id, folder / "scripts")
        newest = conn.execute(_newest(municipality_id)).scalar() or 0
        here = select(municipalities.c.code).where(municipalities.c.id == municipality_id)
        code = conn.execute(here).scalar_one()
    for path in sorted(anchors.glob("*")) if anchors.is_dir() else ():
        if path.is_file() and not path.name.startswith("."):
            shutil.copyfile(path, folder / "anchors" / path.name)
    for path in recordings_of(recordings, municipality_id):
        shutil.copyfile(path, folder / "recordings" / path.name)
    (folder / "README.txt").write_text(README, encoding="utf-8")
    body = {
        "format": FORMAT,
        "program": __version__,
        "schema_version": HEAD,
        "municipality": code,
        "purpose": purpose.strip(),
        "made_at": now.astimezone(UTC).isoformat(),
        "newest_act": newest,
        "left_out": {name: sorted(columns) for name, columns in SECRETS.items()},
        "files": {name: _facts(folder / name, rows.get(name, 0)) for name in _files(folder)},
    }
    text = json.dumps(body, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    manifest = read(folder)
    said = f"files={len(manifest.files)},rows={manifest.rows},sha256={manifest.digest}"
    database.transact(
        lambda conn: audit(
            conn, municipality_id, now, by, "retention:return", f"municipality:{code}", purpose=purpose, fields=said
        )
    )
    return manifest


def recordings_of(folder: Path, municipality_id: int) -> list[Path]:
    """The files of recorded calls, encrypted as they are kept."""
    return sorted((folder / str(municipality_id)).glob("*.cfr"))


def _newest(municipality_id: int) -> Any:
    a = audit_events.c
    return select(func.max(a.id)).where(a.municipality_id == municipality_id)


def lines(conn: Connection, table: Table, municipality_id: int, *conditions: Any) -> Iterator[bytes]:
    """A table's rows as they are handed back, in the order of the key."""
    columns = [column for column in table.c if column.name not in SECRETS.get(table.name, ())]
    query = select(*columns).where(table.c.municipality_id == municipality_id, *conditions)
    names = [str(column.name) for column in columns]
    for row in conn.execute(query.order_by(*table.primary_key.columns).execution_options(yield_per=2_000)):
        yield orjson.dumps(dict(zip(names, map(_plain, row), strict=True))) + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _write_table(conn: Connection, table: Table, municipality_id: int, folder: Path) -> int:
    count = 0
    with _created(folder / "tables" / f"{table.name}.jsonl") as file:
        for line in lines(conn, table, municipality_id):
            file.write(line)
            count += 1
    return count


def _created(path: Path) -> Any:
    path.touch(mode=0o600, exist_ok=False)
    return path.open("wb")


def _write_scripts(conn: Connection, municipality_id: int, folder: Path) -> None:
    s = script_versions.c
    for row in conn.execute(select(s.name, s.version, s.sources).where(s.municipality_id == municipality_id)):
        place = folder / f"{Path(row.name).name}-v{row.version}"
        place.mkdir()
        for number, (name, text) in enumerate(json.loads(row.sources).items()):
            (place / f"{number:02}-{Path(name).name}").write_text(text, encoding="utf-8")


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in found if path != folder / MANIFEST)


def _facts(path: Path, rows: int) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"rows": rows, "bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def read(folder: Path) -> Manifest:
    """The manifest of a return, unproved. Raises NotFoundError, InputError."""
    path = folder / MANIFEST
    if not path.is_file():
        raise NotFoundError(
            f"{path} がありません", mend="callflow retention return で作ったフォルダーを指定してください"
        )
    text = path.read_bytes()
    try:
        body = json.loads(text)
        fine = body["format"] == FORMAT and all(
            {"rows", "bytes", "sha256"} <= each.keys() for each in body["files"].values()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        fine = False
    if not fine:
        raise InputError("manifest.json を読めません", where=Where(str(path)), mend="もう一度返還してください")
    return Manifest(body, hashlib.sha256(text).hexdigest())


def check(folder: Path) -> Manifest:
    """Proves a return from its files alone: each is there, whole, and every line of a table can be read; none is there
    besides. Raises InputError naming the files."""
    manifest = read(folder)
    there, named = set(_files(folder)), set(manifest.files)
    faults = [f"{name}: ありません" for name in sorted(named - there)]
    faults += [f"{name}: 一覧にないファイルです" for name in sorted(there - named)]
    for name in sorted(named & there):
        if fault := _fault(folder / name, manifest.files[name]):
            faults.append(f"{name}: {fault}")
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults[:20])
        raise InputError(f"返還データに {len(faults)} 件の誤りがあります:\n{listed}", where=Where(str(folder)))
    return manifest


def _fault(path: Path, facts: Mapping[str, Any]) -> str:
    digest, rows = hashlib.sha256(), 0
    with path.open("rb") as file:
        for line in file:
            digest.update(line)
            if path.suffix == ".jsonl":
                rows += 1
                try:
                    orjson.loads(line)
                except orjson.JSONDecodeError:
                    return f"{rows} 行目を読めません"
    if path.suffix == ".jsonl" and rows != facts["rows"]:
        return f"{facts['rows']:,} 行のはずが {rows:,} 行です"
    return "" if digest.hexdigest() == facts["sha256"] else "内容が一覧の SHA-256 と違います"
