"""Pages from templates: escaped, strict about unknown names, given frozen values only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callflow.clock import TOKYO
from callflow.console.i18n import LANGUAGES

if TYPE_CHECKING:
    from callflow.console.visit import Visit

HERE = Path(__file__).parent
STATIC = HERE / "static"


def page(visit: Visit, template: str, names: Mapping[str, Any]) -> str:
    """A whole page, in the visitor's language."""
    said = visit.table.said.get(visit.query.get("said", ""), "")
    common = {
        "_": visit.say,
        "visit": visit,
        "session": visit.session,
        "language": visit.language,
        "languages": LANGUAGES,
        "notices": visit.site.notices(visit.now, visit.say),
        "said": visit.say(said) if said else "",
        "title": visit.say(visit.route.title),
        "desk_at": visit.site.desk_at,
        "practice": visit.site.practice,
    }
    return _environment().get_template(template).render({**common, **names})


def clock_time(moment: datetime | None) -> str:
    """13:02 in Tokyo."""
    return f"{moment.astimezone(TOKYO):%H:%M}" if moment else ""


def day_time(moment: datetime | None) -> str:
    """11/24 13:02 in Tokyo."""
    return f"{moment.astimezone(TOKYO):%m/%d %H:%M}" if moment else ""


def full_time(moment: datetime | None) -> str:
    """2026-11-24 13:02:11 in Tokyo."""
    return f"{moment.astimezone(TOKYO):%Y-%m-%d %H:%M:%S}" if moment else ""


def day(value: date | None) -> str:
    """2026-11-24; of an instant, its day in Tokyo."""
    if isinstance(value, datetime):
        value = value.astimezone(TOKYO).date()
    return value.isoformat() if value else ""


def yen(amount: int) -> str:
    """32,400円."""
    return f"{amount:,}円"


@cache
def asset(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.globals["asset"] = asset
    env.filters |= {
        "clock_time": clock_time,
        "day_time": day_time,
        "full_time": full_time,
        "day": day,
        "yen": yen,
    }
    return env
