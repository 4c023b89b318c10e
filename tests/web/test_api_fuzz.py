"""schemathesis over the OpenAPI document, on a municipality with calls: no 5xx, nothing but what it describes."""

from __future__ import annotations

from datetime import timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from callflow.access.clients import SCOPES
from callflow.console.site import Site
from tests.integration.test_calls import whole
from tests.integration.test_holdings import HARD
from tests.web.apiclient import let_in
from tests.web.test_api_lists import queued
from tests.world import World, add_case

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def tokens(site: Site, world: World) -> dict[str, str]:
    """One with every scope, one of each scope, and none; over a campaign, a call and what it left behind."""
    queued(site, world)
    with site.database.write() as conn:
        case = add_case(conn, 2)
    whole(world, case, HARD)
    site.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    of_scopes = {scope: let_in(site, scope.replace(":", "-"), {scope}, per_minute=100_000) for scope in SCOPES}
    return {"all": let_in(site, per_minute=100_000), **of_scopes, "none": "cf_nobody"}


@pytest.mark.parametrize("count", [4, pytest.param(1_000, marks=[pytest.mark.deep, pytest.mark.timeout(7200)])])
def test_no_request_breaks_it(site: Site, app, tokens: dict[str, str], count: int) -> None:  # type: ignore[no-untyped-def]
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    given_tokens = st.one_of(st.just(tokens["all"]), st.sampled_from(sorted(tokens.values())))
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode), token=given_tokens)
            def ask(case, token):  # type: ignore[no-untyped-def]
                nonlocal asked
                asked += 1
                case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

            ask()
    assert asked > 17 * count
