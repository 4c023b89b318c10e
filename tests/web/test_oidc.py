"""The door by the ward's own provider, against a small one on loopback that can be told to misbehave."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from sqlalchemy import select, update

from callflow.access import sessions
from callflow.access.accounts import Accounts
from callflow.clock import SimulatedClock
from callflow.console.app import create_app
from callflow.console.pages.scripts.editions import PROVER
from callflow.console.site import Site
from callflow.sections import Oidc
from models.tables import accounts, audit_events
from tests.conftest import MUNICIPALITY
from tests.web.conftest import Browser
from tests.web.test_script_pages import NEW, OLD, files, form_of, proof

KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
SUBJECT = "248289761001"


@dataclass
class Provider:
    """Issues tokens for `SUBJECT`. `claims` go over those that are right; `asked` is what was sent to authorise."""

    clock: SimulatedClock
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: Any = KEY
    algorithm: str = "RS256"
    status: int = 200
    asked: dict[str, str] = field(default_factory=dict)

    def answer(self, path: str, sent: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            return self.status, {"issuer": self.issuer} | {key: f"{self.issuer}/{name}" for key, name in names.items()}
        if path == "/keys":
            return 200, {"keys": [json.loads(RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "1", "alg": "RS256"}]}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=")
        right = base64.b64encode(b"callflow:a secret").decode()
        if challenge.decode() != self.asked["code_challenge"] or authorization != f"Basic {right}":
            return 400, {"error": "invalid_grant"}
        now = int(self.clock.now().timestamp())
        usual = {"iss": self.issuer, "aud": "callflow", "sub": SUBJECT, "iat": now, "exp": now + 300}
        if self.asked.get("prompt") == "login" and self.asked.get("max_age") == "0":
            usual["auth_time"] = now
        claims = {**usual, "nonce": self.asked["nonce"], **self.claims}
        token = jwt.encode(claims, self.key, algorithm=self.algorithm, headers={"kid": "1"})
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": token}


@pytest.fixture
def provider(clock: SimulatedClock) -> Iterator[Provider]:
    one = Provider(clock)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply({})

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            self.reply({name: values[0] for name, values in parse_qs(text).items()})

        def reply(self, sent: dict[str, str]) -> None:
            status, found = one.answer(self.path, sent, self.headers.get("authorization", ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield one
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_site(site: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its configuration names the provider, and `ward01` is tied to the subject."""
    monkeypatch.setenv("CALLFLOW_OIDC_SECRET", "a secret")
    oidc = Oidc(issuer=provider.issuer, client_id="callflow")
    with site.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.login == "ward01").values(oidc_subject=SUBJECT))
    return replace(site, config=site.config.model_copy(update={"oidc": oidc}))


@pytest.fixture
def arriving(open_site: Site) -> Browser:
    return Browser(create_app(open_site, with_errands=False), follow_redirects=False)


def sent_on(browser: Browser, provider: Provider, begins: str = "/login/oidc") -> dict[str, str]:
    """Begins at the login page; what the provider is asked."""
    there = urlsplit(browser.get(begins).headers["location"])
    assert there.path == "/authorize"
    provider.asked = {name: values[0] for name, values in parse_qs(there.query).items()}
    return provider.asked


def come_back(browser: Browser, provider: Provider, **change: str):  # type: ignore[no-untyped-def]
    asked = sent_on(browser, provider)
    return browser.get("/login/oidc/back", params={"code": "c", "state": asked["state"], **change})


def test_who_is_tied_to_the_subject_comes_in(open_site: Site, arriving: Browser, provider: Provider) -> None:
    assert "認証基盤 でログイン" in arriving.get("/login").text
    done = come_back(arriving, provider)
    assert (provider.asked["response_type"], provider.asked["code_challenge_method"]) == ("code", "S256")
    assert provider.asked["redirect_uri"] == "http://testserver/login/oidc/back"
    assert done.status_code == 200
    assert 'http-equiv="refresh"' in done.text
    own = next(value for name, value in done.headers.multi_items() if value.startswith(f"{open_site.cookie}="))
    assert "SameSite=strict" in own
    assert "HttpOnly" in own
    assert "見本 職一" in arriving.get("/home").text
    with open_site.database.read() as conn:
        e = audit_events.c
        assert conn.execute(select(e.purpose).where(e.verb == "session:begin")).scalars().all() == ["oidc"]


