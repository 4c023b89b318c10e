"""ARI over HTTP: what a request that failed can have done, and no request twice.

Everything that Asterisk takes as a query parameter goes into the body, which it takes as well: no number is in a URL.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import httpx

from callflow.errors import ConfigError, Where
from callflow.telephony.asterisk.settings import Pbx
from callflow.telephony.port import (
    PhoneBusyError,
    PhoneUnavailableError,
    PlacementRefusedError,
    PlacementUnknownError,
)

NOTHING_THERE: Final = frozenset({400, 404, 409, 412, 422})
"""Answers to an act on a channel or bridge that say: not there, not any more, or not in our hands."""

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_CHECK: Final = "callflow asterisk check で確かめられます"


class TakenError(PlacementUnknownError):
    """The channel's id is in use: the same was asked for before."""


class Client:
    """Safe to share between threads."""

    def __init__(self, pbx: Pbx) -> None:
        try:
            self._http = httpx.Client(
                base_url=f"{pbx.url}/ari",
                auth=(pbx.user, pbx.password),
                timeout=httpx.Timeout(pbx.patience_s, connect=min(pbx.patience_s, 5.0)),
                verify=pbx.tls() or False,  # without TLS there is nothing to verify
                trust_env=False,
            )
        except httpx.InvalidURL as error:
            raise ConfigError("Asterisk のアドレスが正しくありません", where=Where(field="asterisk.url")) from error

    def close(self) -> None:
        self._http.close()

    def get(self, path: str) -> Any | None:
        """What Asterisk answers; None where there is no such thing. Raises PhoneUnavailableError."""
        answer = self._ask("GET", path)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        _must_be_good(answer)
        return _data(answer)

    def act(self, method: str, path: str, **given: Any) -> bool:
        """Something that may be repeated; False where there was nothing to do it to. Raises PhoneUnavailableError."""
        answer = self._ask(method, path, given)
        if answer.status_code in NOTHING_THERE:
            return False
        _must_be_good(answer)
        return True

    def originate(self, **given: Any) -> None:
        """Dials. Raises PlacementRefusedError and PhoneBusyError (nothing was dialled), PlacementUnknownError (it may
        have been), TakenError."""
        try:
            status = self._http.post("/channels", json=given).status_code
        except _NOT_SENT as error:
            raise PhoneBusyError(f"Asterisk につながりません（{type(error).__name__}）") from None
        except Exception as error:
            # Whatever it was, the request may have been taken; its text may hold the number.
            raise PlacementUnknownError(f"Asterisk の応答がありません（{type(error).__name__}）") from None
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise PhoneBusyError("Asterisk が込み合っています（429）")
        if status == HTTPStatus.CONFLICT:
            raise TakenError("この発信は、もう受け付けられています")
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PlacementUnknownError(f"Asterisk の応答: {status}")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise PlacementRefusedError(f"Asterisk が利用者を認めません（{status}）", mend=_CHECK)
        if status >= HTTPStatus.BAD_REQUEST:
            raise PlacementRefusedError(f"Asterisk が発信を断りました（{status}）", mend=_CHECK)
        if status != HTTPStatus.OK:
            raise PlacementUnknownError(f"Asterisk の応答: {status}")

    def _ask(self, method: str, path: str, given: dict[str, Any] | None = None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=given or None)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PhoneUnavailableError(f"Asterisk の応答がありません（{type(error).__name__}）") from None


def _must_be_good(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise PhoneUnavailableError(f"Asterisk の応答: {answer.status_code}")


def _data(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise PhoneUnavailableError("Asterisk の応答を読めません") from None
