"""`callflow serve`: the console in a browser."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from callflow.access.accounts import ROLE_WORDS
from callflow.cli.context import Context
from callflow.cli.telephone import PHONES, phone_of, rules_of_campaigns, softphone_of, switchboard_of
from callflow.clock import TOKYO, RunningClock
from callflow.console.app import create_app, settle_down
from callflow.console.site import Site
from callflow.corrections import Corrections
from callflow.errors import ConfigError, UsageError
from callflow.sections import Console
from models.database import Database
from models.live import Live

app = typer.Typer(rich_markup_mode=None)

DEMO = Path("var/serve-demo.sqlite")


@app.command()
def serve(
    ctx: typer.Context,
    demo: Annotated[bool, typer.Option("--demo", help="架空の住民のデモ。毎回 2026-11-24 10:00 に始まる")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="デモのデータを作り直す")] = False,
    host: Annotated[str, typer.Option("--host", help="待ち受けるアドレス。なければ console.host")] = "",
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="なければ console.port")] = None,
    phone: Annotated[
        str, typer.Option("--phone", help="manual（卓上電話）・twilio・asterisk・relay・simulated（デモだけ）")
    ] = "",
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="証明書（PEM）", exists=True)] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="秘密鍵（PEM）", exists=True)] = None,
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help="TLS を終える中継が同じ機械にある")] = False,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="暗号化しないことを承知で LAN に開く")] = False,
) -> None:
    """コンソールをブラウザーに開く。

    例: callflow serve --demo / callflow serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
    """
    here: Context = ctx.obj
    reach = _reach(here.config.console, host, port, tls_cert, tls_key, behind_proxy=behind_proxy)
    _check_reach(reach, plain_http=plain_http)
    if demo:
        site, shown = _demo_site(here, phone or "simulated", fresh=fresh)
    else:
        site, shown = _site(here, phone or here.config.telephony.phone), []
    site = replace(site, tls=reach.tls, plain_lan=reach.plain)
    for line in shown:
        typer.echo(line)
    _run(site, reach)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the server listens and how browsers come to it. `proxies`: whose forwarded headers are believed."""

    host: str
    port: int
    public_url: str
    cert: Path | None
    key: Path | None
    proxies: tuple[str, ...]

    @property
    def tls(self) -> bool:
        """Browsers come by HTTPS: to us, or to a proxy before us."""
        return self.cert is not None or (bool(self.proxies) and not self.public_url.startswith("http://"))

    @property
    def plain(self) -> bool:
        """Some part of the way over the network is not encrypted: from the browser, or from the proxy to us."""
        return self.cert is None and (not _is_loopback(self.host) or (bool(self.proxies) and not self.tls))

    def __str__(self) -> str:
        return self.public_url or f"http{'s' if self.cert else ''}://{self.host}:{self.port}"


def _reach(
    given: Console, host: str, port: int | None, cert: Path | None, key: Path | None, *, behind_proxy: bool
) -> Reach:
    """The configuration's, overridden by the command's. Raises ConfigError for half a certificate."""
    if cert is None and key is None:
        cert, key = given.tls_cert, given.tls_key
    for what, path in (("証明書", cert), ("秘密鍵", key)):
        if (cert or key) and (path is None or not path.is_file()):
            mend = "console.tls_cert と console.tls_key（--tls-cert と --tls-key）を両方、確かめてください"
            raise ConfigError(f"TLS の{what}{f' {path}' if path else ''}がありません", mend=mend)
    proxies = tuple(given.trusted_proxies) or (("127.0.0.1", "::1") if behind_proxy else ())
    return Reach(host or given.host, given.port if port is None else port, given.public_url, cert, key, proxies)


def _run(site: Site, reach: Reach) -> None:
    import uvicorn  # noqa: PLC0415  `--help` needs no server

    from callflow.logs import configure  # noqa: PLC0415

    configure()
    typer.echo(f"{reach}/ で待ち受けます（終えるには Ctrl+C）", err=True)
    app = create_app(site)
    settle_down()
    uvicorn.run(
        app,
        host=reach.host,
        port=reach.port,
        ssl_certfile=reach.cert,
        ssl_keyfile=reach.key,
        proxy_headers=bool(reach.proxies),
        forwarded_allow_ips=list(reach.proxies),
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=2,
    )


def _check_reach(reach: Reach, *, plain_http: bool) -> None:
    if reach.plain and not plain_http:
        raise ConfigError(
            f"{reach} を暗号化せずに開くことはできません",
            mend="--tls-cert と --tls-key を付けるか、承知のうえで --plain-http を付けてください",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _site(here: Context, phone_kind: str) -> Site:
    """The installation's own console."""
    return _built(here, here.database, phone_kind)


def _demo_site(here: Context, phone_kind: str, *, fresh: bool) -> tuple[Site, list[str]]:
    from callflow.simulation import showroom  # noqa: PLC0415  only the demo needs the simulation

    if phone_kind not in PHONES:
        raise UsageError(f"電話 {phone_kind} はありません", mend="、".join(PHONES))
    database = Database(f"sqlite:///{DEMO}")
    start = None if fresh else showroom.starts_at(database)
    if start is None:
        database.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{DEMO}{suffix}").unlink(missing_ok=True)
        database = Database(f"sqlite:///{DEMO}")
        script = here.config.scripts.folder / "nhi-premium.yaml"
        showroom.build(database, here.config, script, step=lambda words: typer.echo(f"デモの準備: {words}", err=True))
        start = showroom.starts_at(database) or showroom.OPENS
    here.__dict__.update(database=database, clock=RunningClock(start))
    given = showroom.new_passwords(database, here.clock.now())
    lines = [f"デモ時刻 {start.astimezone(TOKYO):%Y-%m-%d %H:%M}。一度きりのパスワード:"]
    for account, password in given:
        roles = "・".join(ROLE_WORDS[role] for role in account.roles)
        lines.append(f"  {account.login:<8} {password}  {roles}")
    return replace(_built(here, database, phone_kind), demo=True), lines


def _built(here: Context, database: Database, phone_kind: str) -> Site:
    phone, hook = phone_of(here, phone_kind)
    telephony = here.config.telephony.model_copy(update={"phone": phone_kind})
    rules = rules_of_campaigns(here, database)
    return Site(
        database=database,
        clock=here.clock,
        config=here.config.model_copy(update={"telephony": telephony}),
        municipality_id=here.municipality_id,
        shelf=here.shelf,
        calls=here.calls,
        corrections=Corrections(database, here.clock, here.shelf, here.municipality_id),
        switchboard=switchboard_of(here, database, phone),
        phone=phone,
        hook=hook,
        softphone=softphone_of(here, phone_kind),
        rules_of=rules,
        live=Live(database),
        config_path=here.config_path,
    )
