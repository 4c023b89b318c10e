"""`callflow relay`: the process that dials for a closed network, its file, its key, and the way to it."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from callflow import __version__
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import SystemClock
from callflow.errors import CallflowError, ConfigError, InputError, Where

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="閉じた網のための発信の中継（the relay that dials for a closed network）",
)
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
OWN = Path("relay.yaml")


@app.command()
def serve(
    config: Annotated[Path, typer.Option("--config", help="中継の設定。callflow の config.yaml とは別のもの")] = OWN,
) -> None:
    """外につながった側で中継を動かす。指図と出来事は journal のファイル一つにすべて残る。

    例: callflow relay serve --config /etc/callflow/relay.yaml
    """
    import uvicorn  # noqa: PLC0415  `--help` needs no server

    from callflow.logs import configure  # noqa: PLC0415
    from callflow.telephony.relay import settings  # noqa: PLC0415
    from callflow.telephony.relay.app import create_app  # noqa: PLC0415
    from callflow.telephony.relay.exchange import Exchange  # noqa: PLC0415
    from callflow.telephony.relay.journal import Journal  # noqa: PLC0415
    from callflow.telephony.relay.relay import Limits, Relay  # noqa: PLC0415
    from callflow.telephony.twilio.phone import TwilioPhone  # noqa: PLC0415  its library is slow to load
    from callflow.telephony.twilio.settings import account_of  # noqa: PLC0415
    from callflow.telephony.twilio.webhooks import TwilioReceiver  # noqa: PLC0415
    from callflow.telephony.webhook import Hook  # noqa: PLC0415

    given = settings.host_of(config)
    if bool(given.tls_cert) != bool(given.tls_key):
        raise ConfigError("tls_cert と tls_key は両方を書きます", where=Where(str(config), field="tls_cert"))
    if given.twilio.record:
        mend = "録音は telephony.phone: twilio でだけできます"
        raise ConfigError("中継は録音を扱いません", where=Where(str(config), field="twilio.record"), mend=mend)
    clock, account = SystemClock(), account_of(given.twilio)
    keys = settings.read_keys(given.key_variable, given.key_file, "")
    phone = TwilioPhone(account, clock)
    limits = Limits(given.calls_per_minute, given.calls_per_day, given.ring_seconds, given.call_seconds)
    relay = Relay(phone, Journal(given.journal, clock), clock, limits, __version__, given.twilio.desks)
    configure()
    typer.echo(f"{given.host}:{given.port} で待ち受けます。記録: {given.journal}（終えるには Ctrl+C）", err=True)
    uvicorn.run(
        create_app(Exchange(relay, keys, clock), Hook(TwilioReceiver(account, clock), phone)),
        host=given.host,
        port=given.port,
        ssl_certfile=given.tls_cert,
        ssl_keyfile=given.tls_key,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=2,
    )


@app.command()
def audit(
    file: Annotated[Path, typer.Argument(help="中継の記録", metavar="FILE")],
    attempt: Annotated[str, typer.Option("--attempt", help="この発信のことだけを、一行ずつ言葉で示す")] = "",
    lines: Annotated[bool, typer.Option("--lines", help="すべての行を言葉で示す")] = False,
    head: Annotated[str, typer.Option("--head", help="控えた「行番号:ハッシュ」。末尾が切られていないかを見る")] = "",
    as_json: AsJson = False,
) -> None:
    """中継の記録を検証して説明する。書き換え・欠け・余計な項目、二度の発信、期限の後の発信があれば終了コード 1。

    例: callflow relay audit var/relay.jsonl / callflow relay audit var/relay.jsonl --attempt 3f2a…
    """
    from callflow.telephony.relay.audit import audit as audited  # noqa: PLC0415
    from callflow.telephony.relay.audit import told  # noqa: PLC0415
    from callflow.telephony.relay.journal import read  # noqa: PLC0415

    every = list(read(file))
    found = audited(every)
    shown = [told(line) for line in every if lines or (attempt and line.fields.get("attempt") == attempt)]
    if attempt and not shown:
        raise InputError(f"発信 {attempt} はこの記録にありません", mend="--lines ですべての行を見られます")
    counted = "、".join(f"{what} {count:,}" for what, count in sorted(found.counts.items()))
    said = [
        *shown,
        f"{found.lines:,} 行、鎖はつながっています。項目は決まったものだけで、氏名・案件・債権の入る所はありません",
        f"内訳: {counted or 'なし'}",
        f"結末のまだわからない指図: {len(found.unsettled):,}",
        f"末尾: {found.lines}:{found.head}",
        *(f"誤り {each.line} 行: {each.ja}" for each in found.faults),
    ]
    data = {
        "lines": found.lines,
        "head": f"{found.lines}:{found.head}",
        "counts": dict(found.counts),
        "unsettled": found.unsettled,
        "faults": [asdict(each) for each in found.faults],
    }
    say(said, data, as_json=as_json)
    if head and head not in {f"{line.number}:{line.hash}" for line in every}:
        raise CallflowError("控えた末尾がこの記録にありません", mend="記録の末尾が切られたか、別のファイルです")
    if found.faults:
        raise CallflowError(f"してはならないことが {len(found.faults)} 件あります")


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """閉じた側から、中継が答えるか、鍵と時計が合うかを確かめる。電話はかけない。

    例: callflow relay check
    """
    from callflow.telephony.relay.phone import RelayPhone, why_limits_differ  # noqa: PLC0415
    from callflow.telephony.relay.settings import line_of  # noqa: PLC0415

    here: Context = ctx.obj
    reply = RelayPhone(line_of(here.config), here.clock).hello()
    off = (reply.time - here.clock.now()).total_seconds()
    head = f"{reply.head[0]}:{reply.head[1]}"
    lines = [
        f"中継は答えました。時計の差 {off:+.1f} 秒",
        f"呼出 {reply.ring_s} 秒、通話 {reply.limit_s} 秒まで",
        f"記録の末尾（控えて audit --head で照合できます）: {head}",
    ]
    data = {
        "clock_difference_s": round(off, 1),
        "ring_seconds": reply.ring_s,
        "call_seconds": reply.limit_s,
        "head": head,
    }
    say(lines, data, as_json=as_json)
    for claim_type in here.config.claim_types:
        policy = here.config.policy_for(claim_type)
        limits = (reply.ring_s, reply.limit_s)
        if differs := why_limits_differ(limits, policy.ring_seconds, policy.call_limit_minutes * 60):
            raise CallflowError(f"{claim_type}: {differs}")


@app.command()
def key() -> None:
    """新しい鍵を作って標準出力に書く。同じ鍵を両側に、ほかの人が読めないように置く
    （umask 077; callflow relay key > relay.key）。

    例: callflow relay key
    """
    typer.echo(secrets.token_urlsafe(48))
