"""The web application, built from the table of routes and from nothing else."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.routing import Route as WebRoute
from starlette.staticfiles import StaticFiles

from callflow.console import errands, rendering
from callflow.console.api import app as api
from callflow.console.api.problems import problem_of
from callflow.console.figures import collectors_of
from callflow.console.gate import endpoint
from callflow.console.headers import Headers, with_microphone
from callflow.console.hooks import hooks
from callflow.console.routes import table
from callflow.console.site import Site
from callflow.console.watching import Watching
from callflow.errors import NotFoundError

WRITERS = 4  # steps of talks that are taken at a time: SQLite has one writer, and threads of Python one interpreter


def create_app(site: Site, *, with_errands: bool = True) -> Starlette:
    """The console of one municipality. `with_errands`: this process also hears the telephone."""
    found = table()
    turns = CapacityLimiter(1 if site.database.is_sqlite else WRITERS)
    pages = [
        WebRoute(route.path, endpoint(site, found, route, turns if route.in_turn else None), methods=[route.method])
        for route in found.routes
    ]
    files = Mount("/static", StaticFiles(directory=rendering.STATIC), name="static")

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with errands.running(site):
            yield

    paths = {page.endpoint: page.path for page in pages}
    paths |= {each.endpoint: f"{api.ROOT}{each.path}" for each in api.operations()}
    collectors = collectors_of(site)
    opened = {"/desk": with_microphone(site.softphone.hosts)} if site.softphone else {}
    app = Starlette(
        lifespan=lifespan if with_errands else None,
        routes=[*pages, *hooks(site), api.mounted(site), files],
        middleware=[
            Middleware(Watching, paths=paths, collectors=collectors),
            Middleware(Headers, tls=site.tls, opened=opened),
        ],
        exception_handlers={404: _nothing_here, 405: _not_so},
    )
    app.state.collectors = collectors
    return app


def settle_down() -> None:
    """Before a server serves: what is there by now stays, and the garbage collector need not walk through it again and
    again, for which every operator waited 100 ms.
    """
    gc.collect()
    gc.freeze()


def _nothing_here(request: Request, _error: Exception) -> Response:
    if request.scope["path"].startswith(f"{api.ROOT}/"):  # with a line break in it, which no mount takes
        return problem_of(NotFoundError("このページはありません")).response()
    return PlainTextResponse("このページはありません / no such page", status_code=404)


def _not_so(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("この操作はできません / not possible here", status_code=405)
