"""The worked example of docs/api.md is done as it stands there, line by line; its tables say what the code says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from callflow.access.clients import SCOPES
from callflow.cli.client import app as client_commands
from callflow.console.api.app import operations
from callflow.console.site import Site
from callflow.webhooks.rules import EVENTS
from tests.followup.conftest import Said, terminal  # noqa: F401  a fixture
from tests.integration.test_import import PAID, ROW
from tests.web.test_api_lists import as_csv

GUIDE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
FILES = {"@list.csv": as_csv(ROW), "@paid.csv": as_csv(PAID)}


def lines(start: str) -> list[list[str]]:
    blocks = re.findall(r"^```\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.startswith(start)]


def curl(app: Any, words: list[str], token: str) -> Any:
    """What curl would do: its few options that the guide uses, and no other."""
    method, headers, body, url, rest = "GET", {}, None, "", iter(words[1:])
    for word in rest:
        match word:
            case "-X":
                method = next(rest)
            case "-H":
                name, _, value = next(rest).partition(": ")
                headers[name] = value.replace("$TOKEN", token)
            case "--data-binary":
                body = FILES[next(rest)]
            case "-sS":
                pass
            case _:
                assert not url
                url = word
    return TestClient(app).request(method, url.replace("$URL", "http://testserver"), headers=headers, content=body)


def test_the_worked_example_works(site: Site, app, terminal: Callable[..., Said]) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    (made,) = (line for line in lines("callflow") if line[3:5] == ["client", "add"])
    said = terminal(made[2], *made[3:], "--json")
    assert (said.code, said.data["scopes"]) == (0, [scope for scope in SCOPES if scope in made])
    answers = [curl(app, line, said.data["token"]) for line in lines("curl")]
    assert [answer.status_code for answer in answers] == [200] * 7
    told = [answer.json() for answer in answers]
    assert [each["state"] for each in told[:3]] == ["checked", "active", "active"]
    assert told[2]["counts"]["cases_paid"] == 1
    assert told[3]["items"][0]["status"] == "paid"
    assert "cf_" not in terminal("admin01", "client", "list").out


def test_webhooks_are_run_from_the_command_line(
    site: Site,
    terminal: Callable[..., Said],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    assert terminal("admin01", "client", "add", "tainou", *scopes).code == 0
    (made,) = (line for line in lines("callflow") if "webhooks" in line)
    refused = terminal(made[2], *made[3:])
    assert (refused.code, "api.webhook_hosts" in refused.err) == (1, True)
    monkeypatch.setenv("CALLFLOW_API__WEBHOOK_HOSTS", "[tainou.example.lg.jp]")
    assert "whsec_" in terminal(made[2], *made[3:]).out
    assert "whsec_" not in terminal("admin01", "client", "webhooks", "list", "tainou").out
    assert terminal("admin01", "client", "webhooks", "deliveries", "tainou", "1", "--json").data == []
    assert terminal("admin01", "client", "webhooks", "replay", "tainou", "1", "7").code == 3
    assert terminal("admin01", "client", "webhooks", "stop", "tainou", "1").code == 0
    assert "止めて" in terminal("admin01", "client", "webhooks", "list", "tainou").out
    assert terminal("sv01", "client", "list").code == 5
    assert terminal("ward01", "client", "disable", "tainou").code == 5
    assert terminal("admin01", "client", "disable", "tainou").code == 0
    assert terminal("admin01", "client", "rotate", "tainou").code == 5


def test_every_scope_event_and_operation_stands_in_the_guide() -> None:
    cells = set(re.findall(r"^\| `([^`]+)` \|", GUIDE, re.MULTILINE))
    assert cells == {*SCOPES, *EVENTS}
    for route in operations():
        assert f"`{'/webhooks' if route.path.startswith('/webhooks') else route.path}`" in re.sub(
            r"`(?:GET|POST) ", "`", GUIDE
        ), route.path
    assert client_commands.registered_groups
