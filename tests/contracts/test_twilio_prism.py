"""Every request that the adapter can make is one that Twilio's description accepts, judged by somebody else: Prism.

The peer keeps the state of the calls and hands each request on to the mock exactly as the official client sent it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from callflow.clock import SimulatedClock
from callflow.telephony.twilio import checks
from callflow.telephony.twilio.phone import TwilioPhone
from callflow.telephony.twilio.recordings import TwilioRecordings
from tests.peers.twilio_peer import CALLER_ID, RECEIVER, SID, TwilioPeer

PRISM = Path(__file__).parents[1] / "peers" / "prism"
CUT = PRISM.parent / "twilio_openapi.json"
WHOLE = Path(__file__).parents[3] / "shared" / "peers" / "twilio_api_v2010.json"
NUMBER, DESK = "+81366590001", "7"

pytestmark = [
    pytest.mark.skipif(shutil.which("npm") is None, reason="Prism needs node and npm"),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prism that serves Twilio's description: the whole one where it is at hand, else what is cut."""
    folder = tmp_path_factory.mktemp("prism")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PRISM / name, folder)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", "node_modules/.bin/prism", "mock", "--errors", "-h", "127.0.0.1", "-p", str(port)]
    described = WHOLE if WHOLE.exists() else _with_answers(folder)
    process = subprocess.Popen([*command, str(described)], cwd=folder, stdout=subprocess.DEVNULL)
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def _with_answers(folder: Path) -> Path:
    """What is cut has no answers, without which Prism takes no request."""
    description = json.loads(CUT.read_text(encoding="utf-8"))
    for path in description["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                operation["responses"] = {"200": {"description": "as asked"}}
    made = folder / "described.json"
    made.write_text(json.dumps(description), encoding="utf-8")
    return made


@pytest.fixture
def peer(clock: SimulatedClock, mock: str) -> Iterator[TwilioPeer]:
    made = TwilioPeer(clock)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    def judged(method: str, target: str, body: str) -> list[str]:
        told = headers if body else {}
        answer = httpx.request(method, mock + target, content=body, headers=told, auth=(SID, "x"), timeout=30)
        wrong = answer.is_client_error  # a 500 tells that the description's own example breaks its own form
        return [f"{method} {target}: {answer.status_code} {answer.text}"] if wrong else []

    made.mirror = judged
    yield made
    made.close()


def test_every_request_of_the_official_client_is_accepted(peer: TwilioPeer, clock: SimulatedClock) -> None:
    peer.patience_s = 30.0
    phone = TwilioPhone(peer.account(record=True), clock)
    began = clock.now()
    phone.call_desk("8", RECEIVER)
    peer.take_receiver(DESK)
    ref = phone.place("a1", NUMBER, 30, 3600, desk=DESK, may_record=True).provider_ref
    other = TwilioPhone(peer.account(), clock)
    assert len(other.fetch("a1")) + len(phone.fetch("a1")) > 0
    assert phone.list_since(began)
    phone.hold(DESK, ref, on=True)
    phone.hold(DESK, ref, on=False)
    phone.bring_in(DESK, RECEIVER)
    phone.hand_over(DESK)
    phone.hang_up(ref)
    phone.place("a2", NUMBER, 30, 3600, desk=DESK)
    phone.hang_up_desk(DESK)
    peer.owned, peer.verified = [], [CALLER_ID]
    list(checks.check(peer.account()))
    TwilioRecordings(peer.account()).forget("RE" + "1" * 32)
    asked = {line.split(" ")[0] + " " + _template(line.split(" ")[1]) for line in peer.requests}
    known = json.loads(CUT.read_text(encoding="utf-8"))["paths"]
    left = {f"{verb.upper()} {_template(path)}" for path, verbs in known.items() for verb in verbs if verb != "servers"}
    assert left - asked == set(), "what the adapter can ask was not asked here"
    assert peer.violations == []


def test_a_request_that_twilio_would_refuse_is_refused(peer: TwilioPeer, mock: str) -> None:
    assert peer.mirror is not None
    (fault,) = peer.mirror("POST", f"/2010-04-01/Accounts/{SID}/Calls.json", "From=%2B81366590000&Timeout=soon")
    assert "required property 'To'" in fault
    assert "Timeout must be integer" in fault


def _template(target: str) -> str:
    """A path with its ids left open."""
    parts = target.partition("?")[0].removesuffix(".json").split("/")
    return "/".join("*" if part.startswith("{") or (len(part) == 34 and part.isalnum()) else part for part in parts)
