"""The effective configuration: every value, and where it came from."""

from __future__ import annotations

from starlette.responses import Response

from callflow.config import effective
from callflow.console.i18n import said
from callflow.console.listing import asked, listed
from callflow.console.routes import Route, allow
from callflow.console.visit import Visit


def settings(visit: Visit) -> Response:
    wanted = asked(visit.query, sorts=("key", "value", "source"))
    found = effective(visit.site.config_path)
    return visit.page("settings.html", listing=listed(found, wanted, words=lambda each: f"{each.key} {each.value}"))


ROUTES = (
    Route(
        "GET",
        "/settings",
        settings,
        allow("supervisor", "staff", "auditor", "admin"),
        said("設定"),
        menu=True,
        aside=True,
    ),
)
