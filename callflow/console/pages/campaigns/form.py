"""What the planner's form holds, as it was typed, and what it means. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from starlette.datastructures import FormData

from callflow.console.i18n import said
from callflow.dayplan import Wish
from callflow.errors import InputError, Where
from callflow.policywords import ITEMS
from callflow.selection import Selection, Span
from scheduler.budgets import CallingDays
from scheduler.settings import MODES, Mode

LONGEST = 200
MOST_DAYS = 366
KINDS: Final = ("day", "evening", "rest_day")
RANGES: Final = ("instalments", "amount", "age_days")
COUNTS: Final = {"days": "count_days", "evenings": "count_evenings", "sundays": "count_sundays"}
SPREAD: Final = "spread"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields as they were typed; the chosen days by kind, in ISO form."""

    typed: Mapping[str, str]
    days: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def sent(cls, form: FormData) -> Form:
        typed = {name: str(value).strip()[:LONGEST] for name, value in form.items() if name not in KINDS}
        days = {kind: tuple(str(each) for each in form.getlist(kind)[:MOST_DAYS]) for kind in KINDS}
        return cls(typed, days)

    def one(self, name: str) -> str:
        return self.typed.get(name, "")

    def with_days(self, days: CallingDays | None) -> Form:
        """The same form with these days chosen."""
        if days is None:
            return self
        parts = (days.days, days.evenings, days.rest_days)
        return Form(self.typed, {kind: tuple(sorted(map(str, part))) for kind, part in zip(KINDS, parts, strict=True)})


@dataclass(frozen=True, slots=True)
class Meant:
    """What a form says."""

    name: str
    claim_type: str
    script: str
    selection: Selection
    wish: Wish
    holdout: int
    mode: Mode
    policy: Mapping[str, int]
    settings: Mapping[str, str]


def read(form: Form, today: date) -> Meant:
    """What the form means. Raises InputError, which names the field."""
    spans = {name: _span(form, name) for name in RANGES}
    quiet = form.one("contact") == "quiet"
    selection = Selection(
        **spans,
        quiet_days=_number(form, "quiet_days", 1, 3_650) if quiet else None,
        never_reached=form.one("contact") == "never",
        areas=_words(form.one("areas")),
        languages=tuple(_words(form.one("spoken"))),
    )
    return Meant(
        name=form.one("name"),
        claim_type=form.one("claim_type"),
        script=form.one("script"),
        selection=selection,
        wish=_wish(form, today),
        holdout=_number(form, "holdout", 0, 100) or 0,
        mode=_mode(form.one("mode")),
        policy={name: value for name in ITEMS if (value := _number(form, f"policy_{name}", 0, 100_000)) is not None},
        settings={
            name.removeprefix("set_"): value for name, value in form.typed.items() if name.startswith("set_") and value
        },
    )


def _mode(given: str) -> Mode:
    found = next((mode for mode in MODES if mode == given), None)
    if given and found is None:
        raise InputError(
            said("この発信方式はありません。"), where=Where(field="mode"), mend=said("一覧から選んでください。")
        )
    return found or "progressive"


def _wish(form: Form, today: date) -> Wish:
    """The days that are ticked; else, and when they are to be spread anew, so many of the period."""
    if form.one("which") == "all":
        return Wish()
    listed = CallingDays(*(frozenset(_date(each, kind) for each in form.days.get(kind, ())) for kind in KINDS))
    if listed and form.one("do") != SPREAD:
        return Wish(listed=listed)
    first, last = (_date(form.one(name), name) if form.one(name) else None for name in ("first", "last"))
    counts = {kind: _number(form, name, 0, MOST_DAYS) or 0 for kind, name in COUNTS.items()}
    if (counts["evenings"] or counts["sundays"]) and not counts["days"]:
        raise InputError(
            said("夜間と日曜は、架電日数の内数です。"),
            where=Where(field="count_days"),
            mend=said("架電日数も書いてください。"),
        )
    wish = Wish(first, last, counts if counts["days"] else None)
    return wish if wish or form.one("which") != "some" else Wish(first=today + timedelta(days=1))


def _span(form: Form, name: str) -> Span | None:
    least, most = _number(form, f"{name}_from"), _number(form, f"{name}_to")
    if least is None and most is None:
        return None
    if least is not None and most is not None and least > most:
        raise InputError(said("小さいほうを先に書いてください。"), where=Where(field=f"{name}_from"))
    return Span(least, most)


def _number(form: Form, name: str, least: int = 0, most: int = 10**12) -> int | None:
    plain = re.sub(r"[,、円日期%]", "", unicodedata.normalize("NFKC", form.one(name))).strip()
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit() and least <= int(plain) <= most):
        raise InputError(
            said("数として読めません。"), where=Where(field=name), mend=said("0 以上の整数で書いてください。")
        )
    return int(plain)


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in re.split(r"[\s,、，]+", text) if word))


def _date(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(
            said("日付として読めません。"), where=Where(field=name), mend=said("2026-12-01 の形で書いてください。")
        ) from None
