"""What the adapter must know, with its password read from where the configuration says that it is."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callflow.config import Config
from callflow.errors import ConfigError, Where

_JAPAN: Final = "+81"
_TRUNK: Final = re.compile(r"PJSIP/\{number\}@(.+)")


@dataclass(frozen=True, slots=True)
class Pbx:
    """One Asterisk, our user there, and how residents are dialled.

    `app`: what the names of our channels, bridges and applications begin with. `dial`: the endpoint of a resident with
    `{number}` in it. `e164`: numbers are dialled as `+81…`, else as `03…`.
    `desks`: each operator's endpoint by login. `patience_s`: seconds that an answer may take.
    """

    url: str
    user: str
    password: str
    dial: str
    caller_id: str
    app: str = "callflow"
    e164: bool = False
    desks: tuple[str, ...] = ()
    ca_file: Path | None = None
    patience_s: float = 10.0

    def __repr__(self) -> str:
        return f"Pbx({self.url}, {self.app})"

    def events_url(self, app: str) -> str:
        """Where the events of an application are heard, without any secret."""
        return f"ws{self.url.removeprefix('http')}/ari/events?app={app}&subscribeAll=false"

    @property
    def trunk(self) -> str:
        """The SIP endpoint through which residents are called; empty where the dialplan chooses."""
        found = _TRUNK.fullmatch(self.dial)
        return found[1] if found else ""

    def endpoint(self, e164: str) -> str:
        """A resident's, with the number as the trunk wants it.

        A `Local` channel stays in the call (`/n`): optimised away, it would take our id along in the middle of a talk.
        """
        number = e164 if self.e164 else "0" + e164.removeprefix(_JAPAN)
        return self.dial.format(number=number) + ("/n" if self.dial.startswith("Local/") else "")

    def tls(self) -> ssl.SSLContext | None:
        """How Asterisk's certificate is judged; None over plain HTTP."""
        if not self.url.startswith("https:"):
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"認証局のファイル {self.ca_file} を読めません",
                where=Where(field="asterisk.ca_file"),
                mend="PEM 形式の証明書を指定してください",
            ) from error


def pbx_of(config: Config, environ: Mapping[str, str] = os.environ) -> Pbx:
    """The Asterisk that is configured. Raises ConfigError for whatever is missing, naming the key."""
    given = config.asterisk
    for key in ("url", "dial", "caller_id"):
        if not getattr(given, key):
            raise ConfigError(
                "Asterisk の設定がありません", where=Where(field=f"asterisk.{key}"), mend="値を書いてください"
            )
    return Pbx(
        url=given.url.rstrip("/"),
        user=given.user,
        password=_password(given.password_variable, given.password_file, environ),
        dial=given.dial,
        caller_id=given.caller_id,
        app=given.app,
        e164=given.numbers == "e164",
        desks=tuple(dict.fromkeys(given.desks.values())),
        ca_file=given.ca_file,
    )


def _password(variable: str, file: Path | None, environ: Mapping[str, str]) -> str:
    where = Where(field=f"asterisk.password_{'file' if file else 'variable'}")
    if file is None:
        value, mend = environ.get(variable, ""), f"環境変数 {variable} か、asterisk.password_file に入れてください"
    else:
        try:
            value, mend = file.read_text(encoding="utf-8"), f"{file} に一行で書いてください"
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"パスワードのファイル {file} を読めません", where=where) from error
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable():
        raise ConfigError("Asterisk のパスワードがありません", where=where, mend=mend)
    return value
