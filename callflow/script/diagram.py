"""A script drawn: Mermaid with ASCII ids and Japanese labels, and SVG laid out here, without any network. Pure.

What can be said in nearly every line is drawn once, apart, instead of as an arrow from each of them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from unicodedata import east_asian_width

from callflow.script.layout import Arrow, Placed, columns_of, place
from callflow.script.model import END, RESUME, SAME, Answer, Script

COMMON = 8  # an answer that so many lines share is drawn once
CLOSING = 5  # a last line that so many answers lead to is named, without arrows
ACROSS = 6  # columns for boxes without arrows
COLOURS = {"nothing": "#eef1f5", "name": "#dff0e4", "topic": "#fdf0cf", "debt": "#fbdfdc"}
LEVELS = {"nothing": "何も明かさない", "name": "氏名まで", "topic": "用件まで", "debt": "滞納まで"}
"""Colour is never alone: the level's words stand in every box."""
WORDS = {END: "終話", RESUME: "元の台詞へ戻る", SAME: "同じ台詞のまま"}
INK, FAINT, LINE = "#1d2733", "#5b6775", "#6b7c93"
WIDTH, ROW, TEXT, PAD, GAP_X, GAP_Y, MARGIN = 250, 18, 16, 8, 90, 18, 40
LETTERS = 38  # half-width letters in a line of text
TIP = ' marker-end="url(#tip)"'

Ways = Mapping[tuple[str, str, str], int]
"""How often an answer led from a line to another line (or `end`): (line, answer, line)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One answer of a line, to one target. `answer`: its name, where it is one line's own."""

    key: str
    label: str
    target: str
    answer: str = field(default="", compare=False)


def common(script: Script) -> list[Row]:
    """The answers offered from nearly everywhere, most frequent first."""
    counted = Counter(
        Row("", answer.label, target)
        for state in script.states.values()
        for answer in state.answers.values()
        for target in _targets(answer)
    )
    anywhere = {
        Row("", answer.label, target)
        for state in script.states.values()
        for answer in state.answers.values()
        if answer.from_anywhere
        for target in _targets(answer)
    }
    return [row for row, count in counted.most_common() if row in anywhere or count >= COMMON]


def rows_of(script: Script) -> dict[str, list[Row]]:
    """Each line's own answers, in screen order."""
    everywhere = set(common(script))
    return {
        name: [
            Row(answer.key, answer.label, target, answer.name)
            for answer in state.answers.values()
            for target in _targets(answer)
            if Row("", answer.label, target) not in everywhere
        ]
        for name, state in script.states.items()
    }


def mermaid(script: Script) -> str:
    """A state diagram in Mermaid."""
    ids = {name: f"s{number}" for number, name in enumerate(script.states)} | {END: "fin", RESUME: "back"}
    lines = ["stateDiagram-v2", "  direction LR"]
    for name, state in script.states.items():
        draft = "（下書き）" if state.draft else ""
        lines.append(f'  state "{_plain(name)}{draft}：{_plain(_line_of(script, name, 48))}" as {ids[name]}')
    lines += [
        f'  state "{WORDS[END]}" as fin',
        f'  state "{WORDS[RESUME]}" as back',
        '  state "どの台詞からでも" as any',
    ]
    lines += [f"  [*] --> {ids[start]}" for start in dict.fromkeys(script.starts.values())]
    sources = [("any", common(script)), *((ids[name], rows) for name, rows in rows_of(script).items())]
    for source, rows in sources:
        labels: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            labels[source if row.target == SAME else ids[row.target]].append(_plain(row.label))
        lines += [f"  {source} --> {target}: {'／'.join(dict.fromkeys(words))}" for target, words in labels.items()]
    return "\n".join([*lines, "  fin --> [*]", ""])


