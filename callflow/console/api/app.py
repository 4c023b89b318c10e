"""The API as an application of its own, mounted beside the pages."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount

from callflow import __version__
from callflow.console.api import lists, records, webhooks
from callflow.console.api.gate import Gate
from callflow.console.api.problems import ProblemShape, answers_in_problems
from callflow.console.site import Site

ROOT: Final = "/api/v1"
ROUTERS: Final[tuple[APIRouter, ...]] = (lists.router, records.router, webhooks.router)
_FAULTS: Final = {
    400: "the body could not be read",
    401: "no token, or one that opens nothing",
    403: "the token's scopes do not include this",
    404: "there is no such thing",
    405: "not possible here",
    409: "a rule forbids it",
    413: "too large",
    415: "another content type",
    422: "the input is wrong",
    429: "too many requests in this minute",
    503: "the database is away",
}


def create_api(site: Site) -> FastAPI:
    """The operations without their gate."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemShape"}}}
    api = FastAPI(
        title="callflow",
        version=__version__,
        description="架電催告の記録を、区の滞納管理システムとやり取りする。docs/api.md",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        servers=[{"url": ROOT}],
        redirect_slashes=False,
        responses={status: {"description": words, "content": problem} for status, words in _FAULTS.items()},
    )
    api.state.site = site
    answers_in_problems(api)
    for router in ROUTERS:
        api.include_router(router)
    _describe_problems(api)
    return api


def mounted(site: Site) -> Mount:
    """The API behind its gate."""
    return Mount(ROOT, app=Gate(create_api(site), site), name="api")


def operations() -> list[APIRoute]:
    """What a client may ask for."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def _describe_problems(api: FastAPI) -> None:
    document = api.openapi()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["ProblemShape"] = ProblemShape.model_json_schema(ref_template="#/components/schemas/{model}")
