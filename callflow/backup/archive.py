"""The backup file: a plain tar with a manifest first and the hash of everything before it last.

    manifest.json  ·  database.sqlite or database.dump  ·  anchors/…  ·  SHA256

Headers carry no time and no owner, so that the same contents give the same bytes, and no byte of the file can change
without the last member noticing. `tar` opens it without callflow.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from callflow.errors import InputError, NotFoundError, Where

Kind = Literal["sqlite", "postgresql"]
MANIFEST, TAIL = "manifest.json", "SHA256"
KIND_FILES: dict[Kind, str] = {"sqlite": "database.sqlite", "postgresql": "database.dump"}
_BLOCK = 512
_TAIL_BYTES = 4 * _BLOCK  # a header, the hash in its block, and the two empty blocks that end a tar
_PIECE = 1 << 20


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileFacts(_Part):
    """One member: its length, and its SHA-256 in hex."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Contents(_Part):
    """What a database holds: rows by table, and `heads`, a digest over (chain, count, head) of every call."""

    tables: dict[str, int]
    heads: str


class LogVerdict(_Part):
    """What the separate verifier said of the log when the backup was made; `found` counts what is broken,
    `anchored` says whether there were anchors to hold it against."""

    calls: int
    events: int
    found: int
    anchored: bool
    last_anchor: str
    last_anchor_hash: str


class Manifest(_Part):
    """What stands in a backup. No personal data: counts and hashes only."""

    format: Literal[1]
    program: str
    created_at: AwareDatetime
    kind: Kind
    schema_version: str
    contents: Contents
    log: LogVerdict
    files: dict[str, FileFacts]

    @property
    def anchors(self) -> list[str]:
        return sorted(name for name in self.files if name.startswith("anchors/"))


@dataclass(frozen=True, slots=True)
class Archive:
    """A file whose every byte was checked. `digest` names it: whoever changed it cannot keep that."""

    path: Path
    manifest: Manifest
    digest: str
    offsets: Mapping[str, int]

    def extract(self, name: str, target: Path) -> Path:
        """Writes a member to `target`, readable by its owner only. Raises InputError if it is not what was written."""
        facts, hashed = self.manifest.files[name], hashlib.sha256()
        with self.path.open("rb") as file, created(target) as out:
            file.seek(self.offsets[name])
            for piece in _pieces(file, facts.bytes):
                hashed.update(piece)
                out.write(piece)
        if hashed.hexdigest() != facts.sha256:
            raise _broken(self.path, f"{name} が書いた時と違います")
        return target


def facts_of(path: Path) -> FileFacts:
    """The length and hash of a file."""
    with path.open("rb") as file:
        return FileFacts(bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def write(path: Path, manifest: Manifest, members: Mapping[str, Path]) -> str:
    """Writes a backup to `path`, which must not exist, and returns its digest. On the disk when it returns."""
    text = manifest.model_dump_json(indent=2).encode() + b"\n"
    hashed = hashlib.sha256()
    with created(path) as file:

        def put(block: bytes) -> None:
            hashed.update(block)
            file.write(block)

        put(_header(MANIFEST, len(text), manifest.created_at) + text + _padding(len(text)))
        for name, member in members.items():
            size = manifest.files[name].bytes
            put(_header(name, size, manifest.created_at))
            with member.open("rb") as source:
                for piece in _pieces(source, size):
                    put(piece)
            put(_padding(size))
        file.write(_tail(hashed.hexdigest()))
        file.flush()
        os.fsync(file.fileno())
    return hashed.hexdigest()


def read(path: Path) -> Archive:
    """A backup, after a look at every byte. Raises NotFoundError, or InputError for a file that is damaged or none."""
    if not path.is_file():
        raise NotFoundError(f"控え {path} がありません")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size - _TAIL_BYTES
        if size < _BLOCK:
            raise _broken(path, "途中で切れています")
        hashed = hashlib.sha256()
        for piece in _pieces(file, size):
            hashed.update(piece)
        if file.read() != _tail(hashed.hexdigest()):
            raise _broken(path, "書いた時の中身と違います（壊れているか、途中で切れています）")
    try:
        with tarfile.open(path, "r:") as tar:
            found = {each.name: each for each in tar.getmembers()}
            inner: Any = tar.extractfile(MANIFEST)
            manifest = Manifest.model_validate_json(inner.read())
    except (tarfile.TarError, KeyError, ValidationError) as error:
        raise _broken(path, "callflow の控えではないか、別の版の控えです") from error
    for name, facts in manifest.files.items():
        if name not in found or found[name].size != facts.bytes or not found[name].isfile():
            raise _broken(path, f"{name} がありません")
    if KIND_FILES[manifest.kind] not in found:
        raise _broken(path, "データベースがありません")
    return Archive(path, manifest, hashed.hexdigest(), {name: each.offset_data for name, each in found.items()})


@contextmanager
def created(path: Path) -> Iterator[IO[bytes]]:
    """A new file, readable by its owner only whatever the umask. Raises InputError if there is one already."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError(f"{path} はすでにあります", mend="別の名前にしてください") from error
    with os.fdopen(handle, "wb") as file:
        yield file


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A folder inside `folder` that only its owner can read, and that goes whatever happens: what is in it is
    personal data, and never lies in the machine's common place for temporary files."""
    with tempfile.TemporaryDirectory(prefix=".callflow-", dir=folder) as staged:
        yield Path(staged)


def _header(name: str, size: int, at: datetime) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(at.timestamp())
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % _BLOCK)


def _tail(digest: str) -> bytes:
    text = digest.encode() + b"\n"
    info = tarfile.TarInfo(TAIL)
    info.size, info.mode = len(text), 0o600
    return info.tobuf(tarfile.GNU_FORMAT) + text + _padding(len(text)) + b"\0" * 2 * _BLOCK


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        piece = file.read(min(size, _PIECE))
        if not piece:
            raise InputError("ファイルが途中で短くなりました", where=Where(getattr(file, "name", "")))
        size -= len(piece)
        yield piece


def _broken(path: Path, what: str) -> InputError:
    return InputError(f"控えを使えません: {what}", where=Where(str(path)), mend="別の控えを使ってください")
