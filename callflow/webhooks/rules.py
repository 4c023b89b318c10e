"""What may be told, to where, how it is signed and when it is tried again. Pure."""

from __future__ import annotations

import base64
import hmac
import ipaddress
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from callflow.errors import InputError, Where

EVENTS: Final[Mapping[str, str]] = {
    "call.recorded": "calls:read",
    "call.corrected": "calls:read",
    "promise.made": "records:read",
    "report.requested": "records:read",
    "follow_up.changed": "records:read",
    "slip.raised": "slips:read",
    "signal.raised": "slips:read",
}
"""Each event, and the scope that a client needs besides `webhooks:manage` to be told of it."""

DELAYS: Final = tuple(
    timedelta(seconds=each) for each in (10, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200)
)
"""Until the next attempt, after the first, the second … failure; after the last the delivery is dead: 28 hours."""

KEY_PREFIX: Final = "whsec_"


def next_try(attempts: int) -> timedelta | None:
    """How long to wait after so many failures; None: no more."""
    return DELAYS[attempts - 1] if attempts <= len(DELAYS) else None


def signature(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """By the scheme of standardwebhooks.com: HMAC-SHA256 over id, time and body, so that none can be swapped."""
    told = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(base64.b64decode(secret), told, "sha256")).decode()


def check_url(url: str, hosts: Collection[str]) -> None:
    """Raises InputError unless it is HTTPS (HTTP on loopback) to a configured host, with nothing hidden in it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _wrong("この URL は読めません", "https://ホスト/道 の形で書く") from None
    if parts.username or parts.query or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise _wrong("URL に使えないものがあります", "利用者名・?・#・空白のない ASCII の URL にする")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise _wrong("暗号化しない所へは送れません", "https:// で始まる URL にする")
    usual = 443 if parts.scheme == "https" else 80
    named = host if port in (None, usual) else f"{host}:{port}"
    if named not in hosts:
        raise _wrong("送ってよい所にありません", "config.yaml の api.webhook_hosts に加える")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wrong(what: str, mend: str) -> InputError:
    return InputError(what, where=Where(field="url"), mend=mend)
