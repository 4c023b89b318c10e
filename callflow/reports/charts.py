"""Charts as SVG: bars, lines and heat maps that can be printed, and read without telling colours apart.

Every series has a pattern besides its colour (Okabe and Ito 2008), every value stands on its bar or cell, and the
table of the same figures stands beside the chart. Colours are attributes, which a screen's stylesheet may override.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from callflow.reports.figures import Chart, Series, said

WIDTH: Final = 760
LEFT, RIGHT = 170, 60
ROW, GAP = 22, 10
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
HEAT: Final = ("#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#2171b5", "#08306b")
INK, PALE = "#1a1a1c", "#949494"
DASHES: Final = ("none", "8 4", "2 4", "12 4 2 4")
Say = Callable[[str], str]


def svg(chart: Chart, say: Say = said) -> str:
    """The chart as one `<svg>` element, with a title and, for who cannot see it, a description."""
    if not chart.categories or not any(value is not None for each in chart.series for value in each.values):
        return ""
    draw = {"bars": _bars, "lines": _lines, "heat": _heat}[chart.shape]
    height, parts = draw(chart, say)
    title = say(chart.title)
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" role="img" aria-label={quoteattr(title)} '
        f'font-family="Noto Sans CJK JP, BIZ UDPGothic, sans-serif" font-size="12">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def shown(value: float | None, unit: str) -> str:
    """45.2% or 1,234; a dash where there is none."""
    if value is None:
        return "—"
    if unit == "%":
        return f"{value:.1%}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def top_of(values: list[float], unit: str) -> float:
    """A round value at or above the largest: where the axis ends."""
    largest = max(values, default=0)
    if largest <= 0:
        return 1.0
    if unit == "%" and largest > 0.5:
        return 1.0
    step = 10 ** math.floor(math.log10(largest))
    return float(next(step * factor for factor in (1, 2, 2.5, 5, 10) if step * factor >= largest * 0.999999))


def _values(chart: Chart) -> list[float]:
    return [value for each in chart.series for value in each.values if value is not None]


def _legend(series: list[str], y: float, *, lines: bool = False) -> Iterator[str]:
    x = float(LEFT)
    for place, label in enumerate(series):
        colour = COLOURS[place % len(COLOURS)]
        if lines:
            yield (
                f'<line class="s{place}" x1="{x}" y1="{y - 4}" x2="{x + 22}" y2="{y - 4}" stroke="{colour}" '
                f'stroke-width="3" stroke-dasharray="{DASHES[place % 4]}"/>'
            )
        else:
            yield _bar(place, x, y - 11, 22, 12)
        yield _text(x + 28, y, label)
        x += 50 + _width(label)


def _width(label: str) -> int:
    return sum(12 if ord(letter) > 255 else 7 for letter in label)


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = INK, name: str = "ink") -> str:
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}"{place} fill="{colour}">{escape(words)}</text>'


def _bar(place: int, x: float, y: float, width: float, height: float) -> str:
    """A bar in the colour of its series, striped from the second on, so that grey paper tells them apart too."""
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    colour = COLOURS[place % len(COLOURS)]
    parts = [f'<rect class="s{place}" {box} fill="{colour}"/>']
    pitch = (0, 6, 10, 4)[place % 4]
    if pitch and width > 1:
        lines = "".join(f"M{x + step:.1f} {y:.1f}v{height:.1f}" for step in range(pitch // 2, int(width), pitch))
        parts.append(f'<path class="stripe" d="{lines}" stroke="#fff" stroke-width="1.5"/>')
    return "".join(parts)


def _bars(chart: Chart, say: Say) -> tuple[float, list[str]]:
    """Horizontal, so that long names can be read."""
    top, many = top_of(_values(chart), chart.unit), len(chart.series)
    thick = ROW if many == 1 else 15
    scale = (WIDTH - LEFT - RIGHT) / top
    parts: list[str] = []
    y = 8.0
    if many > 1:
        parts += _legend([say(each.label) for each in chart.series], 20)
        y = 34.0
    for index, category in enumerate(chart.categories):
        middle = y + thick * many / 2 + 4
        parts.append(_text(LEFT - 8, middle, _short(say(category)), "end"))
        for place, each in enumerate(chart.series):
            value = each.values[index]
            width = 0 if value is None else max(0.0, value * scale)
            parts.append(_bar(place, LEFT, y + place * thick, width, thick - 3))
            parts.append(_text(LEFT + width + 5, y + place * thick + thick - 6, shown(value, chart.unit)))
        y += thick * many + GAP
    parts.append(f'<path class="axis" d="M{LEFT} {8 if many == 1 else 30}V{y}" stroke="{PALE}"/>')
    if chart.unit and chart.unit != "%":
        parts.append(_text(WIDTH - 4, y + 8, f"（{say(chart.unit)}）", "end"))
        y += 10
    return y + 6, parts


def _short(label: str, most: int = 156) -> str:
    if _width(label) <= most:
        return label
    while label and _width(label) > most - 12:
        label = label[:-1]
    return f"{label}…"


def _lines(chart: Chart, say: Say) -> tuple[float, list[str]]:
    low, high, left = 230.0, 40.0, 60.0
    top, count = top_of(_values(chart), chart.unit), len(chart.categories)
    step = (WIDTH - left - 90) / max(1, count - 1)
    parts = list(_legend([say(each.label) for each in chart.series], 20, lines=True))
    for tick in range(5):
        y = low - (low - high) * tick / 4
        parts.append(f'<path class="axis" d="M{left} {y:.1f}H{WIDTH - 90}" stroke="{PALE}" stroke-width="0.5"/>')
        parts.append(_text(left - 6, y + 4, shown(top * tick / 4, chart.unit), "end"))
    every = max(1, math.ceil(count / 12))
    for index in range(0, count, every):
        parts.append(_text(left + index * step, low + 18, say(chart.categories[index]), "middle"))
    for place, each in enumerate(chart.series):
        parts += _line(place, each, left, step, low, (low - high) / top, chart.unit)
    return low + 30, parts


def _line(place: int, each: Series, left: float, step: float, low: float, scale: float, unit: str) -> Iterator[str]:
    colour = COLOURS[place % len(COLOURS)]
    path, broken, last = [], True, None
    for index, value in enumerate(each.values):
        if value is None:
            broken = True
            continue
        x, y = left + index * step, low - value * scale
        path.append(f"{'M' if broken else 'L'}{x:.1f} {y:.1f}")
        yield _mark(place, x, y, colour)
        broken, last = False, (x, y, value)
    yield (
        f'<path class="s{place}" d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="2.5" '
        f'stroke-dasharray="{DASHES[place % 4]}"/>'
    )
    if last:
        yield _text(last[0] + 8, last[1] + 4, shown(last[2], unit))


def _mark(place: int, x: float, y: float, colour: str) -> str:
    """A dot for the first series, a square for the second, a diamond for the others."""
    if place % 4 == 0:
        return f'<circle class="s{place}" cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    if place % 4 == 1:
        return f'<rect class="s{place}" x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6" fill="{colour}"/>'
    return f'<path class="s{place}" d="M{x:.1f} {y - 4:.1f}l4 4l-4 4l-4-4z" fill="{colour}"/>'


def _heat(chart: Chart, say: Say) -> tuple[float, list[str]]:
    wide, tall, left = (WIDTH - 100) / len(chart.categories), 30, 90
    values = _values(chart)
    low, high = min(values), max(values)
    parts = [_text(left + (place + 0.5) * wide, 18, say(name), "middle") for place, name in enumerate(chart.categories)]
    for row, each in enumerate(chart.series):
        y = 26 + row * tall
        parts.append(_text(left - 8, y + 19, say(each.label), "end"))
        for column, value in enumerate(each.values):
            x = left + column * wide
            level = _level(value, low, high)
            fill = "none" if level is None else HEAT[level]
            name = "h" if level is None else f"h{level}"
            parts.append(
                f'<rect class="{name}" x="{x + 1:.1f}" y="{y + 1}" width="{wide - 2:.1f}" height="{tall - 2}" '
                f'fill="{fill}" stroke="{PALE}" stroke-width="0.5"/>'
            )
            dark = level is not None and level > 4
            words = shown(value, chart.unit)
            parts.append(
                _text(
                    x + wide / 2, y + 19, words, "middle", "#ffffff" if dark else INK, "on-dark" if dark else "on-light"
                )
            )
    return 26 + len(chart.series) * tall + 6, parts


def _level(value: float | None, low: float, high: float) -> int | None:
    if value is None:
        return None
    if high <= low:
        return len(HEAT) // 2
    return min(len(HEAT) - 1, int((value - low) / (high - low) * len(HEAT)))
