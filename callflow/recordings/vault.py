"""One encrypted file per recording.

`CFR1`, the length of the key's name and the name, 8 random bytes, then pieces of 64 KiB, each AES-256-GCM with a nonce
of its own (the random bytes and the piece's number). Each piece is bound to its number, to being the last or not, and
to the recording's name: none can be exchanged, left out or cut off unnoticed, and any part can be read by itself.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from callflow.durable import flush
from callflow.errors import CallflowError, ConfigError, InputError, Where

PIECE: Final = 64 * 1024
_TAG: Final = 16
_MAGIC: Final = b"CFR1"
_RANDOM: Final = 8
_KEY_LINE: Final = re.compile(r"([A-Za-z0-9._-]{1,32}):([A-Za-z0-9+/=]{44})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys by name; `current` encrypts, all of them decrypt."""

    current: str
    by_name: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"Keys({self.current})"


@dataclass(frozen=True, slots=True)
class Kept:
    """What was written: under which key, the SHA-256 of the file as it is on the disk, bytes of sound."""

    key: str
    sha256: str
    size: int


class DamagedError(CallflowError):
    """The file is not what was written."""


def new_key(name: str) -> str:
    """A line of a key file. Raises InputError for a name that cannot be one."""
    line = f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    if not _KEY_LINE.fullmatch(line):
        raise InputError("鍵の名は英数字と . _ - で、32 字までです", where=Where(field="name"), mend="例: 2026")
    return line


def keys_of(text: str, where: Where) -> Keys:
    """The keys of a file, `name:base64` a line; the first one encrypts. Raises ConfigError."""
    found: dict[str, bytes] = {}
    for line in text.split():
        parts = _KEY_LINE.fullmatch(line)
        if parts is None or parts[1] in found:
            raise ConfigError(
                "録音の鍵の行が「名:鍵」の形でないか、名が重なっています", where=where, mend="callflow recording key 名"
            )
        found[parts[1]] = base64.b64decode(parts[2])
    if not found:
        raise ConfigError("録音の鍵がありません", where=where, mend="callflow recording key 名 で作れます")
    return Keys(next(iter(found)), found)


def keep(path: Path, name: str, sound: Iterable[bytes], keys: Keys) -> Kept:
    """Writes a recording; it is there as a whole and on the disk, or not at all. Raises what `sound` raises."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    random, cipher = secrets.token_bytes(_RANDOM), AESGCM(keys.by_name[keys.current])
    header, hashed, size = _header(keys.current, random), hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            hashed.update(header)
            file.write(header)
            for number, piece, last in _pieces(sound):
                size += len(piece)
                written = cipher.encrypt(_nonce(random, number), piece, _bound(name, number, last=last))
                hashed.update(written)
                file.write(written)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)
    return Kept(keys.current, hashed.hexdigest(), size)


def read(path: Path, name: str, size: int, keys: Keys, first: int = 0, last: int | None = None) -> Iterator[bytes]:
    """The sound from byte `first` to `last` (both counted). Raises DamagedError where it is not what was written."""
    end = max(0, size - 1) if last is None else last
    pieces = max(1, -(-size // PIECE))
    try:
        with path.open("rb") as file:
            key, random, begin = _opened(file, keys)
            cipher = AESGCM(key)
            for number in range(first // PIECE, min(end // PIECE, pieces - 1) + 1):
                file.seek(begin + number * (PIECE + _TAG))
                bound = _bound(name, number, last=number == pieces - 1)
                piece = cipher.decrypt(_nonce(random, number), file.read(PIECE + _TAG), bound)
                yield piece[max(0, first - number * PIECE) : end - number * PIECE + 1]
    except InvalidTag:
        raise DamagedError("録音のファイルが書き換えられているか、壊れています") from None
    except OSError as error:
        raise DamagedError(f"録音のファイルを読めません（{error.strerror}）") from None


def sha256_of(path: Path) -> str:
    """Of the file as it is on the disk. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _header(key: str, random: bytes) -> bytes:
    return _MAGIC + bytes([len(key)]) + key.encode() + random


def _opened(file: BinaryIO, keys: Keys) -> tuple[bytes, bytes, int]:
    """The key and the random bytes of a file, and where its pieces begin."""
    start = file.read(len(_MAGIC) + 1)
    if len(start) != len(_MAGIC) + 1 or not start.startswith(_MAGIC):
        raise DamagedError("録音のファイルの形ではありません")
    name = file.read(start[-1]).decode("ascii", "replace")
    key = keys.by_name.get(name)
    if key is None:
        raise DamagedError("録音の鍵がありません", mend=f"鍵 {name!a} の行を鍵のファイルに戻してください")
    return key, file.read(_RANDOM), len(_MAGIC) + 1 + start[-1] + _RANDOM


def _pieces(sound: Iterable[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """Cut to size, with numbers; at least one, and the last is known as such."""
    waiting, number = bytearray(), 0
    for some in sound:
        waiting += some
        while len(waiting) > PIECE:
            yield number, bytes(waiting[:PIECE]), False
            del waiting[:PIECE]
            number += 1
    yield number, bytes(waiting), True


def _nonce(random: bytes, number: int) -> bytes:
    return random + number.to_bytes(4, "big")


def _bound(name: str, number: int, *, last: bool) -> bytes:
    return f"{name} {number} {'last' if last else 'more'}".encode()
