"""The server under the Asterisk of the tests: HTTP with faults, and a WebSocket on the same port."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import WebSocketException
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.peers import ari

_STATUS: dict[str | None, int] = {"4xx": 400, "401": 401, "429": 429, "5xx": 503}


class Ear:
    """One WebSocket, served by the thread of its request."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._protocol = connection, ServerProtocol()
        self._lock = threading.Lock()

    def serve(self, path: str, headers: Mapping[str, str], opened: Callable[[], None]) -> None:
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with self._lock:
            self._protocol.receive_data("\r\n".join(lines).encode())
            (request,) = self._protocol.events_received()
            assert isinstance(request, Request)
            self._protocol.send_response(self._protocol.accept(request))
            self._flush()
        opened()
        while data := self._connection.recv(65536):
            with self._lock:
                self._protocol.receive_data(data)
                self._protocol.events_received()
                self._flush()

    def say(self, text: str) -> None:
        with self._lock, contextlib.suppress(OSError, WebSocketException):  # nobody hears it
            self._protocol.send_text(text.encode())
            self._flush()

    def break_off(self) -> None:
        with contextlib.suppress(OSError):  # the other side was quicker
            self._connection.shutdown(socket.SHUT_RDWR)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._connection.sendall(data)
            else:  # the protocol is over
                self._connection.shutdown(socket.SHUT_WR)


class AriHandler(BaseHTTPRequestHandler):
    peer: Any
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        right = "Basic " + base64.b64encode(self.peer.credentials.encode()).decode()
        if self.headers.get("Authorization") != right:
            self._send(401, {"message": "Authentication required"})
            return
        if self.path.startswith("/ari/events"):
            self._events()
            return
        fault = self.peer.next_fault(self.command, self.path)
        if fault in _STATUS:
            self._send(_STATUS[fault], {"message": f"{body} is refused"})
        elif fault == "timeout_before":
            self._never()
        else:
            status, answer = self.peer.answer(self.command, self.path, body)
            self._answer_with(fault, status, answer)

    def _answer_with(self, fault: str | None, status: int, answer: Any) -> None:
        """The act is done; this is what becomes of its answer."""
        if fault == "timeout_after":
            self._never()
        elif fault == "5xx_after":
            self._send(500, {"message": "error"})
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        else:
            time.sleep(0.05 if fault == "slow" else 0)
            self._send(status, answer)

    def _never(self) -> None:
        time.sleep(self.peer.patience_s * 1.5)
        self.close_connection = True

    do_POST = do_DELETE = do_GET  # noqa: N815  the library looks for these names

    def _events(self) -> None:
        self.peer.violations += ari.faults_of_request("GET", self.path, "")
        ear, (app,) = Ear(self.connection), parse_qs(urlsplit(self.path).query)["app"]
        self.close_connection = True

        with contextlib.suppress(OSError):
            ear.serve(self.path, self.headers, lambda: self.peer.is_heard_by(app, ear))
        with self.peer.lock:
            if self.peer.ears.get(app) is ear:
                del self.peer.ears[app]

    def _send(self, status: int, answer: Any) -> None:
        text = json.dumps(answer).encode() if answer is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None: ...
