"""Recordings at Twilio: fetched from the account's own address, which no callback can change, and deleted there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import httpx

from callflow.telephony.port import PhoneUnavailableError
from callflow.telephony.twilio.settings import Account

API: Final = "https://api.twilio.com"
LARGEST: Final = 500_000_000
"""Bytes; four hours, the longest call, are a tenth of that."""

_SID: Final = re.compile(r"RE[0-9a-f]{32}", re.ASCII)


class TwilioRecordings:
    """A `RecordingSource`."""

    def __init__(self, account: Account) -> None:
        self._at = f"{account.api_url or API}/2010-04-01/Accounts/{account.sid}/Recordings/"
        self._http = httpx.Client(
            auth=(account.sid, account.token), timeout=account.patience_s, follow_redirects=False, trust_env=False
        )

    def fetch(self, provider_ref: str) -> Iterator[bytes]:
        size = 0
        try:
            with self._http.stream("GET", f"{self._at}{_sid(provider_ref)}.mp3") as answer:
                if answer.status_code != httpx.codes.OK:
                    raise PhoneUnavailableError(f"Twilio の応答: {answer.status_code}")
                for some in answer.iter_bytes():
                    size += len(some)
                    if size > LARGEST:
                        raise PhoneUnavailableError("録音が大きすぎます")
                    yield some
        except httpx.HTTPError as error:
            raise PhoneUnavailableError(f"Twilio の応答がありません（{type(error).__name__}）") from None

    def forget(self, provider_ref: str) -> None:
        try:
            answer = self._http.delete(f"{self._at}{_sid(provider_ref)}.json")
        except httpx.HTTPError as error:
            raise PhoneUnavailableError(f"Twilio の応答がありません（{type(error).__name__}）") from None
        if answer.status_code not in (httpx.codes.NO_CONTENT, httpx.codes.NOT_FOUND):
            raise PhoneUnavailableError(f"Twilio の応答: {answer.status_code}")


def _sid(provider_ref: str) -> str:
    if not _SID.fullmatch(provider_ref):
        raise PhoneUnavailableError("録音の番号の形ではありません")
    return provider_ref
