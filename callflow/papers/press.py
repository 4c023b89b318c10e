"""Sheets to PDF by WeasyPrint: in Japanese, tagged (PDF/UA-1), with every letter, or an error that names the one.

The PDF is made in a process of its own: it takes a second of a core, which operators who are in a call must not wait
for, and a library of the system that is missing is told in words instead of ending the program.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callflow.clock import TOKYO
from callflow.errors import CallflowError, ConfigError, InputError, Where
from callflow.papers.typesetter import EXIT_NO_GLYPH, EXIT_NO_LIBRARY
from callflow.script.written import day, moment

HERE: Final = Path(__file__).parent
PATIENCE: Final = 120  # seconds
PATIENCE_PER_SHEET: Final = 2
MEND: Final = (
    "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk のあと、もう一度試してください"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A part of a document, as HTML. `label`: what people know it by, should a letter of it be in no font."""

    label: str
    html: str


def document(template: str, title: str, sheets: Sequence[Sheet]) -> bytes:
    """The sheets one after the other as one PDF, in the frame `template`. Raises as `pdf`."""
    return pdf(rendered(template, title=title, sheets=sheets), sheets)


def pdf(page: str, sheets: Sequence[Sheet] = ()) -> bytes:
    """An HTML page as PDF.

    Raises ConfigError where the system has no pango, InputError naming sheet and letter where no font has a letter,
    CallflowError where the page could not be set.
    """
    content, missing = _typeset(page, PATIENCE + PATIENCE_PER_SHEET * len(sheets))
    if missing:
        raise _no_glyph([chr(point) for point in missing], sheets)
    return content


def _typeset(page: str, patience: int) -> tuple[bytes, list[int]]:
    """`typesetter.typeset` in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "callflow.papers.typesetter"],
            input=page.encode(),
            capture_output=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CallflowError(f"PDF が {patience} 秒でできませんでした", mend="期間か件数を減らしてください") from None
    if done.returncode == EXIT_NO_LIBRARY:
        raise ConfigError("PDF を作るためのライブラリー（pango）がありません", mend=MEND)
    if done.returncode == EXIT_NO_GLYPH:
        return b"", json.loads(done.stdout)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise CallflowError(f"PDF を作れませんでした（{''.join(last)[:200]}）")
    return done.stdout, []


def _no_glyph(letters: Sequence[str], sheets: Sequence[Sheet]) -> InputError:
    found = [
        f"{sheet.label} の {letter}（U+{ord(letter):04X}）"
        for sheet in sheets
        for letter in letters
        if letter in sheet.html
    ] or [f"{letter}（U+{ord(letter):04X}）" for letter in letters]
    more = f"ほか {len(found) - 10} か所" if len(found) > 10 else ""
    return InputError(
        f"どの書体にもない文字があります: {'、'.join(found[:10])}{more}",
        where=Where(field="PDF"),
        mend="その文字をもつ書体を入れるか（外字なら区の外字の書体）、一覧の表記を直してください。何も印刷していません",
    )


def rendered(template: str, **values: object) -> str:
    """A template of this folder."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.filters |= {
        "day": day,
        "moment": moment,
        "stamp": lambda at: f"{at.astimezone(TOKYO):%Y-%m-%d %H:%M}",
        "clock": lambda at: f"{at.astimezone(TOKYO):%H:%M}",
        "yen": lambda amount: f"{amount:,}円",
    }
    return env
