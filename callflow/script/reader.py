"""Reads a script and the files that it includes. All faults are told at once, each with its place.

What a name means is not judged here: `callflow.script.proofs` reports unknown names and goes on.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from callflow.errors import InputError, NotFoundError
from callflow.script import parts
from callflow.script.faults import Faults, ScriptError, nearest
from callflow.script.model import Mark, Script
from callflow.script.screens import Screens, with_detours
from callflow.script.yamlfile import Place, load, words

MAIN_KEYS = ("script", "title", "claim_type", "starts")
SHARED_KEYS = (
    *("include", "settings", "conditions", "fields", "never_say"),
    *("anywhere", "groups", "states", "dispositions"),
)
WORD_LEVELS = ("topic", "debt", "forbidden")


def read(path: Path, *, sources: Mapping[str, str] | None = None) -> Script:
    """The script in `path`, from the folder or, for a published version, from its stored `sources`.

    With `sources`, `path` is the main file's name among them. Raises ScriptError with every fault,
    NotFoundError if the main file is missing, InputError if it is not UTF-8.
    """
    faults = Faults()
    main = path.name if sources is None else path.as_posix()
    files = _Files(path.parent, sources, faults)
    tops = files.gather(main)
    script = _build(main, tops, files.texts, faults) if tops else None
    if faults.found or script is None:
        raise ScriptError(faults.found)
    return script


def content_hash(main: str, texts: Mapping[str, str]) -> str:
    """SHA-256, in hex, over the main file's name and the names and texts of all files."""
    whole = [main, sorted(texts.items())]
    return hashlib.sha256(json.dumps(whole, ensure_ascii=False).encode()).hexdigest()


class _Files:
    """The main file and all that it includes, by name relative to the main file's folder."""

    def __init__(self, folder: Path, sources: Mapping[str, str] | None, faults: Faults) -> None:
        self.folder, self.sources, self.faults = folder, sources, faults
        self.texts: dict[str, str] = {}

    def gather(self, main: str) -> dict[str, dict[str, Place]]:
        """The top entries of each file, main file first. A file that is included twice is read once."""
        text = self._text(main)
        if text is None:
            raise NotFoundError(f"台本 {main} がありません")
        found: dict[str, dict[str, Place]] = {}
        waiting = [(main, text)]
        while waiting:
            name, text = waiting.pop(0)
            self.texts[name] = text
            top = load(text, name, self.faults)
            if top is None:
                continue
            allowed = (*MAIN_KEYS, *SHARED_KEYS) if name == main else SHARED_KEYS
            found[name] = top.keys(allowed, MAIN_KEYS if name == main else ())
            waiting += self._included(name, found[name], {*self.texts, *(known for known, _ in waiting)})
        return found

    def _included(self, name: str, top: Mapping[str, Place], known: set[str]) -> list[tuple[str, str]]:
        found = []
        for word, place in (top["include"].marked_words() if "include" in top else {}).items():
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), word))
            if target in known:
                continue
            if posixpath.isabs(target) or target.startswith(".."):
                place.fault("include", f"{word} は台本のフォルダーの外です", "台本と同じフォルダーの下に置いてください")
                continue
            text = self._text(target)
            if text is None:
                place.fault("include", f"取り込むファイル {word} がありません", nearest(target, self._there()))
            else:
                known.add(target)
                found.append((target, text))
        return found

    def _text(self, name: str) -> str | None:
        """A file's text with LF line ends, so that a checkout on another system has the same hash."""
        if self.sources is not None:
            return self.sources.get(name)
        try:
            return (self.folder / name).read_text(encoding="utf-8-sig")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except UnicodeDecodeError as error:
            raise InputError(f"{name} は UTF-8 ではありません", mend="UTF-8 で保存し直してください") from error

    def _there(self) -> list[str]:
        if self.sources is not None:
            return list(self.sources)
        return [file.relative_to(self.folder).as_posix() for file in self.folder.rglob("*.yaml")]


def _build(main: str, tops: Mapping[str, Mapping[str, Place]], texts: Mapping[str, str], faults: Faults) -> Script:
    top = tops.get(main, {})
    settings = _settings(_merged(tops, "settings"), faults)
    starts = top["starts"].keys(("outbound", "inbound"), ("outbound",)) if "starts" in top else {}
    start_states = {name: place.text() for name, place in starts.items()}
    anywhere = [parts.answer(name, at, from_anywhere=True) for name, at in _merged(tops, "anywhere").items()]
    groups = {
        name: [parts.answer(key, at) for key, at in place.entries().items()]
        for name, place in _merged(tops, "groups").items()
    }
    screens = Screens(settings, groups, anywhere)
    states = {name: screens.state(name, place) for name, place in _merged(tops, "states").items()}
    title = {key: top[key].text() if key in top else "" for key in ("script", "title", "claim_type")}
    return Script(
        name=title["script"],
        title=title["title"],
        claim_type=title["claim_type"],
        starts=start_states,
        settings=settings,
        conditions=_conditions(tops),
        fields={name: parts.field(name, place) for name, place in _merged(tops, "fields").items()},
        never_say=_never_say(tops),
        states=with_detours(states, anywhere),
        dispositions={code: parts.disposition(code, place) for code, place in _merged(tops, "dispositions").items()},
        sources=dict(texts),
        content_hash=content_hash(main, texts),
        start_marks={name: place.mark for name, place in starts.items()},
    )


def _merged(tops: Mapping[str, Mapping[str, Place]], key: str) -> dict[str, Place]:
    """What all files say under `key`; a name that two files use is a fault."""
    found: dict[str, Place] = {}
    for top in tops.values():
        for name, place in (top[key].entries() if key in top else {}).items():
            if name in found:
                place.fault("collision", f"{name} は {found[name].mark} にもあります", "どちらかの名前を変えてください")
            else:
                found[name] = place
    return found


def _settings(places: Mapping[str, Place], faults: Faults) -> dict[str, tuple[str, ...]]:
    """The settings; values of different settings never share a name, so that a value says which it is."""
    found: dict[str, tuple[str, ...]] = {}
    owner: dict[str, tuple[str, Mark]] = {}
    for name, place in places.items():
        values = place.marked_words()
        found[name] = tuple(values)
        if not values:
            place.fault("shape", f"設定 {name} に値がありません")
        for value, at in values.items():
            if value in owner:
                faults.add("collision", at.mark, f"値 {value} は設定 {owner[value][0]} にもあります")
            owner[value] = (name, at.mark)
    return found


def _conditions(tops: Mapping[str, Mapping[str, Place]]) -> dict[str, Literal["call", "screen"]]:
    kinds = ("call", "screen")
    found: dict[str, Any] = {name: at.one_of(kinds) for name, at in _merged(tops, "conditions").items()}
    return cast(dict[str, Literal["call", "screen"]], found)


def _never_say(tops: Mapping[str, Mapping[str, Place]]) -> dict[str, tuple[str, ...]]:
    """The words of each level; the files' lists are joined."""
    found: dict[str, tuple[str, ...]] = {}
    for top in tops.values():
        at = top["never_say"].keys(WORD_LEVELS) if "never_say" in top else {}
        for level in at:
            found[level] = (*found.get(level, ()), *words(at, level))
    return found
