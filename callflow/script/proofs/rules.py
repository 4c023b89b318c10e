"""What every node and every answer of the search must satisfy (proofs 1 to 5)."""

from __future__ import annotations

from collections.abc import Iterator

from callflow.script.model import END, Level, Script, State
from callflow.script.proofs.liveness import SPOUSE_CONDITION
from callflow.script.proofs.names import EFFECT_NEEDS, EFFECTS_FOR_A_PARTY
from callflow.script.proofs.report import Finding, Findings
from callflow.script.proofs.search import QUIET, Edge, Node, Search
from callflow.script.proofs.wording import fields_in_lines, highest_level, promises_the_form
from callflow.script.screens import HANG_UP
from callflow.script.talk import NotTaken, Taken

_CODE_OWES = {
    "WN": "number_invalid",
    "NC": "written_only",
    "EM": "emergency",
}
"""Codes that promise more than a word in the record: what the line left, this step or the code itself does."""

_HARDSHIP_CODES = frozenset({"HS", "HC", "HR"})


class Rules:
    """The rules over one script; what breaks them is added to `findings`."""

    def __init__(self, script: Script, findings: Findings) -> None:
        self._script, self._findings = script, findings
        self._in_line = fields_in_lines(script)
        self._debt = {name for name, state in script.states.items() if highest_level(state) is Level.DEBT}
        self._forms = {name for name, state in script.states.items() if promises_the_form(state)}
        self._new_voice = {
            name for name, state in script.states.items() if any(a.new_voice for a in state.answers.values())
        }

    def node(self, search: Search, number: int, node: Node, before: Node | None) -> None:
        """Judges a node when it is first reached. What was wrong in the node before is not told again."""
        if node.talk.state == END:
            return
        state = self._script.states[node.talk.state]
        known = (
            {rule for rule, _, _ in self._of_node(self._script.states.get(before.talk.state), before)} if before else ()
        )
        for rule, cause, what in self._of_node(state, node):
            if rule in known or self._findings.has(rule, cause):
                continue
            self._findings.add(Finding(rule, cause, state.mark, what, _MEND.get(rule, ""), search.labels(number)))

    def edge(self, search: Search, at: int, edge: Edge) -> None:
        """Judges one answer in one node."""
        for rule, cause, what in self._of_edge(edge):
            if not self._findings.has(rule, cause):
                talk = (*search.labels(at), edge.answer.label)
                self._findings.add(Finding(rule, cause, edge.answer.mark, what, _MEND.get(rule, ""), talk))

    def _of_node(self, state: State | None, node: Node) -> Iterator[tuple[str, str, str]]:
        talk = node.talk
        if state is None:
            return
        name = talk.state
        if name in self._debt:
            if talk.party is None:
                yield "debt_unverified", name, f"{name} は本人確認の前に債務を話します"
            if QUIET in talk.effects:
                yield "debt_after_emergency", name, f"{name} は緊急・支援措置の申し出のあとに債務を話します"
        for field in self._in_line[name] - talk.filled:
            yield "unfilled_field", f"{name} {field}", f"{name} の台詞の {field} が、まだ聞かれていません"
        if name in self._forms and "hardship" not in talk.effects:
            yield "form_without_hardship", name, f"{name} は報告書を送ると言うのに、hardship が起きていません"
        if talk.party and name not in self._new_voice:
            yield "no_new_voice", name, f"{name} では、相手が代わっても確認が取り消されません"

    def _of_edge(self, edge: Edge) -> Iterator[tuple[str, str, str]]:
        talk, answer, taken = edge.before.talk, edge.answer, edge.taken
        cause = f"{talk.state}.{answer.name}"
        if isinstance(taken, NotTaken):
            if taken.reason == "no_return_line":
                yield "no_return_line", cause, f"{cause} は、戻る台詞がないのに resume へ進みます"
            return
        for name in edge.missing:
            yield "unfilled_need", f"{cause} {name}", f"{cause} の要る {name} を、この場面では聞いていません"
        if answer.verifies and not edge.checked:
            yield "verifies_unchecked", cause, f"{cause} は、氏名ともう一つの事実が一致していないのに確認済みにします"
        if answer.verifies == "spouse" and SPOUSE_CONDITION not in edge.before.holds:
            yield "spouse_not_allowed", cause, f"{cause} は、配偶者に話せないときにも配偶者を確認済みにします"
        if taken.talk.state == END and taken.talk.settled is None and answer.name != HANG_UP:
            yield "unsettled_end", cause, f"{cause} で、結果が決まらないまま終わります"
        if taken.codes or taken.earned:
            yield from self._of_outcome(cause, taken, frozenset(self._script.states[talk.state].does))

    def _of_outcome(self, cause: str, taken: Taken, left: frozenset[str]) -> Iterator[tuple[str, str, str]]:
        party, filled = taken.talk.party, taken.talk.filled
        makes: set[str] = set()
        for code in taken.codes:
            disposition = self._script.dispositions[code]
            makes |= set(disposition.makes)
            if disposition.right_party == "yes" and party is None:
                yield "settles_unverified", f"{cause} {code}", f"{cause} は、確認していない相手で {code} に決めます"
            if disposition.right_party == "no" and party is not None:
                yield "settles_verified", f"{cause} {code}", f"{cause} は、確認済みの相手で {code} に決めます"
            if code in _HARDSHIP_CODES and "hardship" not in taken.talk.effects:
                yield "code_without_hardship", f"{cause} {code}", f"{cause} は、hardship なしに {code} に決めます"
        for code in taken.codes:
            owed = _CODE_OWES.get(code)
            quiet = code == "EM" and QUIET in taken.talk.effects
            if owed and not quiet and owed not in taken.earned | makes | left:
                yield "code_without_effect", f"{cause} {code}", f"{cause} は、{owed} なしに {code} に決めます"
        for effect in sorted(taken.earned | makes):
            for name in EFFECT_NEEDS.get(effect, ()):
                if name not in filled:
                    yield "unfilled_effect", f"{cause} {effect} {name}", f"{cause} の {effect} に要る {name} が空です"
            if effect in EFFECTS_FOR_A_PARTY and party is None:
                yield "effect_needs_party", f"{cause} {effect}", f"{cause} の {effect} は、確認した相手がいません"
        if ("promise" in taken.earned | makes) != ("PP" in taken.codes):
            yield "promise_not_pp", cause, f"{cause} で、promise と結果 PP の片方だけが起きます"