def test_a_lock_is_opened_by_its_own_subject_and_by_nobody_elses(
    open_site: Site, arriving: Browser, provider: Provider
) -> None:
    come_back(arriving, provider)
    arriving.see("/home")
    arriving.submit("/language", language="en")
    arriving.submit("/lock")
    assert "Unlock by 認証基盤" in arriving.get("/locked").text
    with open_site.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.login == "ward02").values(oidc_subject="another"))
    provider.claims = {"sub": "another"}
    refused = come_back(arriving, provider)
    assert refused.status_code == 409
    assert arriving.get("/home").headers["location"] == "/locked"
    provider.claims = {}
    assert come_back(arriving, provider).status_code == 200
    assert "Log out" in arriving.get("/home").text
    with open_site.database.read() as conn:
        e = audit_events.c
        assert conn.execute(select(e.purpose).where(e.verb == "session:unlock")).scalars().all() == ["oidc"]


def test_a_lock_is_not_opened_by_a_login_of_an_hour_ago(arriving: Browser, provider: Provider) -> None:
    come_back(arriving, provider)
    arriving.see("/home")
    arriving.submit("/lock")
    hour_ago = int(provider.clock.now().timestamp()) - 3600
    for claims in ({"auth_time": hour_ago}, {"auth_time": None}, {"auth_time": "now"}):
        provider.claims = claims
        assert come_back(arriving, provider).status_code == 409
        assert arriving.get("/home").headers["location"] == "/locked"
    provider.claims = {}
    assert come_back(arriving, provider).status_code == 200


