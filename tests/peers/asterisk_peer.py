"""An Asterisk on loopback: channels, bridges, events over a WebSocket, and its faults before and after the act.

It knows what the adapter relies on and no more; every request, answer and event is held to Asterisk's own description
(`ari.py`), and what does not fit is kept in `violations`.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

from callflow.clock import Clock
from callflow.telephony.asterisk.phone import AsteriskPhone
from callflow.telephony.asterisk.settings import Pbx
from tests.peers import ari
from tests.peers.ari_server import AriHandler, Ear

USER, PASSWORD = "callflow", "the-password-of-an-invented-pbx"
CALLER_ID = "0366590000"
RECEIVERS = ("PJSIP/101", "PJSIP/102")

Operation = Literal["place", "hang_up", "fetch", "list", "bridge", "other"]
Fault = Literal["4xx", "401", "429", "5xx", "5xx_after", "timeout_before", "timeout_after", "reset", "slow"]
_CAUSES = {0: "Unknown", 16: "Normal Clearing", 17: "User busy", 19: "No user answering", 34: "Circuit congestion"}


@dataclass
class Channel:
    id: str
    endpoint: str
    created: datetime
    app: str = ""
    args: str = ""
    state: str = "Down"
    asked: dict[str, Any] = field(default_factory=dict)


class AsteriskPeer:
    """`told` holds every event, heard by somebody or not. `receivers_answer`: our own people pick up at once. `deaf`:
    the WebSocket stands, and what is told does not arrive. `no_dial`: the extensions that are dialled do not exist."""

    credentials = f"{USER}:{PASSWORD}"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.channels: dict[str, Channel] = {}
        self.dialled: list[Channel] = []
        self.bridges: dict[str, dict[str, Any]] = {}
        self.endpoints = {"PJSIP/trunk": "online", **dict.fromkeys(RECEIVERS, "online")}
        self.violations: list[str] = []
        self.requests: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.faults: dict[Operation, deque[Fault]] = defaultdict(deque)
        self.receivers_answer, self.read_only, self.deaf, self.no_dial = True, False, False, False
        self.patience_s = 10.0
        self.lock = threading.RLock()
        self.ears: dict[str, Ear] = {}  # by application
        self.subscribed: dict[str, set[str]] = defaultdict(set)  # the applications that hear of a channel
        self.sent: dict[str, int] = {}  # the last event that each was told
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (AriHandler,), {"peer": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()

    def pbx(self, **more: Any) -> Pbx:
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        given = {"dial": "PJSIP/{number}@trunk", "desks": RECEIVERS, "password": PASSWORD, "user": USER} | more
        return Pbx(url, caller_id=CALLER_ID, patience_s=self.patience_s, **given)

    # what people and networks do

    def take_receiver(self, desk: str) -> None:
        """The operator's receiver is off the hook, in its bridge."""
        with self.lock:
            channel = Channel(f"callflow-desk-{desk}", RECEIVERS[0], self.clock.now(), state="Up")
            self.channels[channel.id] = channel
            self.bridges[f"callflow-room-{desk}"] = {"type": "mixing", "channels": [channel.id], "moh": False}

    def put_down(self, desk: str) -> None:
        self.ends(f"callflow-desk-{desk}")

    def call(self, attempt: str) -> Channel:
        return self.channels[f"callflow-call-{attempt}"]

    def rings(self, attempt: str) -> None:
        with self.lock:
            channel = self.call(attempt)
            channel.state = "Ringing"
            self.tell("ChannelStateChange", channel=self.shown(channel))
            self.tell("Dial", peer=self.shown(channel), dialstatus="RINGING")

    def answers(self, channel_id: str) -> None:
        """Answered, a channel is in the application; where nobody hears for that, Asterisk hangs it up."""
        with self.lock:
            channel = self.channels[channel_id]
            channel.state = "Up"
            self.tell("Dial", peer=self.shown(channel), dialstatus="ANSWER")
            self.tell("ChannelStateChange", channel=self.shown(channel))
            if channel.app in self.ears:
                self.tell("StasisStart", channel=self.shown(channel), args=[channel.args] if channel.args else [])
            else:
                self.ends(channel_id)

    def ends(self, channel_id: str, cause: int = 16, status: str = "", sip: int | None = None) -> None:
        with self.lock:
            channel = self.channels.get(channel_id)
            if channel is None:
                return
            if status:
                self.tell("Dial", peer=self.shown(channel), dialstatus=status)
            self._leave(channel_id)
            del self.channels[channel_id]
            more = {} if sip is None else {"tech_cause": sip}
            text = _CAUSES.get(cause, "")
            self.tell("ChannelDestroyed", channel=self.shown(channel), cause=cause, cause_txt=text, **more)

    def cut(self) -> None:
        """Every WebSocket breaks."""
        with self.lock:
            for ear in self.ears.values():
                ear.break_off()
            self.ears.clear()

    def restart(self) -> None:
        """Everything in the air is gone, and nobody is told."""
        with self.lock:
            self.cut()
            self.channels.clear()
            self.bridges.clear()

    def tell(self, kind: str, **fields: Any) -> None:
        """Whoever is subscribed to the channel hears, and to whatever else is in the bridge."""
        with self.lock:
            message = {
                "type": kind,
                "timestamp": _instant(self.clock.now()),
                "asterisk_id": f"pbx:{len(self.told) + 1}",
            }
            message |= {"application": "", **fields}
            self.violations += ari.faults_of_event(message)
            self.told.append(message)
            channel, bridge = fields.get("peer") or fields["channel"], fields.get("bridge", {"channels": []})
            for app in set().union(*(self.subscribed[each] for each in [channel["id"], *bridge["channels"]])):
                if app in self.ears and not self.deaf:
                    self.sent[app] = len(self.told)
                    self.ears[app].say(json.dumps(message | {"application": app}))

    # what is asked

    def answer(self, method: str, target: str, body: str) -> tuple[int, Any]:
        with self.lock:
            self.requests.append(f"{method} {target} {body}")
            self.violations += ari.faults_of_request(method, target, body)
            status, answer = self._answer(method, urlsplit(target).path.split("/")[2:], json.loads(body or "{}"))
            if status == 200:
                self.violations += ari.faults_of_answer(method, target, answer)
            return status, answer

    def is_heard_by(self, app: str, ear: Ear) -> None:
        with self.lock:
            self.ears[app] = ear

    def next_fault(self, method: str, target: str) -> Fault | None:
        waiting = self.faults[self.operation(method, target)]
        return waiting.popleft() if waiting else None

    @staticmethod
    def operation(method: str, target: str) -> Operation:
        path = urlsplit(target).path
        known: dict[str, Operation] = {"POST /channels": "place", "GET /channels": "list"}
        known |= {"DELETE /channels/{channelId}": "hang_up", "GET /channels/{channelId}": "fetch"}
        return known.get(ari.operation(method, target) or "", "bridge" if "/bridges" in path else "other")

    def _answer(self, method: str, path: list[str], given: dict[str, Any]) -> tuple[int, Any]:
        if self.read_only and method != "GET":
            return 403, {"message": "Write access denied"}
        match (method, *path):
            case ("POST", "channels"):
                return self._originate(given)
            case ("GET", "channels"):
                return 200, [self.shown(each) for each in self.channels.values()]
            case (_, "channels", channel, *rest):
                return self._one_channel(method, self.channels.get(channel), rest)
            case ("GET", "bridges"):
                return 200, [self._bridge(each) for each in self.bridges]
            case ("POST", "bridges"):
                if given["bridgeId"] in self.bridges:
                    return 409, {"message": "Bridge with id already exists"}
                self.bridges[given["bridgeId"]] = {"type": given["type"], "channels": [], "moh": False}
                return 200, self._bridge(given["bridgeId"])
            case ("POST", "applications", app, "subscription"):
                self.subscribed[given["eventSource"][0].removeprefix("channel:")].add(app)
                return 200, _application(app)
            case (_, "bridges", bridge, *rest):
                return self._one_bridge(method, bridge, rest, given)
        return self._about(path)

    def _about(self, path: list[str]) -> tuple[int, Any]:
        match path:
            case ["asterisk", "ping"]:
                return 200, {"asterisk_id": "pbx", "ping": "pong", "timestamp": _instant(self.clock.now())}
            case ["asterisk", "info"]:
                return 200, {"system": {"version": "22.0.0", "entity_id": "pbx"}}
            case ["applications"]:
                return 200, [_application(each) for each in self.ears]
            case ["endpoints", tech, name] if f"{tech}/{name}" in self.endpoints:
                state = self.endpoints[f"{tech}/{name}"]
                return 200, {"technology": tech, "resource": name, "state": state, "channel_ids": []}
        return 404, {"message": "not found"}

    def _originate(self, given: dict[str, Any]) -> tuple[int, Any]:
        if given["channelId"] in self.channels:
            return 409, {"message": "Channel with given unique ID already exists"}
        if given["endpoint"].rpartition("@")[2] not in ("trunk", "phones", *RECEIVERS):
            return 500, {"message": "Allocation failed"}
        channel = Channel(
            given["channelId"], given["endpoint"], self.clock.now(), given["app"], given["appArgs"], asked=given
        )
        self.channels[channel.id] = channel
        self.subscribed[channel.id] = {channel.app}
        self.dialled.append(channel)
        answer = self.shown(channel)
        self.tell("ChannelCreated", channel=answer)
        if not self.no_dial:
            self.tell("Dial", peer=answer, dialstatus="", dialstring=given["endpoint"])
        if given["endpoint"] in RECEIVERS and self.receivers_answer:
            self.answers(channel.id)
        return 200, answer

    def _one_channel(self, method: str, channel: Channel | None, rest: list[str]) -> tuple[int, Any]:
        if channel is None:
            return 404, {"message": "Channel not found"}
        if method == "DELETE":
            self.ends(channel.id, status="" if channel.state == "Up" else "CANCEL")
            return 204, None
        if rest:
            return 200, {"value": channel.args}
        return 200, self.shown(channel)

    def _one_bridge(self, method: str, name: str, rest: list[str], given: dict[str, Any]) -> tuple[int, Any]:
        bridge = self.bridges.get(name)
        if bridge is None:
            return 404, {"message": "Bridge not found"}
        if method == "DELETE":
            del self.bridges[name]
        elif rest == ["moh"]:
            bridge["moh"] = True
        elif rest == ["addChannel"]:
            states = {self.channels[each].state if each in self.channels else "" for each in given["channel"]}
            if states != {"Up"}:
                return (400 if "" in states else 422), {"message": "not there, or not in the application"}
            for each in given["channel"]:
                self._leave(each)
                bridge["channels"].append(each)
                self.tell("ChannelEnteredBridge", bridge=self._bridge(name), channel=self.shown(self.channels[each]))
        else:
            return 200, self._bridge(name)
        return 204, None

    def _leave(self, channel_id: str) -> None:
        for name, bridge in self.bridges.items():
            if channel_id in bridge["channels"]:
                bridge["channels"].remove(channel_id)
                left = self.shown(self.channels[channel_id])
                self.tell("ChannelLeftBridge", bridge=self._bridge(name), channel=left)

    def shown(self, channel: Channel) -> dict[str, Any]:
        nobody = {"name": "", "number": ""}
        return {
            "id": channel.id, "protocol_id": "", "name": f"{channel.endpoint.partition('@')[0]}-00000001",
            "state": channel.state, "caller": nobody, "connected": nobody, "accountcode": "", "language": "en",
            "creationtime": _instant(channel.created),
            "dialplan": {"context": "", "exten": "", "priority": 1, "app_name": "", "app_data": ""},
        }  # fmt: skip

    def _bridge(self, name: str) -> dict[str, Any]:
        bridge = self.bridges[name]
        return {
            "id": name, "technology": "simple_bridge", "bridge_type": bridge["type"], "bridge_class": "stasis",
            "creator": "Stasis", "name": "", "channels": list(bridge["channels"]),
            "creationtime": _instant(self.clock.now()),
        }  # fmt: skip