def taken(ways: Ways, state: str, answer: Answer, target: str) -> int:
    """How often an answer led from a line to one of its targets."""
    if target == RESUME:
        named = {state if each == SAME else each for each in _targets(answer)}
        return sum(
            n for (line, name, to), n in ways.items() if (line, name) == (state, answer.name) and to not in named
        )
    return ways.get((state, answer.name, state if target == SAME else target), 0)


def svg(script: Script, ways: Ways | None = None) -> str:
    """The same as a picture: every line a box with its answers, arrows to the right; the rest is named.

    `ways`: how often each was taken; then numbers stand on the answers, and the arrows are as broad as they are busy.
    """
    counted = _Counted(script, ways or {})
    rows = rows_of(script)
    main = columns_of(script.starts.values(), _following(rows))
    apart = [row.target for row in common(script) if row.target in script.states and row.target not in main]
    aside = columns_of([*apart, *(name for name in script.states if name not in main)], _following(rows))
    aside = {name: number for name, number in aside.items() if name not in main}
    aside = _spread(aside, _arrows(script, rows, aside))
    parts, y = [_legend(script)], MARGIN + 74.0
    width = 0.0
    for title, column in (("はじめから", main), ("どの台詞からでも入る台詞", aside)):
        if not column:
            continue
        heights = {name: _height(script, name, rows[name]) for name in column}
        placed = place(column, heights, _arrows(script, rows, column), GAP_Y)
        parts.append(_text(MARGIN, y + 20, title, size=18, weight="bold"))
        parts += _block(counted, rows, placed, y + 44)
        width = max(width, len(placed.columns) * (WIDTH + GAP_X) - GAP_X)
        y += placed.height + 80
    parts += _everywhere(counted, y)
    y += 60 + ROW * (len(common(script)) // 3 + 1)
    return "\n".join([*_head(script, max(width, 1000) + 2 * MARGIN, y + MARGIN), *parts, "</svg>", ""])


class _Counted:
    """A script with how often its ways were taken."""

    def __init__(self, script: Script, ways: Ways) -> None:
        self.script = script
        self._ways = ways

    def of(self, state: str, row: Row) -> int:
        """An own answer of a line."""
        answer = self.script.states[state].answers[row.answer]
        return taken(self._ways, state, answer, row.target) if self._ways else 0

    def anywhere(self, row: Row) -> int:
        """An answer that is drawn once for all lines."""
        if not self._ways:
            return 0
        return sum(
            taken(self._ways, name, answer, row.target)
            for name, state in self.script.states.items()
            for answer in state.answers.values()
            if answer.label == row.label and row.target in _targets(answer)
        )


def _targets(answer: Answer) -> Iterator[str]:
    yield from dict.fromkeys((*answer.to.values, *((answer.then,) if answer.then else ())))


def _following(rows: dict[str, list[Row]]) -> dict[str, list[str]]:
    known = rows.keys() - _closing(rows)
    return {name: [row.target for row in own if row.target in known] for name, own in rows.items()}


def _arrows(script: Script, rows: dict[str, list[Row]], column: dict[str, int]) -> list[Arrow]:
    """What leads to a later column is an arrow; closing lines and what leads back are named in the row."""
    closing = _closing(rows)
    return [
        Arrow(name, _port(script, name, number), row.target)
        for name in column
        for number, row in enumerate(rows[name])
        if row.target not in closing and column.get(row.target, -1) > column[name]
    ]


def _closing(rows: dict[str, list[Row]]) -> set[str]:
    """Lines that end the call and that many answers lead to: an arrow from each would say little."""
    led_to = Counter(row.target for own in rows.values() for row in own)
    return {name for name, own in rows.items() if led_to[name] >= CLOSING and END in {row.target for row in own}}


def _spread(column: dict[str, int], arrows: list[Arrow]) -> dict[str, int]:
    """Boxes without arrows, side by side instead of in one high column."""
    joined = {arrow.source for arrow in arrows} | {arrow.target for arrow in arrows}
    free = [name for name in column if name not in joined]
    first = max((column[name] + 1 for name in joined), default=0)
    return column | {name: first + number % ACROSS for number, name in enumerate(free)}


def _height(script: Script, name: str, rows: list[Row]) -> float:
    return 2 * PAD + TEXT * (1 + len(_lines(script, name))) + ROW * len(rows) + (4 if rows else 0)


def _port(script: Script, name: str, number: int) -> float:
    return PAD + TEXT * (1 + len(_lines(script, name))) + 4 + ROW * (number + 0.5)


def _head(script: Script, width: float, height: float) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' height="{height:.0f}" font-family="BIZ UDGothic, Noto Sans CJK JP, sans-serif" font-size="12" fill="{INK}">',
        f"<title>{escape(script.title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
    ]


