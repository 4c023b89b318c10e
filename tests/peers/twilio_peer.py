"""A Twilio on loopback: calls, conferences, callbacks, and its faults before and after the act.

It knows what the adapter relies on and no more; that each request is also one that Twilio accepts is judged by Twilio's
own description (`openapi.py`), and kept in `violations`.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree

from twilio.request_validator import RequestValidator

from callflow.clock import Clock
from callflow.telephony.twilio.settings import Account
from tests.peers.openapi import Description

SID = "AC" + "0" * 32
TOKEN = "the-token-of-an-invented-account"
CALLER_ID = "+81366590000"
RECEIVER = "+81366590999"
HOOKS_AT = "https://hooks.example.lg.jp"
DESCRIPTION = Description(Path(__file__).with_name("twilio_openapi.json"))

PERMISSIONS = "/v1/DialingPermissions/Countries"

Operation = Literal["place", "hang_up", "fetch", "list", "conference", "recording", "other"]
Fault = Literal[
    "4xx", "401", "bad_number", "429", "5xx", "5xx_after", "timeout_before", "timeout_after", "reset", "slow"
]
FINAL = ("completed", "busy", "failed", "no-answer", "canceled")


@dataclass
class Call:
    sid: str
    to: str
    created: datetime
    hook: str
    machine_hook: str = ""
    label: str = ""
    conference: str = ""
    status: str = "queued"
    sequence: int = 0
    ended: datetime | None = None
    asked: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Conference:
    sid: str
    name: str
    status: str = "in-progress"
    people: dict[str, dict[str, Any]] = field(default_factory=dict)  # by call


@dataclass(frozen=True)
class Callback:
    url: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


def signed(url: str, fields: Mapping[str, str], token: str = TOKEN) -> Callback:
    signature = RequestValidator(token).compute_signature(url, dict(fields))
    return Callback(url, urlencode(fields).encode(), {"x-twilio-signature": signature})


class TwilioPeer:
    """`tell` is given each callback at once; without it they wait in `outbox`. `mirror` is given each request that the
    description knows of, and says what is wrong with it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: dict[str, Call] = {}
        self.conferences: dict[str, Conference] = {}
        self.recordings: dict[str, bytes] = {}
        self.status, self.owned, self.countries = "active", [CALLER_ID], ["JP"]
        self.verified: list[str] = []
        self.outbox: list[Callback] = []
        self.tell: Callable[[Callback], object] | None = None
        self.mirror: Callable[[str, str, str], list[str]] | None = None
        self.violations: list[str] = []
        self.requests: list[str] = []
        self.faults: dict[Operation, deque[Fault]] = defaultdict(deque)
        self.patience_s = 10.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def account(self, **more: Any) -> Account:
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        ours = frozenset({RECEIVER})
        return Account(SID, TOKEN, CALLER_ID, HOOKS_AT, url, receivers=ours, patience_s=self.patience_s, **more)

    # what people do

    def take_receiver(self, desk: str) -> Conference:
        """The operator's receiver is off the hook, in its conference."""
        call = self._new_call(RECEIVER, "", desk)
        return self._joins_own(call, f"desk-{desk}")

    def put_down(self, desk: str) -> None:
        for each in self.conferences.values():
            if each.name == f"desk-{desk}" and each.status != "completed":
                self._close(each)

    def resident(self, attempt: str) -> Call:
        return next(call for call in reversed(self.calls.values()) if call.label == attempt)

    def happens(self, attempt: str, status: str, **more: str) -> None:
        """The resident's call comes to a status of Twilio's."""
        self._becomes(self.resident(attempt), status, **more)

    def has_recorded(self, attempt: str, sound: bytes, **more: str) -> None:
        """The recording of an answered call is there."""
        call = self.resident(attempt)
        sid = f"RE{len(self.recordings) + 1:032x}"
        self.recordings[sid] = sound
        fields = {
            "AccountSid": SID, "CallSid": call.sid, "RecordingSid": sid, "RecordingStatus": "completed",
            "RecordingUrl": f"https://elsewhere.example/{sid}", "RecordingDuration": "20", "RecordingChannels": "1",
            "RecordingSource": "StartConferenceRecordingAPI", "RecordingStartTime": format_datetime(self.clock.now()),
        }  # fmt: skip
        self._post(call.asked["RecordingStatusCallback"][0], fields | more)

    def is_answered_by(self, attempt: str, who: str) -> None:
        call = self.resident(attempt)
        self._post(call.machine_hook, {"AccountSid": SID, "CallSid": call.sid, "AnsweredBy": who})

    # what is asked

    def answer(self, method: str, target: str, body: str) -> tuple[int, Any]:
        parts = urlsplit(target)
        self.requests.append(f"{method} {target} {body}")
        if parts.path == PERMISSIONS:  # another API than the one that is described
            return self._permissions(method, parts.query)
        self.violations += DESCRIPTION.faults(method, parts.path, parts.query, body)
        self.violations += self.mirror(method, target, body) if self.mirror else []
        query, form = dict(parse_qsl(parts.query)), parse_qs(body, keep_blank_values=True)
        rest = parts.path.partition(f"/Accounts/{SID}/")[2].removesuffix(".json").split("/")
        about = self._about_account(method, parts.path, rest, query.get("PhoneNumber", ""))
        if about is not None:
            return about
        match (method, *rest):
            case ("POST", "Calls"):
                return 201, self._shown(self._desk_call(form))
            case ("GET", "Calls"):
                return 200, self._page("calls", [self._shown(each) for each in self._listed(query)])
            case (_, "Calls", sid):
                return self._one_call(method, sid, form)
            case ("GET", "Conferences"):
                found = [each for each in self.conferences.values() if each.name == query.get("FriendlyName")]
                shown = [{"sid": each.sid, "friendly_name": each.name, "status": each.status} for each in found]
                return 200, self._page("conferences", shown[::-1])
            case ("POST", "Conferences", sid):
                self._close(self.conferences[sid])
                return 200, {"sid": sid, "status": "completed"}
            case ("GET", "Conferences", sid, "Participants"):
                return 200, self._page("participants", list(self.conferences[sid].people.values()))
            case ("POST", "Conferences", sid, "Participants"):
                return self._call_into(self.conferences[sid], form)
            case ("DELETE", "Conferences", sid, "Participants", who):
                self._becomes(self.calls[who], "completed" if self.calls[who].status == "in-progress" else "canceled")
                return 204, {}
            case ("POST", "Conferences", sid, "Participants", who):
                person = self.conferences[sid].people[who]
                person |= {_snake(name): value[0] == "true" for name, value in form.items()}
                return 200, person
        return 404, {"code": 20404, "message": "not found", "status": 404}

    def _permissions(self, method: str, query: str) -> tuple[int, Any]:
        assert (method, dict(parse_qsl(query)).get("LowRiskNumbersEnabled")) == ("GET", "true")
        return 200, {"content": [{"iso_code": each} for each in self.countries], "meta": {"key": "content"}}

    def _about_account(self, method: str, path: str, rest: list[str], wanted: str) -> tuple[int, Any] | None:
        if path == f"/2010-04-01/Accounts/{SID}.json":
            return 200, {"sid": SID, "status": self.status}
        if rest[0] == "IncomingPhoneNumbers":
            found = [{"phone_number": each} for each in self.owned if wanted in each]
            return 200, self._page("incoming_phone_numbers", found)
        if rest[0] == "OutgoingCallerIds":
            found = [{"phone_number": each} for each in self.verified if wanted in each]
            return 200, self._page("outgoing_caller_ids", found)
        if (method, rest[0]) == ("DELETE", "Recordings") and self.recordings.pop(rest[1], None) is not None:
            return 204, {}
        return None

    def sound(self, target: str) -> bytes | None:
        """The medium of a recording, which stands beside the API that is described."""
        found = re.fullmatch(rf"/2010-04-01/Accounts/{SID}/Recordings/(RE\w+)\.mp3", target)
        return self.recordings.get(found[1]) if found else None

    @staticmethod
    def operation(method: str, target: str) -> Operation:
        path = urlsplit(target).path
        if method == "POST" and path.endswith("/Participants.json"):
            return "place"
        if "/Recordings/" in path:
            return "recording"
        if re.search(r"/Calls/CA\w+\.json", path):
            return "hang_up" if method == "POST" else "fetch"
        if path.endswith("/Calls.json") and method == "GET":
            return "list"
        return "conference" if "/Conferences" in path else "other"

    def _desk_call(self, form: dict[str, list[str]]) -> Call:
        call = self._new_call(form["To"][0], form["StatusCallback"][0], "")
        call.asked = form
        found = ElementTree.fromstring(form["Twiml"][0]).find("Dial/Conference")
        assert found is not None
        assert found.text
        self._joins_own(call, found.text)
        self._becomes(call, "in-progress")
        return call

    def _joins_own(self, call: Call, name: str) -> Conference:
        room = Conference(f"CF{len(self.conferences) + 1:032x}", name)
        room.people[call.sid] = {"call_sid": call.sid, "label": None, "conference_sid": room.sid, "hold": False}
        self.conferences[room.sid] = room
        call.conference = room.sid
        return room

    def _call_into(self, room: Conference, form: dict[str, list[str]]) -> tuple[int, Any]:
        if room.status == "completed":
            return 404, {"code": 20404, "message": "not found", "status": 404}
        call = self._new_call(form["To"][0], form.get("StatusCallback", [""])[0], form["Label"][0])
        call.machine_hook = form.get("AmdStatusCallback", [""])[0]
        call.conference, call.asked = room.sid, form
        room.people[call.sid] = {"call_sid": call.sid, "label": call.label, "conference_sid": room.sid, "hold": False}
        return 201, room.people[call.sid]

    def _new_call(self, to: str, hook: str, label: str) -> Call:
        call = Call(f"CA{len(self.calls) + 1:032x}", to, self.clock.now(), hook, label=label)
        self.calls[call.sid] = call
        return call

    def _one_call(self, method: str, sid: str, form: dict[str, list[str]]) -> tuple[int, Any]:
        call = self.calls.get(sid)
        if call is None:
            return 404, {"code": 20404, "message": "not found", "status": 404}
        if method == "POST":
            assert form["Status"] == ["completed"]
            if call.status in FINAL:
                return 400, {"code": 21220, "message": "not in progress", "status": 400}
            self._becomes(call, "completed" if call.status == "in-progress" else "canceled")
        return 200, self._shown(call)

    def _listed(self, query: Mapping[str, str]) -> list[Call]:
        found = [each for each in self.calls.values() if query.get("To", each.to) == each.to]
        since = query.get("StartTime>")
        return [each for each in found if not since or each.created >= datetime.fromisoformat(since)][::-1]

    def _becomes(self, call: Call, status: str, **more: str) -> None:
        if call.status in FINAL:
            return
        call.status = status
        if status in FINAL:
            call.ended = self.clock.now()
            self.conferences[call.conference].people.pop(call.sid, None)
        call.sequence += 1
        fields = {
            "AccountSid": SID, "ApiVersion": "2010-04-01", "CallSid": call.sid, "CallStatus": status,
            "CallbackSource": "call-progress-events", "Called": call.to, "CalledCountry": "JP", "Caller": CALLER_ID,
            "Direction": "outbound-api", "From": CALLER_ID, "SequenceNumber": str(call.sequence - 1), "To": call.to,
            "Timestamp": format_datetime(self.clock.now()),
        }  # fmt: skip
        self._post(call.hook, fields | more)

    def _close(self, room: Conference) -> None:
        room.status = "completed"
        for sid in list(room.people):
            call = self.calls[sid]
            self._becomes(call, "completed" if call.status == "in-progress" or not call.label else "canceled")

    def _post(self, url: str, fields: Mapping[str, str]) -> None:
        if not url:
            return
        callback = signed(url, fields)
        if self.tell is None:
            self.outbox.append(callback)
        else:
            self.tell(callback)

    def _shown(self, call: Call) -> dict[str, Any]:
        return {
            "sid": call.sid, "account_sid": SID, "to": call.to, "from": CALLER_ID, "status": call.status,
            "date_created": format_datetime(call.created), "start_time": format_datetime(call.created),
            "end_time": format_datetime(call.ended) if call.ended else None, "direction": "outbound-api",
        }  # fmt: skip

    @staticmethod
    def _page(name: str, rows: list[Any]) -> dict[str, Any]:
        return {name: rows, "page": 0, "page_size": 50, "next_page_uri": None, "uri": "/"}


