"""The words of the screens: Japanese in the sources, English from `locale/en/*.po`, one file per page module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from babel.messages.pofile import read_po

LANGUAGES: Final = {"ja": "日本語", "en": "English"}
CATALOGUES = Path(__file__).parent / "locale"

Say = Callable[[str], str]


def said(text: str) -> str:
    """Marks a text of a table for the catalogue; it is translated where it is shown."""
    return text


def translator(language: str) -> Say:
    """Text in a language of `LANGUAGES`; what no catalogue has stays Japanese, as names and lines of scripts do."""
    if language == "ja":
        return said
    known = catalogue(language)
    return lambda text: known.get(text, text)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Every translation into a language."""
    found: dict[str, str] = {}
    for file in sorted((CATALOGUES / language).glob("*.po")):
        with file.open(encoding="utf-8") as stream:
            found.update(
                (str(message.id), str(message.string))
                for message in read_po(stream, locale=language)
                if message.id and message.string and not message.fuzzy
            )
    return found
