"""A forecast in words and as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from callflow.campaigns import STATE_WORDS
from callflow.clock import TOKYO
from callflow.simulation.planner.forecast import Forecast, Spread, as_data, moment
from callflow.simulation.planner.hours import date_of
from callflow.simulation.planner.rates import GAP, PREVIEW, PRIOR_CALLS, PRIOR_KEPT, History, Rates
from callflow.simulation.planner.run import Setup

MODE_WORDS = {"preview": "プレビュー", "progressive": "プログレッシブ（1対1）", "predictive": "予測発信"}
HEAD = (
    "担当者",
    "応答率",
    "完了",
    "80％の区間",
    "期間内に完了",
    "話せた案件",
    "約束",
    "発信",
    "架電日",
    "稼働率",
    "放棄呼",
)
LEFT_OUT = "期間中の納付、担当者の休み、連絡先の更新は見込んでいません。収納データは毎日更新されるものとしています。"


@dataclass(frozen=True, slots=True)
class Told:
    """What a forecast was made for and from."""

    name: str
    state: str
    setup: Setup
    held: int
    history: History
    rates: Rates
    start: datetime
    seed: int

    def lines(self, found: Sequence[Forecast], svg: Path | None) -> Iterator[str]:
        setup = self.setup
        already = sum(each.reached for each in setup.cases)
        yield f"{self.name}（{STATE_WORDS[self.state]}）の見通し: {MODE_WORDS[setup.mode]}"
        yield (
            f"対象 {len(setup.cases):,} 件（うち本人・配偶者と話せた案件 {already:,} 件）。"
            + (f"保留中の {self.held:,} 件は含みません" if self.held else "")
        )
        yield f"期間 {self._period()}、架電できる日 {len(self._days()):,} 日"
        yield ""
        yield from table([HEAD, *(_row(each, already) for each in found)])
        yield ""
        yield f"{found[0].runs} 通りの試算の中央値です（種 {self.seed}）。[ ] は80％の予測区間です。"
        yield "完了とは、どの案件も本人・配偶者と話せたか、もう架電できないことです。"
        yield from self.beliefs()
        yield LEFT_OUT
        if svg is not None:
            yield f"グラフ: {svg}"

    def beliefs(self) -> Iterator[str]:
        """What the forecast rests on, and how much of it is this municipality's own."""
        rates, known = self.rates, len(self.history.calls)
        bands = "、".join(
            f"{band.ja} {rates.answer[band]:.0%}" for band in rates.answer if band in set(self.setup.hours.bands)
        )
        yield f"前提: これまでの通話 {known:,} 件に、標準の値を {PRIOR_CALLS:g} 件分として加えています。"
        yield f"  応答率 {bands}。同じ世帯への発信の似通い {rates.likeness:.2f}（0 は一回ごとに別、1 は毎回同じ）"
        yield (
            f"  通話 平均 {rates.answered.mean('talk'):.0f} 秒、呼出 出た場合 {rates.answered.mean('ring'):.0f} 秒・"
            f"出ない場合 {rates.unanswered.mean('ring'):.0f} 秒、後処理と次の案件の確認 {rates.gap:.0f} 秒"
            + (f"＋{PREVIEW:g} 秒" if self.setup.mode == "preview" else "")
        )
        yield f"  納付約束の履行 {rates.kept:.0%}"

    def note(self, runs: int) -> str:
        """For a chart, in one line."""
        return (
            f"{self._period()}、{MODE_WORDS[self.setup.mode]}、対象 {len(self.setup.cases):,} 件、"
            f"実績 {len(self.history.calls):,} 件から {runs} 通りの試算（種 {self.seed}）"
        )

    def data(self, found: Sequence[Forecast]) -> dict[str, Any]:
        rates, setup = self.rates, self.setup
        return {
            "campaign": self.name,
            "mode": setup.mode,
            "seed": self.seed,
            "from": self.start.astimezone(TOKYO).isoformat(timespec="minutes"),
            "until": _day_before(setup.hours.until).isoformat(),
            "days": [day.isoformat() for day in self._days()],
            "cases": len(setup.cases),
            "reached_before": sum(each.reached for each in setup.cases),
            "held": self.held,
            "assumptions": {
                "calls_known": len(self.history.calls),
                "prior_calls": PRIOR_CALLS,
                "answer_rate": {band.name.lower(): round(rate, 4) for band, rate in rates.answer.items()},
                "likeness": round(rates.likeness, 4),
                "talk_seconds": round(rates.answered.mean("talk"), 1),
                "ring_seconds": {
                    "answered": round(rates.answered.mean("ring"), 1),
                    "unanswered": round(rates.unanswered.mean("ring"), 1),
                },
                "gap_seconds": round(rates.gap, 1),
                "promises_kept": round(rates.kept, 4),
                "prior": {"gap_seconds": GAP, "promises_kept": PRIOR_KEPT},
            },
            "scenarios": [as_data(each) for each in found],
        }

    def _period(self) -> str:
        last = _day_before(self.setup.hours.until)
        return f"{self.start.astimezone(TOKYO):%Y年%m月%d日 %H:%M}〜{last:%Y年%m月%d日}"

    def _days(self) -> list[Any]:
        return sorted({date_of(opens) for opens in self.setup.hours.opens})


def _day_before(until: float) -> Any:
    return date_of(until - 1)


def _row(each: Forecast, already: int) -> tuple[str, ...]:
    low, high = each.finished.intervals[0.8]
    return (
        f"{each.scenario.operators}人",
        f"×{each.scenario.answer_factor:g}",
        _day(each.finished.middle),
        f"{_day(low)}〜{_day(high)}",
        f"{each.in_time:.0%}",
        _with_interval(each.reached, lambda value: f"{value + already:,.0f}"),
        _with_interval(each.promises, lambda value: f"{value:,.0f}"),
        f"{each.calls.middle or 0:,.0f}",
        f"{each.days.middle or 0:.0f}日",
        f"{each.utilisation:.0%}",
        f"{each.abandoned.middle or 0:.1%}",
    )


def _day(seconds: float | None) -> str:
    found = moment(seconds)
    return f"{found:%Y-%m-%d}" if found else "期間外"


def _with_interval(spread: Spread, shown: Callable[[float], str]) -> str:
    low, high = spread.intervals[0.8]
    return f"{shown(spread.middle or 0)} [{shown(low or 0)}–{shown(high or 0)}]"


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns under each other, full-width characters counted as two."""
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
