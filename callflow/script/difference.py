"""What differs between two scripts, state by state, sentence by sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any

from callflow.script.model import Answer, Script, State


@dataclass(frozen=True, slots=True)
class Difference:
    """One change in one state. `kind`: added, removed, sentence, answer, level, outcome."""

    state: str
    kind: str
    before: str
    after: str

    def __str__(self) -> str:
        if self.kind in ("added", "removed"):
            return f"{self.state}: 場面が{'増えました' if self.kind == 'added' else 'なくなりました'}"
        return f"{self.state}（{self.kind}）\n  - {self.before or 'なし'}\n  + {self.after or 'なし'}"

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def differences(old: Script, new: Script) -> list[Difference]:
    """All changes from `old` to `new`, in the order of the states."""
    found = [Difference(name, "removed", name, "") for name in old.states if name not in new.states]
    for name, state in new.states.items():
        if name not in old.states:
            found.append(Difference(name, "added", "", name))
        else:
            found += _of_state(old.states[name], state)
    return found


def _of_state(old: State, new: State) -> Iterator[Difference]:
    for variant in {**old.says.by_setting_value, **new.says.by_setting_value}:
        yield from _sentences(
            new.name, old.says.by_setting_value.get(variant, ""), new.says.by_setting_value.get(variant, "")
        )
    if dict(old.reveals.by_setting_value) != dict(new.reveals.by_setting_value):
        yield Difference(
            new.name, "level", str(dict(old.reveals.by_setting_value)), str(dict(new.reveals.by_setting_value))
        )
    if (old.does, old.settles) != (new.does, new.settles):
        yield Difference(new.name, "outcome", _outcome(old), _outcome(new))
    for name in {**old.answers, **new.answers}:
        before, after = _answer(old.answers.get(name)), _answer(new.answers.get(name))
        if before != after:
            yield Difference(new.name, "answer", before, after)


def _sentences(state: str, old: str, new: str) -> Iterator[Difference]:
    before, after = _split(old), _split(new)
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Difference(state, "sentence", "".join(before[i:j]), "".join(after[k:m]))


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[。？！])|\n", text.strip()) if part]


def _outcome(state: State) -> str:
    codes = "/".join(state.settles.values) if state.settles else ""
    return " ".join([*state.does, codes]).strip()


def _answer(answer: Answer | None) -> str:
    if answer is None:
        return ""
    codes = f" 結果 {'/'.join(answer.settles.values)}" if answer.settles else ""
    needs = f" 要 {'・'.join(answer.needs)}" if answer.needs else ""
    return f"{answer.name}: {answer.label} → {'/'.join(answer.to.values)}{codes}{needs} {' '.join(answer.does)}".strip()
