"""`callflow twilio`: whether calls by Twilio would work, before the first is placed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from callflow.cli.context import Context
from callflow.cli.output import say, say_findings
from callflow.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Twilio による発信の点検（checks for calls by Twilio）",
)
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """認証、発信元の番号、発信できる地域、コールバックの届き方を確かめる。電話はかけない。

    例: callflow twilio check / callflow twilio check --json
    """
    from callflow.telephony.twilio import checks, settings, softphone  # noqa: PLC0415  its library is slow to load

    here: Context = ctx.obj
    given = here.config.twilio
    say_findings(list(checks.check(settings.account_of(given), softphone.softphone_of(given))), as_json=as_json)


@app.command("verify-webhook")
def verify_webhook(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Twilio が呼んだ URL", metavar="URL")],
    signature: Annotated[str, typer.Option("--signature", help="X-Twilio-Signature の値")],
    body: Annotated[Path | None, typer.Option("--body", help="本文のファイル。なければ標準入力", exists=True)] = None,
    as_json: AsJson = False,
) -> None:
    """届いたコールバックの署名が、設定した秘密と URL に合うかを確かめる。合わないときは、合う URL を探す。

    例: callflow twilio verify-webhook https://hooks.example.lg.jp/hooks/twilio/call/1 --signature X --body body.txt
    """
    from callflow.telephony.twilio import checks, settings  # noqa: PLC0415  its library is slow to load

    here: Context = ctx.obj
    account = settings.account_of(here.config.twilio)
    sent = (body.read_bytes() if body else sys.stdin.buffer.read()).strip()
    fitting = checks.urls_signed(account.token, url, sent, signature)
    if not fitting:
        raise InputError("署名が合いません", mend="秘密（Auth Token）と、本文が届いたままであることを確かめてください")
    expected = account.hook("", "").removesuffix("/")
    good = any(each.startswith(expected) for each in fitting)
    lines = [f"署名は次の URL に合います: {each}" for each in fitting]
    say([*lines, f"設定が待つ URL: {expected}…"], {"fits": list(fitting), "expected": expected}, as_json=as_json)
    if not good:
        raise InputError(
            "署名は正しいものの、URL が設定と違います", mend="twilio.webhook_url を上の URL に合わせてください"
        )
