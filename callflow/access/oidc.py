"""Logging in by the ward's own provider: OpenID Connect, code flow with PKCE (OpenID Connect Core 1.0, RFC 7636).

The provider says who somebody is; who may work here is ours: an account is found by the subject that an administrator
stored with it, and is never made by a login. Nothing that the provider sends is believed before its signature, issuer,
audience, times and nonce are checked.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import jwt

from callflow.errors import ConfigError, RefusedError, TryLaterError, Where
from callflow.sections import Oidc

ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures by a key of the provider's own; never one by a shared secret, never none."""

LEEWAY: Final = timedelta(minutes=1)
PATIENCE: Final = 5.0  # seconds for an answer of the provider
JUST_NOW: Final = timedelta(minutes=5)
FRESH: Final = timedelta(hours=1)  # how long what the provider says of itself is kept


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login that was begun in a browser: kept in its cookie until the provider sends it back.

    `again`: the account that must prove who it is once more, or 0; nobody else's login will do, nor an old one.
    `draft`: the draft of a script that they are about to approve, or 0: their screen is locked.
    """

    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    again: int = 0
    draft: int = 0

    def text(self) -> str:
        return f"{self.state}.{self.nonce}.{self.verifier}.{self.again}.{self.draft}"

    @staticmethod
    def read(text: str) -> Attempt | None:
        """From the cookie; None if it is none of ours."""
        parts = text.split(".")
        if len(parts) != 5 or any(len(part) < 32 for part in parts[:3]):
            return None
        state, nonce, verifier, again, draft = parts
        if not all(each.isascii() and each.isdecimal() for each in (again, draft)):
            return None
        return Attempt(state, nonce, verifier, int(again), int(draft))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says it is; `mfa`: it asked for more than a password (RFC 8176)."""

    subject: str
    mfa: bool


class Provider:
    """The configured provider, over one client; what it says of itself is asked for once an hour."""

    def __init__(self, given: Oidc, environ: Mapping[str, str] = os.environ) -> None:
        self._given = given
        self._secret = _secret(given, environ)
        self._facts: tuple[datetime, dict[str, Any], jwt.PyJWKSet] | None = None

    def begin(self, attempt: Attempt, back: str, now: datetime) -> str:
        """Where the browser goes. Raises TryLaterError while the provider does not answer as one."""
        facts, _ = self._known(now)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._given.client_id,
            "redirect_uri": back,
            "scope": "openid",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if attempt.again:  # by a login of an hour ago whoever sits there now would prove to be whoever sat there then
            asked |= {"prompt": "login", "max_age": "0"}
        place = str(facts["authorization_endpoint"])
        return f"{place}{'&' if urlsplit(place).query else '?'}{urlencode(asked)}"

    def identity(self, attempt: Attempt, code: str, back: str, now: datetime) -> Identity:
        """Who came back. Raises RefusedError for whatever the provider cannot have meant, TryLaterError."""
        facts, _ = self._known(now)
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "client_id": self._given.client_id,
            "code_verifier": attempt.verifier,
        }
        auth = httpx.BasicAuth(self._given.client_id, self._secret) if self._secret else None
        answer = _ask("POST", str(facts["token_endpoint"]), data=sent, auth=auth)
        return self._checked(str(answer.get("id_token", "")), attempt, now)

    def _checked(self, token: str, attempt: Attempt, now: datetime) -> Identity:
        try:
            claims = jwt.decode(
                token,
                self._key(token, now),
                algorithms=ALGORITHMS,
                audience=self._given.client_id,
                issuer=self._given.issuer,
                options={
                    "require": ["exp", "iat", "sub", "aud", "iss"],
                    "verify_exp": False,  # times are judged below, by our clock
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            until, since = float(claims["exp"]), float(claims["iat"])
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise _not_believed(type(error).__name__) from error
        moment, leeway = now.timestamp(), LEEWAY.total_seconds()
        if until < moment - leeway or since > moment + leeway:
            raise _not_believed("times")
        if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), attempt.nonce.encode()):
            raise _not_believed("nonce")
        if claims.get("azp", self._given.client_id) != self._given.client_id:
            raise _not_believed("azp")
        if attempt.again and not _just_now(claims.get("auth_time"), moment):
            raise _not_believed("auth_time")
        methods = claims.get("amr", [])
        return Identity(str(claims["sub"]), isinstance(methods, list) and "mfa" in methods)

    def _key(self, token: str, now: datetime) -> Any:
        """The provider's key that the token names; its keys are asked for again where it names a new one."""
        name = jwt.get_unverified_header(token).get("kid")
        for again in (False, True):
            _, keys = self._known(now, again=again)
            found = [key for key in keys.keys if name in (None, key.key_id)]
            if found:
                return found[0]
        raise _not_believed("kid")

    def _known(self, now: datetime, *, again: bool = False) -> tuple[dict[str, Any], jwt.PyJWKSet]:
        if self._facts is None or again or not timedelta(0) <= now - self._facts[0] < FRESH:
            facts = _ask("GET", f"{self._given.issuer.rstrip('/')}/.well-known/openid-configuration")
            needed = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
            if any(not isinstance(facts.get(key), str) for key in needed) or facts["issuer"] != self._given.issuer:
                raise _no_answer("discovery")
            try:
                keys = jwt.PyJWKSet.from_dict(_ask("GET", facts["jwks_uri"]))
            except jwt.PyJWTError as error:
                raise _no_answer("keys") from error
            self._facts = (now, facts, keys)
        return self._facts[1], self._facts[2]


def _just_now(when: Any, moment: float) -> bool:
    """Whether the provider asked who it is after we did; False where it does not say so (OpenID Connect Core 2)."""
    return isinstance(when, int) and abs(moment - when) <= JUST_NOW.total_seconds()


def _ask(method: str, place: str, **more: Any) -> dict[str, Any]:
    try:
        answer = httpx.request(method, place, timeout=PATIENCE, follow_redirects=False, **more)
        found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _no_answer(type(error).__name__) from error
    if answer.status_code in (400, 401, 403):
        raise _not_believed("code")
    if answer.status_code != 200 or not isinstance(found, dict):
        raise _no_answer(str(answer.status_code))
    return found


def _no_answer(why: str) -> TryLaterError:
    return TryLaterError(f"認証基盤が答えません（{why}）", mend="少し待って試すか、パスワードでログインしてください")


def _not_believed(why: str) -> RefusedError:
    return RefusedError(f"認証基盤からの答えを確かめられません（{why}）", mend="ログインの画面からやり直してください")


def _secret(given: Oidc, environ: Mapping[str, str]) -> str:
    """From the environment or a file, never from the configuration itself; empty for a client that has none."""
    if given.client_secret_file is None:
        return environ.get(given.client_secret_variable, "")
    try:
        return Path(given.client_secret_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"{given.client_secret_file} を読めません",
            where=Where(field="oidc.client_secret_file"),
            mend="パスと権限を確かめてください",
        ) from error
