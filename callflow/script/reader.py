"""Reads a script and the files that it includes. All faults are told at once, each with its place.

What a name means is not judged here: `callflow.script.proofs` reports unknown names and goes on.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from callflow.errors import InputError, NotFoundError
from callflow.script import parts
from callflow.script.faults import Faults, ScriptError, nearest
from callflow.script.model import (
    BUILT_IN_CONDITIONS,
    CALL_CONDITIONS,
    END,
    Answer,
    Field,
    Mark,
    Script,
    always,
)
from callflow.script.screens import HANG_UP, Screens, with_detours
from callflow.script.yamlfile import Place, load, words

MAIN_KEYS = ("script", "title", "claim_type", "starts")
SHARED_KEYS = (
    *("include", "settings", "conditions", "fields", "never_say"),
    *("anywhere", "groups", "states", "dispositions"),
)
_NAME = re.compile("[a-z0-9][a-z0-9_-]*")
_HANG_UP_MEND = "hang_up: {label: 切れた, key: h, to: end}"
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
        if text is None and self.sources is None and (self.folder / main).is_dir():
            raise InputError(f"{main} はフォルダーです", mend="台本のファイルを指定してください（*.yaml も可）")
        if text is None:
            raise NotFoundError(f"台本 {main} がありません", mend=nearest(main, self._there()))
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
    anywhere = _anywhere(main, _merged(tops, "anywhere"), faults)
    groups = {
        name: [parts.answer(key, at) for key, at in place.entries().items()]
        for name, place in _merged(tops, "groups").items()
    }
    screens = Screens(settings, groups, anywhere)
    states = {name: screens.state(name, place) for name, place in _merged(tops, "states").items()}
    title = {key: top[key].text() if key in top else "" for key in ("script", "title", "claim_type")}
    for key in ("script", "claim_type"):
        if key in top and title[key].strip() and not _NAME.fullmatch(title[key]):
            top[key].fault("shape", f"{key} は英小文字・数字・-・_ だけで書きます")
    return Script(
        name=title["script"],
        title=title["title"],
        claim_type=title["claim_type"],
        starts=start_states,
        settings=settings,
        conditions=_conditions(tops),
        fields=_fields(_merged(tops, "fields")),
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


def _anywhere(main: str, places: Mapping[str, Place], faults: Faults) -> list[Answer]:
    """The answers of every state. Hanging up is among them, ends the call, and nothing holds it up."""
    incomplete = any(fault.rule in ("include", "yaml", "shape") for fault in faults.found)
    if HANG_UP not in places and not incomplete:  # it may stand in the file that could not be read
        faults.add("hang_up", Mark(main, 1, 1), "anywhere に hang_up がありません", _HANG_UP_MEND)
    found = [parts.answer(name, at, from_anywhere=True) for name, at in places.items()]
    for answer in found:
        plain = Answer(HANG_UP, answer.label, answer.key, always(END), from_anywhere=True, mark=answer.mark)
        if answer.name == HANG_UP and answer != plain:
            faults.add("hang_up", answer.mark, "hang_up には label、key、to: end だけを書きます", _HANG_UP_MEND)
    return found


def _fields(places: Mapping[str, Place]) -> dict[str, Field]:
    """The fields. `promise` and `promise.due` cannot both be: a line could not tell them apart."""
    for name, place in places.items():
        inner = next((other for other in places if other.startswith(f"{name}.")), None)
        if inner:
            place.fault("field_name", f"項目 {name} は、{inner} の前の部分でもあります", "別の名前をつけてください")
    return {name: parts.field(name, place) for name, place in places.items()}


def _conditions(tops: Mapping[str, Mapping[str, Place]]) -> dict[str, Literal["call", "screen"]]:
    found: dict[str, Any] = {}
    for name, place in _merged(tops, "conditions").items():
        found[name] = kind = place.one_of(("call", "screen"))
        if name in BUILT_IN_CONDITIONS:
            place.fault("collision", f"{name} は決まりの条件です", "別の名前をつけてください")
        if kind == "call" and name not in CALL_CONDITIONS and place.text() == "call":
            what = f"call の条件 {name} は、どの通話でも成り立ちません"
            place.fault("unknown_name", what, nearest(name, CALL_CONDITIONS))
    return cast(dict[str, Literal["call", "screen"]], found)


def _never_say(tops: Mapping[str, Mapping[str, Place]]) -> dict[str, tuple[str, ...]]:
    """The words of each level; the files' lists are joined."""
    found: dict[str, tuple[str, ...]] = {}
    for top in tops.values():
        at = top["never_say"].keys(WORD_LEVELS) if "never_say" in top else {}
        for level in at:
            found[level] = (*found.get(level, ()), *words(at, level))
    return found
