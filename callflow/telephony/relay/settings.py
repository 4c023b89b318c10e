"""What each side of the relay must know: the closed side from config.yaml, the relay from a file of its own."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from callflow.config import Config, load_as
from callflow.errors import ConfigError, Where
from callflow.sections import Twilio
from callflow.telephony.relay.wire import SHORTEST_KEY, Keys, keys_of

KEY_VARIABLE: Final = "CALLFLOW_RELAY_KEY"


@dataclass(frozen=True, slots=True)
class Line:
    """The closed side's way to the relay. `order_limit`: how long an order is worth anything."""

    url: str
    keys: Keys
    order_limit: timedelta = timedelta(seconds=20)
    poll_every: timedelta = timedelta(milliseconds=500)
    patience_s: float = 30.0
    ca_file: Path | None = None

    def tls(self) -> ssl.SSLContext | bool:
        """Whose certificates are believed. Raises ConfigError."""
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            where = Where(field="relay.ca_file")
            raise ConfigError(f"{self.ca_file} を証明書として読めません", where=where) from error


class Host(BaseModel):
    """The relay's own file. `journal`: its whole life, see `callflow.telephony.relay.journal`. `twilio.desks`: the
    operators' receivers by the names under which the closed side asks for them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: int = Field(default=8090, ge=1, le=65535)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    journal: Path = Path("var/relay.jsonl")
    key_variable: str = Field(default=KEY_VARIABLE, pattern=r"^[A-Z][A-Z0-9_]*$")
    key_file: Path | None = None
    calls_per_minute: int = Field(default=60, ge=1, le=10_000)
    calls_per_day: int = Field(default=5_000, ge=1, le=1_000_000)
    ring_seconds: int = Field(default=30, ge=15, le=600)
    call_seconds: int = Field(default=3_600, ge=60, le=86_400)
    twilio: Twilio = Twilio()


def line_of(config: Config, environ: Mapping[str, str] = os.environ) -> Line:
    """The closed side's settings. Raises ConfigError for whatever is missing, naming the key."""
    given = config.relay
    if not given.url:
        raise ConfigError("中継の設定がありません", where=Where(field="relay.url"), mend="中継の URL を書いてください")
    return Line(
        url=given.url,
        keys=read_keys(given.key_variable, given.key_file, "relay.", environ),
        order_limit=timedelta(seconds=given.order_seconds),
        ca_file=given.ca_file,
    )


def host_of(path: Path) -> Host:
    """The relay's file, checked; relative paths follow its folder. Raises ConfigError with the line."""
    found = load_as(Host, path)
    names = ("journal", "key_file", "tls_cert", "tls_key")
    placed = {name: path.parent / value for name in names if (value := getattr(found, name)) is not None}
    token = found.twilio.auth_token_file
    twilio = found.twilio.model_copy(update={"auth_token_file": path.parent / token if token else None})
    return found.model_copy(update={**placed, "twilio": twilio})


def read_keys(variable: str, file: Path | None, above: str, environ: Mapping[str, str] = os.environ) -> Keys:
    """The keys of the line: the first line seals, all are accepted. Raises ConfigError."""
    where = Where(field=f"{above}key_{'file' if file else 'variable'}")
    if file is None:
        text = environ.get(variable, "")
        mend = f"callflow relay key で作った鍵を、環境変数 {variable} か {above}key_file のファイルに置いてください"
    else:
        mend = f"callflow relay key > {file} で作り、同じものを両側に置いてください"
        try:
            text = file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"中継の鍵のファイル {file} を読めません", where=where, mend=mend) from error
    found = keys_of(text.splitlines())
    if found is None:
        raise ConfigError(f"中継の鍵がないか、{SHORTEST_KEY} 字より短い行があります", where=where, mend=mend)
    return found