class HeardPhone(AsteriskPhone):
    """What was told so far is heard before it is asked for what happened: no test waits longer than it must."""

    def __init__(self, peer: AsteriskPeer, **more: Any) -> None:
        super().__init__(peer.pbx(**more), peer.clock, first_pause_s=0.02)
        self.peer, self.heard, self.recoveries = peer, 0, 0
        self._news = threading.Condition()

    def hear(self, message: Mapping[str, Any]) -> None:
        try:
            super().hear(message)
        finally:
            with self._news:
                self.heard = int(message["asterisk_id"].partition(":")[2])
                self._news.notify_all()

    def recover(self) -> None:
        super().recover()
        with self._news:
            self.recoveries += 1
            self._news.notify_all()

    def recovers_after(self, act: Callable[[], None]) -> None:
        """The connection breaks, and stands again."""
        before = self.recoveries
        act()
        with self._news:
            assert self._news.wait_for(lambda: self.recoveries > before, 5), "not connected again"
        assert self.wait(5)

    def settle(self) -> HeardPhone:
        """Everything that was told until now, and what it made us do, is done."""
        while True:
            last = self.peer.sent.get(self.app, 0)
            with self._news:
                assert self._news.wait_for(lambda: self.heard >= last, 5), "not heard"  # noqa: B023  asked at once
            if self.peer.sent.get(self.app, 0) == last:
                return self

    def poll(self) -> Any:
        self.settle()
        return super().poll()


def _application(name: str) -> dict[str, Any]:
    return {"name": name} | {each: [] for each in ari.MODELS["Application"] if each != "name"}


def _instant(at: datetime) -> str:
    """As Asterisk writes it: 2026-11-24T01:00:00.000+0000."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"