_REFUSALS: dict[str, tuple[int, int]] = {
    "4xx": (400, 21216),
    "401": (401, 20003),
    "bad_number": (400, 21211),
    "429": (429, 20429),
}


def _handler(peer: TwilioPeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            waiting = peer.faults[peer.operation(self.command, self.path)]
            fault = waiting.popleft() if waiting else _not_known(self.headers["Authorization"])
            if fault in _REFUSALS:
                status, code = _REFUSALS[fault]
                message = f"the number {body} is refused"
                self._send(status, {"code": code, "message": message, "status": status}, {"Retry-After": "7"})
                return
            if fault == "5xx":
                self._send(503, {"code": 20503, "message": "unavailable", "status": 503})
                return
            if fault == "timeout_before":
                time.sleep(peer.patience_s * 1.5)
                self.close_connection = True
                return
            sound = peer.sound(self.path) if self.command == "GET" else None
            if sound is not None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(sound)))
                self.end_headers()
                self.wfile.write(sound)
                return
            status, answer = peer.answer(self.command, self.path, body)
            if fault == "timeout_after":
                time.sleep(peer.patience_s * 1.5)
                self.close_connection = True
            elif fault == "5xx_after":
                self._send(500, {"code": 20500, "message": "error", "status": 500})
            elif fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
            else:
                time.sleep(0.05 if fault == "slow" else 0)
                self._send(status, answer)

        do_POST = do_DELETE = do_GET  # noqa: N815  the library looks for these names

        def _send(self, status: int, answer: Any, headers: Mapping[str, str] | None = None) -> None:
            text = json.dumps(answer).encode() if status != 204 else b""
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    return Handler


def _not_known(authorization: str) -> Fault | None:
    """Who is neither the account by its token nor one of its API keys."""
    user, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    return None if (user, secret) == (SID, TOKEN) or user.startswith("SK") else "401"


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
