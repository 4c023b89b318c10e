"""The states with their screens: own answers, offered groups and `anywhere` merged, keys given, detours known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from callflow.script import parts
from callflow.script.faults import nearest
from callflow.script.model import RESERVED_TARGETS, RESUME, Answer, Mark, State, Variants
from callflow.script.yamlfile import Place, words

STATE_KEYS = (
    *("reveals", "says", "asks", "offers", "not_here", "may_say"),
    *("does", "settles", "draft", "answers"),
)
HANG_UP = "hang_up"


class Screens:
    """Builds states; knows what every state may offer."""

    def __init__(
        self,
        settings: Mapping[str, tuple[str, ...]],
        groups: Mapping[str, list[Answer]],
        anywhere: list[Answer],
    ) -> None:
        self._settings, self._groups, self._anywhere = settings, groups, anywhere

    def state(self, name: str, place: Place) -> State:
        """One state with its whole screen."""
        at = place.keys(STATE_KEYS, ("reveals", "says"))
        if name in RESERVED_TARGETS:
            place.fault("shape", f"{name} は決まりの語で、場面の名前には使えません")
        says, said_at = self._texts(at["says"]) if "says" in at else ({"": ""}, {})
        own = [parts.answer(key, each) for key, each in (at["answers"].entries() if "answers" in at else {}).items()]
        return State(
            name=name,
            reveals=Variants(self._levels(at["reveals"]) if "reveals" in at else {"": "debt"}),
            says=Variants(says),
            answers=self._screen(name, place, at, own),
            asks=words(at, "asks"),
            may_say=words(at, "may_say"),
            does=words(at, "does"),
            settles=parts.choice(at["settles"]) if "settles" in at else None,
            draft=at["draft"].truth() if "draft" in at else False,
            mark=place.mark,
            said_at=said_at,
        )

    def _texts(self, place: Place) -> tuple[dict[str, str], dict[str, Mark]]:
        each = self._by_setting_value(place)
        return {value: at.text() for value, at in each.items()}, {value: at.text_mark for value, at in each.items()}

    def _levels(self, place: Place) -> dict[str, str]:
        return {value: at.one_of(parts.LEVELS) for value, at in self._by_setting_value(place).items()}

    def _by_setting_value(self, place: Place) -> dict[str, Place]:
        """A plain value under "", or one for each value of exactly one setting."""
        if not place.is_mapping:
            return {"": place}
        given = place.entries()
        if not given:
            place.fault("variant", "何も書かれていません", "一つの値か、設定の値ごとの値を書いてください")
        every = [value for values in self._settings.values() for value in values]
        for value, at in given.items():
            if value not in every:
                at.fault("variant", f"{value} はどの設定の値でもありません", nearest(value, every))
        meant = [values for values in self._settings.values() if set(values) & set(given)]
        if len(meant) > 1:
            place.fault("variant", "二つの設定の値が混ざっています", "一つの設定で書き分けてください")
        missing = [value for value in (meant[0] if meant else ()) if value not in given]
        if missing:
            place.fault("variant", f"{'、'.join(missing)} の場合がありません")
        return given

    def _screen(self, name: str, place: Place, at: Mapping[str, Place], own: list[Answer]) -> dict[str, Answer]:
        """All answers in screen order: own, offered groups, `anywhere`. An answer's name is used once."""
        offered = list(own)
        for group, word in (at["offers"].marked_words() if "offers" in at else {}).items():
            if group not in self._groups:
                word.fault("unknown_name", f"応答の組 {group} はありません", nearest(group, self._groups))
            offered += self._groups.get(group, [])
        kept = [answer for answer in self._anywhere if answer.name not in self._absent(at)]
        screen: dict[str, Answer] = {}
        for answer in (*_numbered(place, offered), *kept):
            if answer.name in screen:
                what = f"応答 {answer.name} が場面 {name} に二つあります"
                place.faults.add("duplicate_answer", screen[answer.name].mark, what, "名前を変えるか not_here に")
            else:
                screen[answer.name] = answer
        return screen

    def _absent(self, at: Mapping[str, Place]) -> set[str]:
        """The exceptions of `not_here`; hanging up cannot be one."""
        known = {answer.name for answer in self._anywhere}
        absent = at["not_here"].marked_words() if "not_here" in at else {}
        for name, word in absent.items():
            if name == HANG_UP:
                word.fault("hang_up", "hang_up はどの場面からも外せません")
            elif name not in known:
                word.fault("unknown_name", f"anywhere に {name} はありません", nearest(name, known))
        return set(absent) - {HANG_UP}


def with_detours(states: Mapping[str, State], anywhere: Sequence[Answer]) -> dict[str, State]:
    """Marks the detours: left by `resume`, and entered by an `anywhere` answer or from another detour."""
    leaving = {name for name, state in states.items() if any(RESUME in targets(a) for a in own_answers(state))}
    detours: set[str] = set()
    waiting = [target for answer in anywhere for target in targets(answer) if target in leaving]
    while waiting:
        name = waiting.pop()
        if name not in detours:
            detours.add(name)
            waiting += [t for answer in own_answers(states[name]) for t in targets(answer) if t in leaving]
    return {name: replace(state, detour=name in detours) for name, state in states.items()}


def own_answers(state: State) -> list[Answer]:
    """The answers that are not merged from `anywhere`."""
    return [answer for answer in state.answers.values() if not answer.from_anywhere]


def targets(answer: Answer) -> tuple[str, ...]:
    """Everything that an answer may lead to, `same`, `resume` and `end` included."""
    return (*answer.to.values, *((answer.then,) if answer.then is not None else ()))


def _numbered(place: Place, answers: Sequence[Answer]) -> list[Answer]:
    """Answers without a key get their position, 1 to 9."""
    found = []
    for position, answer in enumerate(answers, start=1):
        if not answer.key and position > 9:
            place.faults.add("missing_key", answer.mark, f"10 番目からの応答 {answer.name} には key が要ります")
        found.append(answer if answer.key else replace(answer, key=str(position)))
    return found
