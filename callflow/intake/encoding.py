"""Which encoding a file has, and which characters cannot be trusted. Nothing is replaced or dropped."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callflow.errors import InputError, NotFoundError, Where

_CHUNK = 1 << 18
_GAIJI = "\ue000-\uf8ff\U000f0000-\U0010ffff"
_VARIANT = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_UNSEEN = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff"
_ODD = re.compile(f"[{_GAIJI}{_VARIANT}{_UNSEEN}\ufffd]")
_KINDS = (
    (re.compile(f"[{_GAIJI}]"), "外字 {} があります"),  # what the issuing system alone can draw
    (re.compile(f"[{_VARIANT}]"), "異体字セレクタ (IVS) {} があります"),
    (re.compile(f"[{_UNSEEN}]"), "目に見えない制御文字 {} があります"),
    (re.compile("\ufffd"), "文字化けした跡 {} があります"),
)
_EXPORT_AGAIN = "元のシステムから UTF-8 か cp932 で出力し直してください"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """`encoding` is a codec name for `open`; `digest` is the SHA-256 of the bytes, in hex.

    `odd`: somewhere in the file is a character whose form is not known here, so that rows must be looked at.
    """

    encoding: str
    digest: str
    odd: bool
    lines: int


def inspect(path: Path, *, max_bytes: int | None = None) -> FileFacts:
    """Strict UTF-8 (with or without BOM) first, then cp932: `shift_jis` fails on 髙 﨑 ① ㈱.

    Reads the file in flat memory. Raises InputError naming the first line that neither encoding can read, and for a
    file that is longer than `max_bytes`; NotFoundError if there is none.
    """
    digest = hashlib.sha256()
    utf8, bom = _Probe("utf-8"), False
    try:
        _refuse_unreadable(path, max_bytes)
        for number, chunk in enumerate(_chunks(path)):
            if number == 0:
                bom = chunk.startswith(codecs.BOM_UTF8)
            digest.update(chunk)
            utf8.feed(chunk)
        if utf8.ends_well():
            return FileFacts("utf-8-sig" if bom else "utf-8", digest.hexdigest(), utf8.odd, utf8.line)
        cp932 = _Probe("cp932")
        for chunk in _chunks(path):
            cp932.feed(chunk)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} がありません", mend="ファイルの名と場所を確かめてください") from error
    except OSError as error:
        reason = error.strerror or "I/O"
        mend = "場所と権限を確かめる"
        raise InputError(f"ファイルを読めません: {reason}", where=Where(str(path)), mend=mend) from error
    if not bom and cp932.ends_well():
        return FileFacts("cp932", digest.hexdigest(), cp932.odd, cp932.line)
    line = utf8.line if bom else max(utf8.line, cp932.line)
    what = "UTF-8 でも cp932 (Windows-31J) でも読めない文字があります"
    raise InputError(what, where=Where(str(path), line), mend=_EXPORT_AGAIN)


def odd_characters(text: str) -> str | None:
    """Why a text holds characters whose form is not known here; None when it holds none."""
    found = _ODD.search(text, 1 if text.startswith(codecs.BOM_UTF8.decode()) else 0)
    if not found:
        return None
    code = f"U+{ord(found.group()):04X}"
    return next(words.format(code) for kind, words in _KINDS if kind.match(found.group()))


def _refuse_unreadable(path: Path, max_bytes: int | None) -> None:
    facts = path.stat()
    if not path.is_file():
        raise InputError("ファイルではありません", where=Where(str(path)), mend="CSV のファイルを指定してください")
    if max_bytes is not None and facts.st_size > max_bytes:
        what = f"ファイルが大きすぎます: {facts.st_size:,} バイト（上限 {max_bytes:,}）"
        mend = "ファイルを分けるか、config.yaml の import.max_megabytes を上げてください"
        raise InputError(what, where=Where(str(path)), mend=mend)


def _chunks(path: Path) -> Iterator[bytes]:
    """Pieces of the file. Raises InputError at a NUL: no list has one, and UTF-16 without a mark is full of them."""
    line = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if not line and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError("UTF-16 のファイルです", where=Where(str(path), 1), mend=_EXPORT_AGAIN)
            if (at := chunk.find(b"\0")) >= 0:
                place = Where(str(path), line + 1 + chunk[:at].count(b"\n"))
                raise InputError("NUL 文字があります（UTF-16 か、壊れたファイル）", where=place, mend=_EXPORT_AGAIN)
            line += chunk.count(b"\n")
            yield chunk


class _Probe:
    """Whether the bytes fed so far are of one encoding, and the line where they stopped being so."""

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._alive = True
        self._begun = False
        self.line = 1
        self.odd = False

    def feed(self, chunk: bytes) -> None:
        if not self._alive:
            return
        try:
            text = self._decoder.decode(chunk)
        except UnicodeDecodeError as error:
            self._alive = False
            self.line += error.object[: error.start].count(b"\n")
        else:
            self.line += chunk.count(b"\n")
            self.odd = self.odd or bool(odd_characters(text) if not self._begun else _ODD.search(text))
            self._begun = True

    def ends_well(self) -> bool:
        if not self._alive:
            return False
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True
