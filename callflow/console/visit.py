"""One request of one person, as a page sees it: who asks, what was sent, and how to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sqlalchemy import Row
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from callflow.access.sessions import Session
from callflow.console import rendering
from callflow.console.i18n import Say, translator
from callflow.console.site import Site
from callflow.errors import NotFoundError

MOST_IN_BAR = 8  # pages that stand side by side in one row of 1366 pixels, in both languages

if TYPE_CHECKING:
    from callflow.console.routes import Route, Table


def swaps(request: Request) -> bool:
    """Whether a script on the page asked, which puts a part of the answer in place and not the page around it."""
    return request.headers.get("hx-request") == "true"


@dataclass(frozen=True, slots=True)
class Visit:
    """`session` is None only on routes that let `anonymous` in. `stopped`: since when and why nothing is dialled, if a
    stop of everything stands."""

    site: Site
    request: Request
    route: Route
    table: Table
    session: Session | None
    form: FormData
    now: datetime
    stopped: Row[datetime, str] | None = None

    @property
    def who(self) -> Session:
        """The person who asks; only for routes of people who have logged in."""
        assert self.session is not None
        return self.session

    @property
    def language(self) -> str:
        return self.session.language if self.session else "ja"

    @property
    def say(self) -> Say:
        """Translates a text into the visitor's language."""
        return translator(self.language)

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    @property
    def terminal(self) -> str:
        """The address that the request came from."""
        return self.request.client.host if self.request.client else ""

    @property
    def swaps(self) -> bool:
        """A script on the page asked, and will put the answer in place itself."""
        return swaps(self.request)

    def typed(self, name: str) -> str:
        """A field of the form, without blanks around it; empty where it is missing."""
        value = self.form.get(name, "")
        return "" if isinstance(value, UploadFile) else str(value).strip()

    def id(self, name: str = "id") -> int:
        """A number of the path. Raises NotFoundError if it is none."""
        try:
            return int(self.request.path_params[name])
        except ValueError:
            raise NotFoundError("このページはありません") from None

    def page(self, template: str, *, status: int = 200, **names: Any) -> HTMLResponse:
        """A page from a template; `names` are what it may use besides what every page has."""
        return HTMLResponse(rendering.page(self, template, names), status_code=status)

    def go(self, path: str, *, said: str = "", **query: str) -> Response:
        """Sends the browser to a page after an act. `said`: a code of the page module's `SAID`.

        A script must not put a whole other page into a part of this one: it is told to send the browser there.
        """
        asked = {**query, **({"said": said} if said else {})}
        place = path + (f"?{urlencode(asked)}" if asked else "")
        if self.swaps:
            return Response(headers={"HX-Redirect": place})
        return RedirectResponse(place, status_code=303)

    @property
    def places(self) -> list[Route]:
        """The pages that this person may open from the menu."""
        roles = self.session.roles if self.session else frozenset({"anonymous"})
        return [route for route in self.table.routes if route.menu and route.allow & roles]

    @property
    def place(self) -> Route | None:
        """The place of the menu at which this person is: the page itself, or the one that it stands under."""
        here = [
            each for each in self.places if self.route.path == each.path or self.route.path.startswith(f"{each.path}/")
        ]
        return max(here, key=lambda each: len(each.path), default=None)

    @property
    def menu(self) -> tuple[list[Route], list[Route]]:
        """The places in the bar, and those behind its last word, where they are too many for one row."""
        places = self.places
        few = len(places) <= MOST_IN_BAR
        return [each for each in places if few or not each.aside], [each for each in places if each.aside and not few]
