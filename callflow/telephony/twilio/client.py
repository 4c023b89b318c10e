"""Twilio's own client over our transport, which knows whether a request that failed can have had an effect."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from callflow.telephony.port import PhoneBusyError, PhoneUnavailableError, PlacementUnknownError
from callflow.telephony.twilio.settings import Account
from callflow.telephony.twilio.words import refusal

_SILENT: Final = logging.getLogger("callflow.twilio.silent")
_SILENT.disabled = True  # the library logs URLs and headers; URLs may hold numbers


class Transport(HttpClient):  # type: ignore[misc]
    """HTTP without retries: whether to ask again is for the caller to judge. `base`: another host, for tests."""

    def __init__(self, base: str, patience_s: float) -> None:
        super().__init__(_SILENT, False, None)
        self._base = urlsplit(base)
        self._http = httpx.Client(timeout=httpx.Timeout(patience_s, connect=min(patience_s, 5.0)))
        self.retry_after = ""

    def request(
        self,
        method: str,
        url: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        auth: Any = None,
        timeout: float | None = None,  # noqa: ARG002  ours is the transport's
        allow_redirects: bool = False,
    ) -> Response:
        if self._base.netloc:
            url = urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc).geturl()
        answer = self._http.request(
            method, url, params=params, data=data, headers=headers, auth=auth, follow_redirects=allow_redirects
        )
        if answer.status_code == 429:
            self.retry_after = answer.headers.get("Retry-After", "")
        return Response(answer.status_code, answer.text, answer.headers)

    def close(self) -> None:
        self._http.close()


def client_of(account: Account) -> Client:
    """The official client of an account."""
    return Client(account.sid, account.token, http_client=Transport(account.api_url, account.patience_s))


def client_by_key(account: Account, key_sid: str, key_secret: str) -> Client:
    """The official client of an account that shows an API key instead of the account's own secret."""
    return Client(key_sid, key_secret, account.sid, http_client=Transport(account.api_url, account.patience_s))


@contextmanager
def asking() -> Iterator[None]:
    """A question, or an act that may be repeated: without an answer it is PhoneUnavailableError."""
    try:
        yield
    except TwilioRestException as error:
        raise PhoneUnavailableError(f"Twilio の応答: {error.code or error.status}") from None
    except (TwilioException, httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError) as error:
        raise PhoneUnavailableError(f"Twilio の応答がありません（{type(error).__name__}）") from None


@contextmanager
def placing(client: Client) -> Iterator[None]:
    """An act that must not be repeated: refused, or not sent, or nobody knows."""
    try:
        yield
    except TwilioRestException as error:
        if 400 <= error.status < 500 and error.status != 408:
            transport = client.http_client
            raise refusal(error.status, error.code or 0, getattr(transport, "retry_after", "")) from None
        raise PlacementUnknownError(f"Twilio の応答: {error.status}") from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
        raise PhoneBusyError(f"Twilio につながりません（{type(error).__name__}）") from None
    except Exception as error:
        # Whatever it was, the request may have been taken; its text may hold the number.
        raise PlacementUnknownError(f"Twilio の応答がありません（{type(error).__name__}）") from None