def reachability(script: Script, search: Search) -> Iterator[Finding]:
    """Every state is reached, and from every node the end can be reached without an `anywhere` answer."""
    reached = {node.talk.state for node in search.nodes}
    for state in script.states.values():
        if state.name not in reached:
            what = f"場面 {state.name} には、どの通話もたどり着きません"
            yield Finding("unreachable", state.name, state.mark, what, "どこかの応答の to に書くか、消してください")
    ending = _lead_to_the_end(search)
    for number, node in enumerate(search.nodes):
        if number not in ending:
            state = script.states[node.talk.state]
            what = f"{state.name} からは、自分の応答だけでは終わりに着きません"
            yield Finding("no_way_out", state.name, state.mark, what, _MEND["no_way_out"], search.labels(number))


def _lead_to_the_end(search: Search) -> set[int]:
    waiting = [number for number, node in enumerate(search.nodes) if node.talk.state == END]
    found = set(waiting)
    while waiting:
        for before in search.backward[waiting.pop()]:
            if before not in found:
                found.add(before)
                waiting.append(before)
    return found


_MEND = {
    "debt_unverified": "この場面の前に、確認（verifies）を通してください",
    "debt_after_emergency": "緊急のあとは、債務に触れない場面だけへ進めてください",
    "unfilled_field": "前の場面の応答に needs を書いてください",
    "form_without_hardship": "does: [hardship] を書いてください",
    "no_new_voice": "new_voice: true の応答を加えてください",
    "no_return_line": "resume を、行き先の場面の名前に替えてください",
    "unfilled_need": "asks に加えるか、前の場面で needs にしてください",
    "verifies_unchecked": "needs: [identity] と only_if: identity_matches を同じ応答に書いてください",
    "spouse_not_allowed": "to: {spouse_may_hear: …, else: …} で分けてください",
    "unsettled_end": "settles を書いてください",
    "promise_not_pp": "does: [promise] と settles: PP を同じ応答に書いてください",
    "no_way_out": "end へ続く応答を加えてください",
    "effect_needs_party": "確認のあとの場面に移してください",
    "unfilled_effect": "同じ応答か前の応答の needs に加えてください",
    "code_without_effect": "コードの makes か、同じ応答か場面の does に加えてください",
    "code_without_hardship": "settles: {hardship: …, else: nothing} で分けてください",
}
