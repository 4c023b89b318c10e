"""The relay's one file: everything that it was asked and did, a line each, chained by hashes, never changed.

A line is one JSON object whose last field is `hash`: SHA-256 over the hash of the line before (64 zeros for the first),
a line feed, and the line without `,"hash":"…"`. Each kind of line has its fields and no other, each wholly of its form:
there is no place for a name, a case or a claim.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

from callflow.clock import Clock
from callflow.errors import ConfigError, InputError, TryLaterError, Where

FIRST: Final = "0" * 64
_ID = r"[A-Za-z0-9]{1,40}"
_REF = r"[A-Za-z0-9._:-]{1,64}"
_NUMBER = r"\+[0-9]{7,15}"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
_COUNT = r"[0-9]{1,9}"
_FLAG = r"yes|no"

FORMS: Final[Mapping[str, Mapping[str, str]]] = {
    "start": {"version": r"[0-9.]{1,20}", "ring_s": _COUNT, "limit_s": _COUNT},
    "mended": {"bytes": _COUNT},
    "seat": {"attempt": _ID, "desk": _ID},
    "order": {"attempt": _ID, "number": _NUMBER, "deadline": _TIME},
    "placed": {"attempt": _ID, "ref": _REF},
    "refused": {"attempt": _ID, "disposition": r"[A-Z0-9]{2,4}"},
    "busy": {"attempt": _ID},
    "unknown": {"attempt": _ID},
    "expired": {"attempt": _ID, "deadline": _TIME},
    "capped": {"attempt": _ID},
    "forbidden": {"attempt": _ID},
    "void": {"attempt": _ID},
    "happened": {
        "attempt": _ID, "ref": rf"({_REF})?", "kind": r"[a-z_]{1,20}", "told": _TIME, "cause": r"[A-Za-z0-9_-]{0,40}",
    },
    "hang_up": {"attempt": _ID, "ref": _REF},
    "call_desk": {"desk": _ID, "receiver": _ID},
    "desk": {"desk": _ID, "state": r"there|gone", "told": _TIME},
    "hang_up_desk": {"desk": _ID},
    "hold": {"desk": _ID, "ref": _REF, "on": _FLAG},
    "bring_in": {"desk": _ID, "receiver": _ID},
    "hand_over": {"desk": _ID},
}  # fmt: skip
"""Every kind of line, its fields, and the whole form of each."""

_TAIL: Final = re.compile(r',"hash":"([0-9a-f]{64})"\}')
_TAIL_LENGTH: Final = len(',"hash":""}') + 64
_COMMON: Final = {"n": r"[1-9][0-9]{0,11}", "at": _TIME, "what": r"[a-z_]{1,20}"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number from 1, when it was written, what it is, its fields, and its hash."""

    number: int
    at: datetime
    what: str
    fields: Mapping[str, str]
    hash: str


class BrokenError(InputError):
    """The file is not what was written. `line`: the first that does not fit."""

    def __init__(self, path: Path, line: int, what: str) -> None:
        super().__init__(what, where=Where(str(path), line), mend="この行から後は信頼できません")
        self.line = line


def instant_text(instant: datetime) -> str:
    """As it stands in the file: UTC with microseconds."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def instant_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def read(path: Path) -> Iterator[Line]:
    """The lines in their order, each checked. Raises BrokenError at the first that was changed, lost or put in."""
    head = FIRST
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = _parsed(path, number, raw, head)
                head = line.hash
                yield line
    except OSError as error:
        raise InputError(f"{path} を読めません: {error.strerror}") from error


def _parsed(path: Path, number: int, raw: bytes, head: str) -> Line:
    if not raw.endswith(b"\n"):
        raise BrokenError(path, number, "行が途中で切れています")
    try:
        text = raw[:-1].decode("ascii")
        whole = json.loads(text)
    except ValueError as error:
        raise BrokenError(path, number, "JSON の行ではありません") from error
    tail = _TAIL.fullmatch(text[-_TAIL_LENGTH:])
    if tail is None or tail[1] != _hash(head, text[:-_TAIL_LENGTH] + "}"):
        raise BrokenError(path, number, "前の行とつながりません。書き換え・欠け・差し込みのどれかです")
    wrong = _why_malformed(whole)
    if wrong or whole["n"] != str(number):
        raise BrokenError(path, number, wrong or "行の番号が続いていません")
    fields = {name: value for name, value in whole.items() if name not in (*_COMMON, "hash")}
    return Line(number, instant_of(whole["at"]), whole["what"], fields, tail[1])


def _why_malformed(whole: Any) -> str:
    """Why an object is no line of this file, in words; empty if it is one."""
    if not isinstance(whole, dict) or not isinstance(whole.get("what"), str) or whole["what"] not in FORMS:
        return "知らない種類の行です"
    forms = {**_COMMON, **FORMS[whole["what"]]}
    given = {name: value for name, value in whole.items() if name != "hash"}
    if set(given) != set(forms):
        return f"{whole['what']} の項目が違います"
    wrong = [name for name, form in forms.items() if not re.fullmatch(form, str(given[name]), re.ASCII)]
    return f"項目 {wrong[0]} の値がその形ではありません" if wrong else ""


def _hash(head: str, text: str) -> str:
    return hashlib.sha256(f"{head}\n{text}".encode()).hexdigest()


class Journal:
    """The file, open for adding lines. One process at a time has it; a line is on the disk before `write` returns."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Reads and checks what is there (`lines`). Raises ConfigError if another process has it, BrokenError."""
        self._clock, self._path, self._lock = clock, path, Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"{path} を開けません: {error.strerror}", where=Where(field="journal")) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise ConfigError(f"{path} はほかの中継が使っています", mend="動いている中継を止めてください") from error
        torn = self._cut_torn_line()
        try:
            self.lines = list(read(path))
        except InputError:
            os.close(self._file)
            raise
        self._head = (len(self.lines), self.lines[-1].hash if self.lines else FIRST)
        self.first = self.lines[0].hash if self.lines else ""
        if torn:
            self.lines.append(self.write("mended", bytes=str(torn)))

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last line."""
        return self._head

    def write(self, what: str, **fields: str) -> Line:
        """Adds a line. Raises ValueError for a field that has no place in it, TryLaterError if the disk takes none."""
        with self._lock:
            number, now = self._head[0] + 1, self._clock.now()
            whole = {"n": str(number), "at": instant_text(now), "what": what, **fields}
            if wrong := _why_malformed(whole):
                raise ValueError(wrong)
            text = json.dumps(whole, separators=(",", ":"))
            hashed = _hash(self._head[1], text)
            raw = f'{text[:-1]},"hash":"{hashed}"}}\n'.encode()
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, raw) != len(raw):
                    raise OSError
                os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, size)
                raise TryLaterError("中継の記録を書けません", mend="中継のディスクを確かめてください") from error
            self._head = (number, hashed)
            self.first = self.first or hashed
            return Line(number, now, what, fields, hashed)

    def close(self) -> None:
        os.close(self._file)

    def _cut_torn_line(self) -> int:
        """Bytes of a last line that a crash left half written and that had no effect: it is cut off."""
        size = os.fstat(self._file).st_size
        whole = os.pread(self._file, size, max(0, size - 4096))
        torn = len(whole) - (whole.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(self._file, size - torn)
        return torn
