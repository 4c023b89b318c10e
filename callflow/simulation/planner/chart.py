"""A forecast as a chart: one SVG that needs nothing else, readable without colours and on paper. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Final

from callflow.simulation.planner.forecast import Forecast, moment

WIDTH, HEIGHT = 960, 540
LEFT, RIGHT, TOP, BOTTOM = 84, 214, 84, 92
FONT: Final = "'BIZ UDGothic','BIZ UDPGothic','Noto Sans CJK JP','Noto Sans JP','Hiragino Sans',sans-serif"
STYLES: Final = (
    ("#0072B2", ""),
    ("#D55E00", "9 4"),
    ("#009E73", "3 3"),
    ("#CC79A7", "12 3 3 3"),
    ("#000000", "1 4"),
    ("#8A6D00", "16 5"),
)
"""Okabe and Ito's colours, told apart by most kinds of colour vision, and a dash for each."""
SUBTITLE: Final = "本人・配偶者と話せた案件（累計、件）。帯は80％の予測区間、◆は完了日（中央値）"
_WEEKDAYS: Final = "月火水木金土日"


def chart(found: Sequence[Forecast], title: str, note: str) -> str:
    """Cases reached by the end of each calling day, a line for each scenario with its 80 % band."""
    days = max((each.reached_by for each in found), key=len, default=())
    shown = [day for day, *_ in days]
    top = _round_up(max((high for each in found for *_, high in each.reached_by), default=1.0))
    parts = [_head(title, note, found), *_axes(shown, top)]
    labels = _apart([_y(each.reached_by[-1][2], top) for each in found if each.reached_by])
    drawn = [each for each in found if each.reached_by]
    for index, (each, label_y) in enumerate(zip(drawn, labels, strict=True)):
        parts += _scenario(each, index, shown, top, label_y)
    return "\n".join([*parts, "</svg>"]) + "\n"


def named(each: Forecast) -> str:
    """A scenario in words."""
    factor = each.scenario.answer_factor
    return f"{each.scenario.operators}人" + (f"・応答率×{factor:g}" if factor != 1 else "")


def _head(title: str, note: str, found: Sequence[Forecast]) -> str:
    told = "。".join(f"{named(each)}: {_finish_words(each)}" for each in found)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-labelledby="t d" font-family="{FONT}" font-size="14" fill="#1a1a1a">\n'
        f'<title id="t">{escape(title)}</title>\n<desc id="d">{escape(told)}</desc>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        f'<text x="{LEFT}" y="34" font-size="20" font-weight="bold">{escape(title)}</text>\n'
        f'<text x="{LEFT}" y="60">{SUBTITLE}</text>\n'
        f'<text x="{LEFT}" y="{HEIGHT - 16}" font-size="12" fill="#444444">{escape(note)}</text>'
    )


def _axes(days: Sequence[date], top: float) -> list[str]:
    parts = []
    for step in range(6):
        value = top * step / 5
        y = _y(value, top)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#d0d0d0"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{value:,.0f}</text>')
    every = max(1, -(-len(days) // 9))
    for index in range(0, len(days), every):
        x, day = _x(index, len(days)), days[index]
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{day.month}/{day.day}'
            f'<tspan x="{x:.1f}" dy="17" font-size="12">{_WEEKDAYS[day.weekday()]}</tspan></text>'
        )
        parts.append(
            f'<line x1="{x:.1f}" y1="{HEIGHT - BOTTOM}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM + 5}" stroke="#444444"/>'
        )
    base = HEIGHT - BOTTOM
    parts.append(f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}" stroke="#444444"/>')
    return parts


def _scenario(each: Forecast, index: int, days: Sequence[date], top: float, label_y: float) -> list[str]:
    colour, dash = STYLES[index % len(STYLES)]
    points = [(_x(days.index(day), len(days)), low, middle, high) for day, low, middle, high in each.reached_by]
    points.append((_x(len(days) - 1, len(days)), *points[-1][1:]))  # what was reached stays
    band = [f"{x:.1f},{_y(high, top):.1f}" for x, _, _, high in points]
    band += [f"{x:.1f},{_y(low, top):.1f}" for x, low, _, _ in reversed(points)]
    line = [f"{x:.1f},{_y(middle, top):.1f}" for x, _, middle, _ in points]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    end_x, end_y = points[-1][0], _y(points[-1][2], top)
    label_x = WIDTH - RIGHT + 26
    parts = [
        f'<polygon points="{" ".join(band)}" fill="{colour}" fill-opacity="0.13"/>',
        f'<polyline points="{" ".join(line)}" fill="none" stroke="{colour}" stroke-width="2.5"{dashed}/>',
        f'<path d="M{end_x + 3:.1f},{end_y:.1f} L{label_x - 8},{label_y - 5:.1f} h30" fill="none" '
        f'stroke="{colour}" stroke-width="2"{dashed}/>',
        f'<text x="{label_x + 28}" y="{label_y:.1f}" font-weight="bold">{escape(named(each))}'
        f'<tspan x="{label_x + 28}" dy="17" font-weight="normal" font-size="12">'
        f"{escape(_finish_words(each))}</tspan></text>",
    ]
    finish = moment(each.finished.middle)
    if finish is not None and finish.date() in days:
        x = _x(days.index(finish.date()), len(days))
        reached = next(middle for day, _, middle, _ in each.reached_by if day == finish.date())
        y = _y(reached, top)
        diamond = f"M{x:.1f},{y - 8:.1f} l7,8 l-7,8 l-7,-8 z"
        parts.append(f'<path d="{diamond}" fill="{colour}" stroke="#ffffff" stroke-width="1.5"/>')
    return parts


def _finish_words(each: Forecast) -> str:
    finish = moment(each.finished.middle)
    return f"{finish.month}月{finish.day}日に完了" if finish else "期間内に終わらない"


def _apart(places: Sequence[float], least: float = 40.0) -> list[float]:
    """Labels at their lines' ends, moved so that none covers another."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for before, index in zip([None, *order], order, strict=False):
        floor = TOP if before is None else moved[before] + least
        moved[index] = max(moved[index], floor)
    over = max((moved[index] for index in order), default=0.0) - (HEIGHT - BOTTOM - 4)
    return [place - over for place in moved] if over > 0 else moved


def _x(index: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (index / (count - 1) if count > 1 else 0.5)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _round_up(value: float) -> float:
    """The next of 5, 10, 25, 50, 100, 250, …: five steps of whole numbers."""
    size = 5.0
    while True:
        for factor in (1, 2, 5):
            if size * factor >= value:
                return size * factor
        size *= 10
