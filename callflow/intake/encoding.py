"""Which encoding a file has, and which characters cannot be trusted. Nothing is replaced or dropped."""

from __future__ import annotations

import codecs
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from callflow.errors import InputError, Where

_CHUNK = 1 << 20
_ODD = re.compile(
    "(?P<gaiji>[\ue000-\uf8ff\U000f0000-\U0010ffff])"  # 外字: what the issuing system alone can draw
    "|(?P<variant>[\ufe00-\ufe0f\U000e0100-\U000e01ef])"  # variation selectors: IVS
    "|\ufffd"
)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """`encoding` is a codec name for `open`; `digest` is the SHA-256 of the bytes, in hex."""

    encoding: str
    digest: str


def inspect(path: Path) -> FileFacts:
    """Strict UTF-8 (with or without BOM) first, then cp932: `shift_jis` fails on 髙 﨑 ① ㈱.

    Reads the file once, in flat memory. Raises InputError naming the first line that neither encoding can read.
    """
    digest = hashlib.sha256()
    utf8, cp932 = _Probe("utf-8"), _Probe("cp932")
    bom = False
    try:
        with path.open("rb") as stream:
            first = True
            while chunk := stream.read(_CHUNK):
                if first:
                    bom, first = chunk.startswith(codecs.BOM_UTF8), False
                digest.update(chunk)
                utf8.feed(chunk)
                cp932.feed(chunk)
    except OSError as error:
        reason = error.strerror or "I/O"
        raise InputError(
            f"ファイルを読めません: {reason}", where=Where(str(path)), mend="場所と権限を確かめる"
        ) from error
    if utf8.ends_well():
        return FileFacts("utf-8-sig" if bom else "utf-8", digest.hexdigest())
    if not bom and cp932.ends_well():
        return FileFacts("cp932", digest.hexdigest())
    line = utf8.line if bom else max(utf8.line, cp932.line)
    raise InputError(
        "UTF-8 でも cp932 (Windows-31J) でも読めない文字があります",
        where=Where(str(path), line),
        mend="元のシステムから UTF-8 か cp932 で出力し直してください",
    )


def odd_characters(text: str) -> str | None:
    """Why a text holds characters whose form is not known here; None when it holds none."""
    found = _ODD.search(text)
    if not found:
        return None
    code = f"U+{ord(found.group()):04X}"
    if found.lastgroup == "gaiji":
        return f"外字 {code} があります"
    if found.lastgroup == "variant":
        return f"異体字セレクタ (IVS) {code} があります"
    return f"文字化けした跡 {code} があります"


class _Probe:
    """Whether the bytes fed so far are of one encoding, and the line where they stopped being so."""

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._alive = True
        self.line = 1

    def feed(self, chunk: bytes) -> None:
        if not self._alive:
            return
        try:
            self._decoder.decode(chunk)
        except UnicodeDecodeError as error:
            self._alive = False
            self.line += error.object[: error.start].count(b"\n")
        else:
            self.line += chunk.count(b"\n")

    def ends_well(self) -> bool:
        if not self._alive:
            return False
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True
