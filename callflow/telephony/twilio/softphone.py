"""The operator's receiver in the browser: who it is at Twilio, and the short-lived token that lets it be called.

The token lets nothing be dialled. Twilio calls the browser as any other receiver, with our conference and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from callflow.errors import ConfigError, Where
from callflow.sections import Twilio
from callflow.telephony.twilio.settings import secret

LASTS: Final = timedelta(minutes=10)
"""How long a token holds; the page asks for a new one before it ends."""

EDGE: Final = "tokyo"
"""Where the voice enters Twilio's network: one place, so that a firewall can name it."""


@dataclass(frozen=True, slots=True, repr=False)
class Softphone:
    """A `BrowserPhone` of one account. `key_sid`, `key_secret`: the API key that signs tokens."""

    account_sid: str
    caller: str
    key_sid: str
    key_secret: str
    edge: str = EDGE

    @property
    def hosts(self) -> tuple[str, ...]:
        return (f"wss://voice-js.{self.edge}.twilio.com",)

    def address(self, municipality_id: int, account_id: int) -> str:
        return f"client:{_identity(municipality_id, account_id)}"

    def token(self, municipality_id: int, account_id: int, now: datetime) -> str:
        made = AccessToken(
            self.account_sid,
            self.key_sid,
            self.key_secret,
            grants=[VoiceGrant(incoming_allow=True)],
            identity=_identity(municipality_id, account_id),
            nbf=int(now.timestamp()),
            valid_until=int((now + LASTS).timestamp()),
        )
        return str(made.to_jwt())


def softphone_of(given: Twilio, environ: Mapping[str, str] = os.environ) -> Softphone | None:
    """None where the switch is off. Raises ConfigError for whatever is missing, naming the key."""
    if not given.browser:
        return None
    if not given.api_key_sid:
        raise ConfigError(
            "ブラウザーの電話の API キーがありません",
            where=Where(field="twilio.api_key_sid"),
            mend="Twilio の管理画面で API キーを作り、SK で始まる SID を書いてください",
        )
    key_secret = secret(given.api_key_secret_variable, given.api_key_secret_file, "api_key_secret", environ)
    return Softphone(given.account_sid, given.caller_id, given.api_key_sid, key_secret)


def _identity(municipality_id: int, account_id: int) -> str:
    """Letters, digits and underscores alone; who it is stands in our database only."""
    return f"operator_{municipality_id}_{account_id}"