def test_who_has_no_password_approves_a_script_by_the_provider_once(
    open_site: Site,
    arriving: Browser,
    provider: Provider,
    logged_in,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PROVER, "report", lambda stored, wait: proof(stored))
    for words in (NEW, NEW + "。"):
        changed = {name: text.replace(OLD, words) for name, text in files(open_site).items()}
        logged_in("supervisor").submit("/script-drafts/new", **form_of(changed, note="言い方を丁寧に"))
    with open_site.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.login == "ward01").values(password_hash=None))
        conn.execute(update(accounts).where(accounts.c.login == "ward02").values(oidc_subject="another"))
    come_back(arriving, provider)
    assert "/script-drafts/1/prove" in arriving.see("/script-drafts/1").text
    assert arriving.submit("/script-drafts/1/approve", password="").status_code == 422

    def proves(**claims: Any) -> int:
        provider.claims = claims
        asked = sent_on(arriving, provider, "/script-drafts/1/prove")
        return int(arriving.get("/login/oidc/back", params={"code": "c", "state": asked["state"]}).status_code)

    assert proves(sub="another") == 409
    assert proves(auth_time=1_000_000_000) == 409
    assert proves() == 200
    open_site.clock.advance(sessions.PROVED_FOR + timedelta(seconds=1))
    assert 'name="password"' in arriving.see("/script-drafts/1").text
    assert arriving.submit("/script-drafts/1/approve").status_code == 422
    assert proves() == 200
    assert 'name="password"' not in arriving.see("/script-drafts/1").text
    done = arriving.submit("/script-drafts/1/approve")
    assert done.headers["location"].endswith("said=script-approved")
    arriving.see("/script-drafts/2")
    assert arriving.submit("/script-drafts/2/approve").status_code == 422, "one act by one proof"
    with open_site.database.read() as conn:
        e = audit_events.c
        assert conn.execute(select(e.purpose).where(e.verb == "session:prove")).scalars().all() == ["oidc", "oidc"]


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": "somebody-else"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1_000_000_000},
        {"iat": 4_000_000_000},
        {"aud": ["callflow", "other"], "azp": "other"},
        {"exp": "soon"},
        {"sub": None},
    ],
    ids="+".join,
)
def test_a_token_that_is_not_for_us_opens_nothing(
    arriving: Browser, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert come_back(arriving, provider).status_code == 409
    assert arriving.get("/home").headers["location"].startswith("/login")


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", OTHER_KEY), ("none", None), ("HS256", "a secret" * 8)])
def test_only_the_providers_own_key_signs(arriving: Browser, provider: Provider, algorithm: str, key: Any) -> None:
    provider.algorithm, provider.key = algorithm, key
    assert come_back(arriving, provider).status_code == 409


def test_a_login_that_this_browser_did_not_begin_is_refused(arriving: Browser, provider: Provider) -> None:
    assert come_back(arriving, provider, state="x" * 32).status_code == 409
    assert arriving.get("/login/oidc/back", params={"code": "c", "state": ""}).status_code == 409
    asked = sent_on(arriving, provider)
    assert arriving.get("/login/oidc/back", params={"error": "denied", "state": asked["state"]}).status_code == 409
    stolen = Browser(arriving.app, follow_redirects=False)
    assert stolen.get("/login/oidc/back", params={"code": "c", "state": asked["state"]}).status_code == 409
    provider.asked = {**asked, "code_challenge": "of another login"}
    assert arriving.get("/login/oidc/back", params={"code": "c", "state": asked["state"]}).status_code == 409


def test_who_is_not_tied_or_disabled_is_told_the_same_and_nobody_is_made(
    open_site: Site, arriving: Browser, provider: Provider
) -> None:
    with open_site.database.read() as conn:
        before = Accounts(conn, MUNICIPALITY, open_site.clock.now()).count()
    provider.claims = {"sub": "a stranger"}
    stranger = come_back(arriving, provider)
    with open_site.database.write() as conn:
        desk = Accounts(conn, MUNICIPALITY, open_site.clock.now())
        desk.disable("ward01", by=desk.named("admin01").id)
    provider.claims = {}
    disabled = come_back(arriving, provider)
    assert (stranger.status_code, disabled.status_code) == (403, 403)
    assert stranger.text.replace("a stranger", SUBJECT) == disabled.text
    with open_site.database.read() as conn:
        assert Accounts(conn, MUNICIPALITY, open_site.clock.now()).count() == before


def test_the_second_factor_is_asked_for_unless_the_provider_did(
    open_site: Site, arriving: Browser, provider: Provider
) -> None:
    secret = pyotp.random_base32()
    with open_site.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.login == "ward01").values(totp_secret=secret))
    come_back(arriving, provider)
    for path in ("/home", "/password", "/locked", "/audit", "/code"):
        assert arriving.get(path).headers["location"] == "/login/code", path
    arriving.see("/login/code")
    assert arriving.submit("/login/code", code="000000").status_code == 422
    code = pyotp.TOTP(secret).at(open_site.clock.now())
    assert arriving.submit("/login/code", code=code).headers["location"] == "/"
    assert arriving.get("/home").status_code == 200
    provider.claims = {"amr": ["pwd", "mfa"]}
    come_back(arriving, provider)
    assert arriving.get("/home").status_code == 200


def test_a_provider_that_does_not_answer_is_told_clearly(arriving: Browser, provider: Provider) -> None:
    provider.status = 500
    answer = arriving.get("/login/oidc")
    assert answer.status_code == 503
    assert "パスワードでログインしてください" in answer.text


def test_without_a_provider_there_is_no_such_door(browser) -> None:  # type: ignore[no-untyped-def]
    one = browser()
    assert one.get("/login/oidc").status_code == one.get("/login/oidc/back").status_code == 404
    assert "/login/oidc" not in one.get("/login").text


def test_a_subject_belongs_to_one_account(site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    admin = logged_in("admin")
    with site.database.read() as conn:
        desk = Accounts(conn, MUNICIPALITY, site.clock.now())
        first, second = (desk.named(login).id for login in ("ward01", "ward02"))
    admin.see("/accounts")
    assert admin.submit(f"/accounts/{first}/subject", subject=SUBJECT).status_code == 303
    assert admin.submit(f"/accounts/{second}/subject", subject=SUBJECT).status_code == 422
    assert admin.submit(f"/accounts/{first}/subject", subject="").status_code == 303
    assert admin.submit(f"/accounts/{second}/subject", subject=SUBJECT).status_code == 303
