"""Pages from templates: escaped, strict about unknown names, given frozen values only."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callflow.clock import TOKYO
from callflow.console.i18n import LANGUAGES, translator

if TYPE_CHECKING:
    from callflow.console.visit import Visit

HERE = Path(__file__).parent
STATIC = HERE / "static"

_SAID: Final = re.compile(r"""\b_\((?:"([^"]*)"|'([^']*)')\)""")


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
    return _environment(visit.language).get_template(template).render({**common, **names})


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


class _Translated(FileSystemLoader):
    """Templates whose `_("…")` is the text itself, in one language: a page says some hundred of them, and they become
    constants when it is compiled."""

    def __init__(self, language: str) -> None:
        super().__init__(HERE / "templates")
        self._say = translator(language)

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, path, fresh = super().get_source(environment, template)
        return _SAID.sub(self._written, source), path, fresh

    def _written(self, found: re.Match[str]) -> str:
        return json.dumps(self._say(found[1] or found[2]), ensure_ascii=False)


@cache
def _environment(language: str) -> Environment:
    env = Environment(
        loader=_Translated(language),
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
