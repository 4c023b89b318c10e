"""What the adapter must know, with its secrets read from where the configuration says that they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callflow.errors import ConfigError, Where
from callflow.sections import Twilio

HOOKS: Final = "/hooks/twilio/"
"""Where Twilio calls us, under `twilio.webhook_url`."""


@dataclass(frozen=True, slots=True)
class Account:
    """One Twilio account, the number that residents see, and how it reaches us.

    `receivers`: the addresses of our own people, numbers (`+81…`) or browsers (`client:…`). `extra_fields`: of
    callbacks, accepted besides those that are known. `patience_s`: seconds that an answer may take.
    """

    sid: str
    token: str
    caller_id: str
    webhook_url: str
    api_url: str = ""
    machine_detection: bool = True
    record: bool = False
    receivers: frozenset[str] = frozenset()
    extra_fields: frozenset[str] = frozenset()
    patience_s: float = 10.0

    def __repr__(self) -> str:
        return f"Account({self.sid})"

    def hook(self, kind: str, ref: str) -> str:
        """The exact URL under which Twilio tells of `ref`."""
        return f"{self.webhook_url}{HOOKS}{kind}/{ref}"


def account_of(given: Twilio, environ: Mapping[str, str] = os.environ) -> Account:
    """The account that is configured. Raises ConfigError for whatever is missing, naming the key."""
    for key in ("account_sid", "caller_id", "webhook_url"):
        if not getattr(given, key):
            raise ConfigError(
                "Twilio の設定がありません", where=Where(field=f"twilio.{key}"), mend="値を書いてください"
            )
    return Account(
        sid=given.account_sid,
        token=secret(given.auth_token_variable, given.auth_token_file, "auth_token", environ),
        caller_id=given.caller_id,
        webhook_url=given.webhook_url,
        api_url=given.api_url,
        machine_detection=given.machine_detection,
        record=given.record,
        receivers=frozenset(given.desks.values()),
        extra_fields=frozenset(given.extra_fields),
    )


def secret(variable: str, file: Path | None, name: str, environ: Mapping[str, str] = os.environ) -> str:
    """A secret from its file or its environment variable; never from the configuration itself. Raises ConfigError."""
    where = Where(field=f"twilio.{name}_{'file' if file else 'variable'}")
    if file is None:
        value = environ.get(variable, "")
        mend = f"環境変数 {variable} に入れるか、twilio.{name}_file にファイルを指定してください"
    else:
        try:
            value = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"秘密のファイル {file} を読めません", where=where) from error
        mend = f"{file} に一行で書いてください"
    value = value.strip()
    if not value.isascii() or not value.isprintable() or " " in value or not value:
        raise ConfigError("Twilio の秘密がありません", where=where, mend=mend)
    return value
