"""The operator's telephone in the browser: off it is not there, on it opens one page and one identity, and no more."""

from __future__ import annotations

from dataclasses import replace

import jwt
import pytest
import structlog
from starlette.testclient import TestClient

from callflow.console.app import create_app
from callflow.console.headers import CSP
from callflow.console.site import Site
from callflow.errors import ConfigError
from callflow.sections import Twilio
from callflow.telephony.twilio.softphone import Softphone, softphone_of
from tests.conftest import MUNICIPALITY
from tests.peers.twilio_peer import CALLER_ID, SID, TwilioPeer
from tests.web.conftest import LOGINS, Browser
from tests.web.test_hooks import peer, room  # noqa: F401  fixtures
from tests.world import World

KEY = "SK" + "1" * 32
SECRET = "an-invented-secret-of-an-invented-key"
PHONE = Softphone(SID, CALLER_ID, KEY, SECRET)

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def browser(room: Site):  # type: ignore[no-untyped-def]  # noqa: F811
    """Over a console where the switch is on."""
    app = create_app(replace(room, softphone=PHONE), with_errands=False)
    return lambda: Browser(app, follow_redirects=False)


def test_the_page_of_the_desk_alone_speaks_with_twilio_and_may_ask_for_the_microphone(logged_in, app) -> None:  # type: ignore[no-untyped-def]
    one = logged_in("operator")
    opened = one.see("/desk")
    assert opened.headers["content-security-policy"] == CSP.replace(
        "connect-src 'self'", "connect-src 'self' wss://voice-js.tokyo.twilio.com"
    )
    assert "microphone=(self)" in opened.headers["permissions-policy"]
    assert "twilio-voice.min.js" in opened.text
    for other in ("/desk/mine", "/desk/inbound", "/home", "/login", "/static/softphone.js"):
        closed = one.get(other)
        assert closed.headers["content-security-policy"] == CSP, other
        assert "microphone=()" in closed.headers["permissions-policy"], other
        assert "twilio-voice" not in closed.text, other
    without = Browser(app, cookies=one.cookies).see("/desk")
    assert without.headers["content-security-policy"] == CSP
    assert "microphone=()" in without.headers["permissions-policy"]
    assert "softphone" not in without.text


def test_a_token_is_for_who_asks_for_minutes_and_for_being_called_only(
    room: Site,  # noqa: F811
    world: World,
    logged_in,  # type: ignore[no-untyped-def]
) -> None:
    one = logged_in("operator")
    with structlog.testing.capture_logs() as logs:
        answer = one.submit("/desk/softphone")
    token = answer.json()["token"]
    said = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False})
    began = int(room.clock.now().timestamp())
    assert (said["iss"], said["sub"], said["nbf"], said["exp"]) == (KEY, SID, began, began + 600)
    assert said["grants"] == {"identity": f"operator_1_{world.operator}", "voice": {"incoming": {"allow": True}}}
    assert answer.headers["cache-control"] == "no-store"
    assert not any(each in str(logs) + repr(PHONE) for each in (token, SECRET))
    assert SECRET not in one.see("/desk").text
    assert one.post("/desk/softphone", headers={"origin": "http://testserver"}).status_code == 409  # no page of ours
    for role in sorted(set(LOGINS) - {"operator"}):
        assert logged_in(role).submit("/desk/softphone").status_code == 403, role


def test_off_there_is_no_token_and_no_browser_is_called(
    room: Site,  # noqa: F811
    peer: TwilioPeer,  # noqa: F811
    logged_in,  # type: ignore[no-untyped-def]
) -> None:
    one = Browser(create_app(room, with_errands=False), cookies=logged_in("operator").cookies)
    one.see("/desk")
    assert one.submit("/desk/softphone").status_code == 404
    before = len(peer.calls)
    assert "登録されていません" in one.submit("/desk/receiver", on="1", via="browser").text
    assert len(peer.calls) == before


def test_the_browser_is_called_into_our_conference_and_learns_nothing(
    world: World,
    peer: TwilioPeer,  # noqa: F811
    room: Site,  # noqa: F811
    logged_in,  # type: ignore[no-untyped-def]
) -> None:
    one: TestClient = logged_in("operator")
    one.see("/desk")
    one.submit("/desk/receiver", on="1", via="browser")  # type: ignore[attr-defined]
    call = next(reversed(peer.calls.values()))
    assert call.to == PHONE.address(MUNICIPALITY, world.operator) == f"client:operator_1_{world.operator}"
    assert set(call.asked) == {
        *("To", "From", "Twiml", "Timeout", "TimeLimit"),
        *("StatusCallback", "StatusCallbackEvent", "StatusCallbackMethod"),
    }
    assert "Parameter" not in call.asked["Twiml"][0]
    assert call.sid not in [each.provider_ref for each in room.phone.list_since(room.clock.now())]


def test_what_is_missing_is_named(database: object) -> None:
    given = Twilio(account_sid=SID, caller_id=CALLER_ID, browser=True)
    assert softphone_of(given.model_copy(update={"browser": False}), {}) is None
    with pytest.raises(ConfigError) as no_key:
        softphone_of(given, {})
    assert no_key.value.where.field == "twilio.api_key_sid"
    given = given.model_copy(update={"api_key_sid": KEY})
    with pytest.raises(ConfigError) as no_secret:
        softphone_of(given, {})
    assert "TWILIO_API_KEY_SECRET" in no_secret.value.mend
    assert softphone_of(given, {"TWILIO_API_KEY_SECRET": SECRET}) == PHONE
