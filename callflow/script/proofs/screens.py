"""What each screen and each code must satisfy by itself, whatever was said before (proofs 2, 4 and 6)."""

from __future__ import annotations

from collections.abc import Iterator

from callflow.script.model import SAME, Answer, Choice, Mark, Script, State
from callflow.script.proofs.report import Finding
from callflow.script.screens import own_answers, targets


def screen_findings(script: Script) -> Iterator[Finding]:
    """Labels and keys, counted answers, refusing answers, codes of the line."""
    for state in script.states.values():
        yield from _doubles(state)
        for answer in state.answers.values():
            yield from _counted(answer)
            yield from _refusing(script, state, answer)
            yield from _line_codes(script, answer.settles, answer.mark, f"応答 {answer.name} ")
        yield from _line_codes(script, state.settles, state.mark, f"場面 {state.name} ")
        yield from _no_answers(state)
    for name in dict.fromkeys(script.starts.values()):
        first = script.states.get(name)
        if first and (first.does or first.settles):
            what = f"最初の場面 {name} は、何も答えられないうちに does か settles を起こします"
            yield Finding("start_does", name, first.mark, what, "応答に移してください")


def _doubles(state: State) -> Iterator[Finding]:
    keys: dict[str, Answer] = {}
    labels: dict[str, Answer] = {}
    for answer in state.answers.values():
        for kind, word, value, seen in (
            ("duplicate_key", "キー", answer.key, keys),
            ("duplicate_label", "表示", answer.label, labels),
        ):
            first = seen.setdefault(value, answer)
            if first is not answer:
                at = first if answer.from_anywhere and not first.from_anywhere else answer
                what = f"場面 {state.name} で {word}「{value}」が {first.name} と {answer.name} で重なります"
                yield Finding(kind, f"{first.name} {answer.name} {value}", at.mark, what, f"{word}を変えてください")


def _counted(answer: Answer) -> Iterator[Finding]:
    if answer.at_most is not None and answer.then is None:
        what = f"応答 {answer.name} は回数を数えるのに、使い切ったあとの行き先がありません"
        yield Finding("no_then", f"{answer.mark} {answer.name}", answer.mark, what, "then: を書いてください")
    if answer.at_most is None and answer.then is not None:
        what = f"応答 {answer.name} の then は、at_most がないので使われません"
        yield Finding("no_at_most", f"{answer.mark} {answer.name}", answer.mark, what, "at_most: を書いてください")


def _refusing(script: Script, state: State, answer: Answer) -> Iterator[Finding]:
    """`only_if: not …` is counted, or an identity check that goes on: else it can be tried for ever."""
    if answer.only_if is None or not answer.only_if.negated or answer.at_most is not None:
        return
    checks = any(script.fields[name].type == "identity" for name in answer.needs if name in script.fields)
    if not checks or {SAME, state.name} & set(targets(answer)):
        what = f"応答 {answer.name} の only_if: {answer.only_if} は数えられていません"
        mend = "at_most と then を書いてください" + ("" if checks else "。本人確認なら項目を needs に入れてください")
        yield Finding("uncounted_refusal", f"{answer.mark} {answer.name}", answer.mark, what, mend)


def _line_codes(script: Script, settles: Choice | None, mark: Mark, where: str) -> Iterator[Finding]:
    """A code of the telephone line is not for a talk to settle."""
    for code in settles.values if settles else ():
        if code in script.dispositions and script.dispositions[code].source == "line":
            what = f"結果 {code} は回線の結果で、{where}では決められません"
            yield Finding("line_code", f"{mark} {code}", mark, what, "from: talk の結果を使ってください")


def _no_answers(state: State) -> Iterator[Finding]:
    if not own_answers(state):
        what = f"場面 {state.name} には自分の応答がありません"
        yield Finding("no_answers", state.name, state.mark, what, "answers: を書いてください")