def _legend(script: Script) -> str:
    drafts = sum(state.draft for state in script.states.values())
    about = f"{script.name}　台詞 {len(script.states)}（うち下書き {drafts}、破線）　版 {script.content_hash[:12]}"
    parts = [_text(MARGIN, MARGIN + 14, script.title, size=24, weight="bold"), _text(MARGIN, MARGIN + 40, about)]
    for number, (level, words) in enumerate(LEVELS.items()):
        x = MARGIN + number * 170
        parts.append(
            f'<rect x="{x}" y="{MARGIN + 54}" width="16" height="16" rx="3" fill="{COLOURS[level]}" stroke="{LINE}"/>'
            + _text(x + 24, MARGIN + 67, words)
        )
    return "\n".join(parts)


def _block(counted: _Counted, rows: dict[str, list[Row]], placed: Placed, y: float) -> Iterable[str]:
    column, closing, script = placed.column_of, _closing(rows), counted.script
    times = {
        (name, _port(script, name, number)): counted.of(name, row)
        for name in column.keys() & rows.keys()
        for number, row in enumerate(rows[name])
    }
    for arrow, lanes in placed.lanes.items():
        points = [(_left(column[arrow.source]) + WIDTH, y + placed.top[arrow.source] + arrow.port)]
        for lane in lanes:
            points += [(_left(column[lane]), y + placed.top[lane] + 5), (_left(column[lane]) + WIDTH, 0)]
            points[-1] = (points[-1][0], points[-2][1])
        points.append((_left(column[arrow.target]) - 2, y + placed.top[arrow.target] + PAD + 6))
        yield _curve(points, times[arrow.source, arrow.port])
    drawn = {(arrow.source, arrow.target) for arrow in placed.lanes}
    for name, number in column.items():
        if name in rows:
            named = {row.target for row in rows[name] if (name, row.target) not in drawn or row.target in closing}
            yield _box(counted, name, _left(number), y + placed.top[name], rows[name], named)


def _left(column: int) -> float:
    return MARGIN + column * (WIDTH + GAP_X)


def _curve(points: list[tuple[float, float]], times: int) -> str:
    """A smooth way through the points: curved between columns, straight through a lane."""
    width = 1.3 + 0.5 * times.bit_length()
    (x, y), path = points[0], []
    for number, (to_x, to_y) in enumerate(points[1:]):
        half = (to_x - x) / 2
        path.append(
            f"C{x + half:.0f} {y:.0f} {to_x - half:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
            if number % 2 == 0
            else f"L{to_x:.0f} {to_y:.0f}"
        )
        x, y = to_x, to_y
    start = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    return f'<path d="{start}{"".join(path)}" fill="none" stroke="{LINE}" stroke-width="{width:.1f}"{TIP}/>'


