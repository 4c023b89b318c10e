"""A script drawn: Mermaid with ASCII ids and Japanese labels, and SVG laid out here, without any network. Pure."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from callflow.script.model import END, RESUME, SAME, Script

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 210, 64, 26, 90, 30
COLOURS = {"nothing": "#eef2f7", "name": "#e3f0e3", "topic": "#fff3d6", "debt": "#fbe3e3"}
"""By level; the level's name stands in the box too, so that colour is never alone."""


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    label: str


def edges(script: Script) -> list[Edge]:
    """The arrows between states, answers of `anywhere` left out; several answers to one target share an arrow."""
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for state in script.states.values():
        for answer in state.answers.values():
            targets = (*answer.to.values, *((answer.then,) if answer.then else ()))
            for target in targets if not answer.from_anywhere else ():
                if target != SAME:
                    labels[(state.name, target)].append(answer.label)
    return [Edge(source, target, "／".join(words)) for (source, target), words in labels.items()]


def mermaid(script: Script) -> str:
    """A state diagram in Mermaid."""
    ids = {name: f"s{number}" for number, name in enumerate(script.states)}
    ids |= {END: "fin", RESUME: "back"}
    lines = ["stateDiagram-v2", "  direction TB"]
    for name, state in script.states.items():
        lines.append(f'  state "{_plain(name)}: {_plain(_words(script, name, 24))}" as {ids[name]}')
        if state.draft:
            lines.append(f"  note right of {ids[name]}: 下書き")
    lines += ['  state "終話" as fin', '  state "元の台詞へ" as back']
    lines += [f"  [*] --> {ids[start]}" for start in script.starts.values()]
    lines += [f"  {ids[e.source]} --> {ids[e.target]}: {_plain(e.label)}" for e in edges(script)]
    return "\n".join([*lines, "  fin --> [*]", ""])


def _plain(text: str) -> str:
    return text.replace('"', "”").replace(":", "：").replace(";", "；").replace("\n", " ").replace("#", "＃")


def _words(script: Script, name: str, length: int) -> str:
    text = next(iter(script.states[name].says.by_setting_value.values())).strip().replace("\n", "")
    return text if len(text) <= length else text[: length - 1] + "…"


def svg(script: Script) -> str:
    """The same as a picture: rows by distance from the start, boxes coloured and named by what they reveal."""
    arrows = [edge for edge in edges(script) if edge.target != RESUME]
    rows = _rows(script, arrows)
    place = {
        name: (MARGIN + column * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y))
        for row, names in enumerate(rows)
        for column, name in enumerate(names)
    }
    width = 2 * MARGIN + max(len(names) for names in rows) * (WIDTH + GAP_X)
    height = 2 * MARGIN + len(rows) * (HEIGHT + GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="BIZ UDGothic, Noto Sans CJK JP, sans-serif" font-size="12">',
        f"<title>{escape(script.title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#556"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    parts += [_arrow(place[e.source], place[e.target], e.label) for e in arrows if e.source != e.target]
    parts += [_box(script, name, *place[name]) for names in rows for name in names]
    return "\n".join([*parts, "</svg>", ""])


def _rows(script: Script, arrows: list[Edge]) -> list[list[str]]:
    """States by their distance from the first line; detours, which any line can enter, in rows of their own below."""
    following: dict[str, list[str]] = defaultdict(list)
    for edge in arrows:
        following[edge.source].append(edge.target)
    distance: dict[str, int] = {}
    waiting = deque((start, 0) for start in script.starts.values())
    while waiting:
        name, far = waiting.popleft()
        if name not in distance:
            distance[name] = far
            waiting += [(target, far + 1) for target in following[name]]
    last = max(distance.values()) + 1
    rows: dict[int, list[str]] = defaultdict(list)
    for name in script.states:
        rows[distance.get(name, last)].append(name)
    rows[max(rows) + 1].append(END)
    wide = [names for _, names in sorted(rows.items())]
    return [names[start : start + 7] for names in wide for start in range(0, len(names), 7)]


def _box(script: Script, name: str, x: int, y: int) -> str:
    if name == END:
        return (
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="32" fill="#333"/>'
            f'<text x="{x + WIDTH / 2}" y="{y + 38}" fill="#fff" text-anchor="middle">終話</text>'
        )
    state = script.states[name]
    level = next(iter(state.reveals.by_setting_value.values()))
    words = _words(script, name, 32)
    lines = "".join(
        f'<text x="{x + 8}" y="{y + 36 + 16 * number}">{escape(words[a:b])}</text>'
        for number, (a, b) in enumerate(pairwise((0, 16, 32)))
    )
    draft = ' stroke-dasharray="5 3"' if state.draft else ""
    return (
        f'<g><title>{escape(name)}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"'
        f' fill="{COLOURS[level]}" stroke="#456"{draft}/>'
        f'<text x="{x + 8}" y="{y + 17}" font-weight="bold">{escape(name)}</text>'
        f'<text x="{x + WIDTH - 8}" y="{y + 17}" text-anchor="end" fill="#555" font-size="10">{level}</text>{lines}</g>'
    )


def _arrow(source: tuple[int, int], target: tuple[int, int], label: str) -> str:
    down = target[1] > source[1]
    x1, y1 = source[0] + WIDTH / 2, source[1] + (HEIGHT if down else 0)
    x2, y2 = target[0] + WIDTH / 2, target[1] + (0 if down else HEIGHT)
    bend = GAP_Y * (0.6 if down else -0.6)
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    short = label if len(label) <= 14 else label[:13] + "…"
    return (
        f'<path d="M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}" fill="none" stroke="#889"'
        f' marker-end="url(#tip)"><title>{escape(label)}</title></path>'
        f'<text x="{middle[0]}" y="{middle[1]}" font-size="9" fill="#446" text-anchor="middle">{escape(short)}</text>'
    )
