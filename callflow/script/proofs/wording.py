"""Proof 1, as far as it lies in the words: no line says more than its level, in any variant of the settings."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Mapping

from callflow.script.faults import nearest
from callflow.script.lines import NAMED, NUMBERS, known_names, level_of_name, wording
from callflow.script.model import Level, Mark, Script, State
from callflow.script.proofs.report import Finding

FORM = "生活状況報告書"
"""A line with this word promises the form (seed, lines 307-316)."""


def wording_findings(script: Script) -> Iterator[Finding]:
    """What is wrong with the texts alone."""
    for state in script.states.values():
        for variant, source in state.says.by_setting_value.items():
            yield from _template(script, state, variant, source)
        for variant, source, level in _spoken_variants(script, state):
            yield from _levels(script, state, variant, source, level)
            yield from _words(script, state, variant, source, level)


def fields_in_lines(script: Script) -> dict[str, frozenset[str]]:
    """For each state the fields that its line names in any variant."""
    return {
        name: frozenset(
            word
            for source in state.says.by_setting_value.values()
            for word in wording(source).names
            if word in script.fields
        )
        for name, state in script.states.items()
    }


def promises_the_form(state: State) -> bool:
    """Whether the line says that a 生活状況報告書 will be sent."""
    return any(
        FORM in _folded(text) for source in state.says.by_setting_value.values() for text in wording(source).texts
    )


def highest_level(state: State) -> Level:
    """The most that the state's line gives away under any settings."""
    return max(Level[name.upper()] for name in state.reveals.by_setting_value.values())


def _template(script: Script, state: State, variant: str, source: str) -> Iterator[Finding]:
    taken = wording(source)
    for fault in taken.faults:
        mark = _at(state, variant, fault.line)
        yield Finding(fault.rule, f"{state.name} {fault.what}", mark, f"場面 {state.name}: {fault.what}")
    if not all(map(_plain, taken.texts)) and not taken.faults:
        what = f"場面 {state.name} に、何も読み上げない場合があります"
        yield Finding("empty_line", state.name, _at(state, variant, 1), what, "読み上げる言葉を書いてください")
    for name, line in taken.numbers.items():
        if level_of_name(script, name) is not None and not _is_number(script, name):
            what = f"場面 {state.name} の台詞は、数でない {name} を数として使います"
            mend = "yen と大小の比較は、金額と件数だけに使ってください"
            yield Finding("not_a_number", f"{state.name} {name}", _at(state, variant, line), what, mend)
    for name, line in taken.names.items():
        if name in script.fields and script.fields[name].type == "identity":
            what = f"場面 {state.name} の台詞が、確認のために聞いた {name} を言います"
            mend = "確認の中身は記録されず、読み上げられません"
            yield Finding("identity_said", f"{state.name} {name}", _at(state, variant, line), what, mend)
        elif level_of_name(script, name) is None:
            what = f"場面 {state.name} の台詞の {name} は、事実にも項目にもありません"
            hint = nearest(name, known_names(script))
            yield Finding("unknown_name", f"{state.name} {name}", _at(state, variant, line), what, hint)


def _spoken_variants(script: Script, state: State) -> Iterator[tuple[str, str, Level]]:
    """Each text with each level that some settings give it."""
    seen: set[tuple[str, Level]] = set()
    for settings in _settings_of(script, state):
        variant = "" if "" in state.says.by_setting_value else _value(state.says.by_setting_value, settings)
        level = Level[state.reveals.pick(settings).upper()]
        if variant is not None and (variant, level) not in seen:
            seen.add((variant, level))
            yield variant, state.says.by_setting_value[variant], level


def _settings_of(script: Script, state: State) -> Iterator[dict[str, str]]:
    """Every combination of the settings on which this state's text or level depends."""
    used = {*state.says.by_setting_value, *state.reveals.by_setting_value} - {""}
    names = [name for name, values in script.settings.items() if used & set(values)]
    for values in itertools.product(*(script.settings[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def _value(texts: Mapping[str, str], settings: Mapping[str, str]) -> str | None:
    return next((value for value in settings.values() if value in texts), None)


def _levels(script: Script, state: State, variant: str, source: str, level: Level) -> Iterator[Finding]:
    for name, line in wording(source).names.items():
        needed = level_of_name(script, name)
        if needed is not None and needed > level:
            what = f"場面 {state.name} は {level.name.lower()} までなのに、台詞が {name} を言います"
            mend = f"reveals を {needed.name.lower()} にするか、{name} を外してください"
            yield Finding("above_level", f"{state.name} {name}", _at(state, variant, line), what, mend)


def _words(script: Script, state: State, variant: str, source: str, level: Level) -> Iterator[Finding]:
    said = {_folded(text) for text in _spoken(script, source)}
    excused = {_folded(word) for word in state.may_say}
    for kind, words in script.never_say.items():
        limit = None if kind == "forbidden" else Level[kind.upper()]
        if limit is not None and level >= limit:
            continue
        for word in words:
            if _folded(word) not in excused and any(_folded(word) in text for text in said):
                yield _said(state, variant, source, kind, word, level)


def _said(state: State, variant: str, source: str, kind: str, word: str, level: Level) -> Finding:
    lines = source.splitlines()
    line = next((n for n, text in enumerate(lines, start=1) if _folded(word) in _folded(text)), 1)
    mark = _at(state, variant, line)
    if kind == "forbidden":
        what, mend = f"場面 {state.name} の台詞に、言ってはならない語「{word}」があります", "言い換えてください"
        return Finding("forbidden_word", f"{state.name} {word}", mark, what, mend)
    what = f"場面 {state.name} は {level.name.lower()} までなのに、台詞に「{word}」があります"
    return Finding(
        "word_above_level", f"{state.name} {word}", mark, what, f"reveals を {kind} にするか、言い換えてください"
    )


def _spoken(script: Script, source: str) -> Iterator[str]:
    """All that a line can say: its texts, and what may be picked in a choice that it says."""
    yield from wording(source).texts
    for name in wording(source).names:
        if name in script.fields:
            yield from script.fields[name].options


def _is_number(script: Script, name: str) -> bool:
    return name in NUMBERS or (name in script.fields and script.fields[name].type == "yen")


def _folded(text: str) -> str:
    """NFKC, small letters, no blanks: 「差 押」 and full-width letters are the same words; facts say nothing."""
    return _plain(text).replace(NAMED, "")


def _plain(text: str) -> str:
    """Without blanks and without what nobody sees, such as a joiner of no width between two letters."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(one for one in plain if not one.isspace() and unicodedata.category(one) != "Cf")


def _at(state: State, variant: str, line: int) -> Mark:
    start = state.said_at.get(variant, state.mark)
    return Mark(start.file, start.line + line - 1, start.column if line == 1 else 1)
