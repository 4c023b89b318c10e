"""`callflow twilio check`: each thing that may be wrong is found, with its mend; every request is one of Twilio's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from callflow.clock import SimulatedClock
from callflow.telephony.twilio import checks
from callflow.telephony.twilio.softphone import Softphone
from callflow.telephony.twilio.webhooks import TwilioReceiver
from tests.peers.twilio_peer import CALLER_ID, HOOKS_AT, SID, TwilioPeer


@pytest.fixture
def peer(clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwilioPeer]:
    """Twilio with everything in order, and our web server where Twilio would call it."""
    made = TwilioPeer(clock)
    receiver = TwilioReceiver(made.account(), clock)

    async def hook(request: Request) -> Response:
        return Response(status_code=receiver.read(request.url.path, request.headers, await request.body()).status)

    web = TestClient(Starlette(routes=[Route("/{rest:path}", hook, methods=["POST"])]))

    def post(url: str, **given: Any) -> httpx.Response:
        if not url.startswith(HOOKS_AT):
            raise httpx.ConnectError("nobody there")
        return web.post(urlsplit(url).path, data=given["data"], headers=given.get("headers"))

    monkeypatch.setattr(checks.httpx, "post", post)
    yield made
    made.close()
    assert made.violations == []


def found(peer: TwilioPeer, **more: Any) -> dict[str, bool]:
    account = replace(peer.account(), **more)
    findings = list(checks.check(account))
    assert all(each.mend for each in findings if not each.good)
    assert not any(account.token in each.ja for each in findings)
    return {each.name: each.good for each in findings}


GOOD = {"credentials": True, "caller_id": True, "japan": True, "abroad": True, "webhook": True}


def test_an_account_in_order_is_good_with_a_bought_or_a_verified_number(peer: TwilioPeer) -> None:
    assert found(peer) == GOOD
    peer.owned, peer.verified = [], [CALLER_ID]
    assert found(peer) == GOOD
    assert not any(method in each for each in peer.requests for method in ("POST", "DELETE"))  # it changes nothing


WRONG: dict[str, tuple[Callable[[TwilioPeer], None], dict[str, Any]]] = {
    "credentials": (lambda peer: setattr(peer, "status", "suspended"), {}),
    "caller_id": (lambda peer: setattr(peer, "owned", [f"{CALLER_ID}1"]), {}),
    "japan": (lambda peer: setattr(peer, "countries", []), {}),
    "abroad": (lambda peer: setattr(peer, "countries", ["JP", "US"]), {}),
    "webhook": (lambda _peer: None, {"webhook_url": "https://other.example.lg.jp"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_and_nothing_else(peer: TwilioPeer, name: str) -> None:
    spoil, more = WRONG[name]
    spoil(peer)
    assert found(peer, **more) == {**GOOD, name: False}


def test_a_hook_that_takes_what_is_not_signed_by_us_is_found(peer: TwilioPeer) -> None:
    assert found(peer, token="another-token")["webhook"] is False  # ours is refused
    assert found(peer, webhook_url="http://127.0.0.1:1", api_url="http://127.0.0.1:9")["webhook"] is False


def test_the_key_of_the_browsers_is_asked_for_with_its_own_name(peer: TwilioPeer) -> None:
    phone = Softphone(SID, CALLER_ID, "SK" + "1" * 32, "an-invented-secret")
    assert [each.good for each in checks.check(peer.account(), phone) if each.name == "browser_key"] == [True]
    peer.faults["other"].append("401")
    wrong = checks._browser(peer.account(), phone)
    assert (wrong.good, "401" in wrong.ja, "api_key_sid" in wrong.mend) == (False, True, True)
    nobody = checks._browser(replace(peer.account(), api_url="http://127.0.0.1:9"), phone)
    assert (nobody.good, phone.key_secret in nobody.ja) == (False, False)


def test_plain_http_is_found_before_anything_is_sent(peer: TwilioPeer) -> None:
    account = replace(peer.account(), api_url="", webhook_url="http://127.0.0.1:8080")
    finding = checks._hook(account)
    assert (finding.good, "https" in finding.ja) == (False, True)


def test_refused_credentials_and_no_way_out_are_told_apart(peer: TwilioPeer) -> None:
    peer.faults["other"].append("401")
    wrong = next(iter(checks.check(peer.account())))
    assert (wrong.good, "account_sid" in wrong.mend) == (False, True)
    nobody = next(iter(checks.check(replace(peer.account(), api_url="http://127.0.0.1:9"))))
    assert (nobody.good, "経路" in nobody.mend) == (False, True)
