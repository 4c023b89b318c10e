"""What every answer carries: nothing is stored, nothing is loaded from elsewhere, nothing of ours is framed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ALWAYS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # not no-referrer: browsers would then send `Origin: null` with forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
}


def with_microphone(hosts: Sequence[str]) -> dict[str, str]:
    """What a page carries that speaks with these hosts and may ask for the microphone."""
    return {
        "Content-Security-Policy": CSP.replace("connect-src 'self'", " ".join(("connect-src 'self'", *hosts))),
        "Permissions-Policy": ALWAYS["Permissions-Policy"].replace("microphone=()", "microphone=(self)"),
    }


class Headers:
    """Puts them on every answer, whoever gave it. `tls`: the browser is told to come by HTTPS only. `opened`: what
    pages carry instead, by path."""

    def __init__(self, app: ASGIApp, *, tls: bool, opened: Mapping[str, Mapping[str, str]]) -> None:
        self._app = app
        self._opened = opened
        self._more = {"Strict-Transport-Security": "max-age=31536000"} if tls else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        public = scope["path"].startswith("/static/")
        all_of_it = {**ALWAYS, **self._more, **self._opened.get(scope["path"], {})}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in all_of_it.items():
                    headers[name] = value
                headers["Cache-Control"] = "private, max-age=86400" if public else "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers)