def _box(counted: _Counted, name: str, x: float, y: float, rows: list[Row], named: set[str]) -> str:
    script = counted.script
    state = script.states[name]
    level = next(iter(state.reveals.by_setting_value.values()))
    dashed = ' stroke-dasharray="6 4"' if state.draft else ""
    lines = _lines(script, name)
    parts = [
        f'<g id="{escape(name, quote=True)}"><rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}"'
        f' height="{_height(script, name, rows):.0f}" rx="7" fill="{COLOURS[level]}" stroke="{INK}"{dashed}/>',
        _text(x + PAD, y + PAD + 11, name, size=13, weight="bold"),
        _text(x + WIDTH - PAD, y + PAD + 11, LEVELS[level], size=10, anchor="end", colour=FAINT),
    ]
    parts += [_text(x + PAD, y + PAD + TEXT * (n + 2) - 5, line) for n, line in enumerate(lines)]
    for number, row in enumerate(rows):
        times = _times(counted.of(name, row))
        middle = y + _port(script, name, number)
        parts.append(f'<path d="M{x:.0f} {middle - ROW / 2:.0f}h{WIDTH}" stroke="{INK}" stroke-opacity=".15"/>')
        parts.append(
            _text(
                x + PAD,
                middle + 4,
                f"{row.key} {_short(row.label, (24 if row.target in named else 34) - len(times))}",
                size=11,
            )
        )
        if row.target in named:
            words = WORDS.get(row.target, row.target)
            parts.append(_text(x + WIDTH - PAD, middle + 4, f"{times} → {words}", size=10, anchor="end", colour=FAINT))
        else:
            parts.append(_text(x + WIDTH - PAD, middle + 4, times, size=10, weight="bold", anchor="end"))
            parts.append(f'<circle cx="{x + WIDTH:.0f}" cy="{middle:.0f}" r="3" fill="{LINE}"/>')
    return "\n".join([*parts, "</g>"])


def _everywhere(counted: _Counted, y: float) -> Iterable[str]:
    yield _text(MARGIN, y + 10, "ほとんどの台詞で選べる応答", size=18, weight="bold")
    for number, row in enumerate(common(counted.script)):
        x, line = MARGIN + number % 3 * 330, y + 40 + ROW * (number // 3)
        yield _text(
            x, line, f"{row.label} → {WORDS.get(row.target, row.target)} {_times(counted.anywhere(row))}".strip()
        )


def _times(count: int) -> str:
    return f"{count:,}回" if count else ""


def _text(
    x: float, y: float, words: str, *, size: int = 12, weight: str = "", anchor: str = "", colour: str = ""
) -> str:
    extra = f' font-weight="{weight}"' if weight else ""
    extra += f' text-anchor="{anchor}"' if anchor else ""
    extra += f' fill="{colour}"' if colour else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}"{extra}>{escape(words)}</text>'


def _lines(script: Script, name: str) -> list[str]:
    """The beginning of the line, in at most three lines of text."""
    rest, found = _line_of(script, name, 3 * LETTERS - 2), []
    while rest:
        cut = _fitting(rest, LETTERS)
        cut += rest[cut : cut + 1] in ("、", "。", "」", "？", "…")  # these begin no line
        found.append(rest[:cut])
        rest = rest[cut:]
    return found


def _line_of(script: Script, name: str, letters: int) -> str:
    text = next(iter(script.states[name].says.by_setting_value.values())).strip().replace("\n", "")
    text = re.sub(r"{%.*?%}", "", text)
    return _short(re.sub(r"{{\s*([^|}]*?)\s*(\|[^}]*)?}}", r"〔\1〕", text), letters)


def _short(text: str, letters: int) -> str:
    cut = _fitting(text, letters)
    return text if cut >= len(text) else text[: _fitting(text, letters - 2)] + "…"


def _fitting(text: str, letters: int) -> int:
    """How many characters fit into that many half-width letters."""
    used = 0
    for count, letter in enumerate(text):
        used += 2 if east_asian_width(letter) in "WFA" else 1
        if used > letters:
            return count
    return len(text)


def _plain(text: str) -> str:
    """Text without what Mermaid would read as its own."""
    return text.translate(_PLAIN)


_PLAIN = str.maketrans('":;#{}\n', "”：；＃｛｝ ")
