"""`callflow user`: who may work here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from getpass import getpass
from typing import Annotated

import typer

from callflow.access.accounts import ROLE_WORDS, Account, Accounts
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.errors import InputError, RefusedError, UsageError, Where

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="利用者と役割（accounts and roles）",
)

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="ログイン名（英小文字・数字・._-）")]
Given = Annotated[bool, typer.Option("--password-stdin", help="パスワードを標準入力の一行目から読む")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="確かめるだけで何も書かない")]


@app.command()
def add(
    ctx: typer.Context,
    login: Login,
    name: Annotated[str, typer.Option("--name", help="氏名。台詞の {{ operator }} になる")],
    role: Annotated[list[str], typer.Option("--role", help="・".join(ROLE_WORDS) + "。何度でも")],
    organisation: Annotated[
        str, typer.Option("--organisation", help="contractor・ward、または組織の名前。なければ役割から決まる")
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """利用者を加える。最初の一人は管理者で、--as は要らない。

    例: callflow user add admin01 --name 管理者 --role admin --organisation ward

    例: callflow --as admin01 user add op001 --name 見本太郎 --role operator --organisation contractor
    """
    here: Context = ctx.obj
    with here.database.write() as conn:
        desk = Accounts(conn, here.municipality_id, here.clock.now())
        desk.add(login, name, tuple(role), organisation, by=_first_or_admin(here, desk, tuple(role)))
        if dry_run:
            conn.rollback()
    typer.echo(f"{login} を加え{'られます（何も書いていません）' if dry_run else 'ました'}")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """すべての利用者。

    例: callflow user list / callflow user list --json
    """
    here: Context = ctx.obj
    with here.database.read() as conn:
        found = Accounts(conn, here.municipality_id, here.clock.now()).all()
    none = ["利用者はまだいません。callflow user add で最初の管理者を加えてください"]
    say([_line(each) for each in found] or none, [_data(each) for each in found], as_json=as_json)


@app.command()
def disable(ctx: typer.Context, login: Login) -> None:
    """利用者を無効にする。これまでの記録は残る。

    例: callflow --as admin01 user disable op001
    """
    _run(ctx.obj, lambda desk, by: desk.disable(login, by=by))
    typer.echo(f"{login} を無効にしました")


@app.command()
def enable(ctx: typer.Context, login: Login) -> None:
    """無効にした利用者を、もとの役割とパスワードで使えるようにする。

    例: callflow --as admin01 user enable taro
    """
    _run(ctx.obj, lambda desk, by: desk.enable(login, by=by))
    typer.echo(f"{login} を使えるようにしました")


@app.command()
def roles(
    ctx: typer.Context,
    login: Login,
    role: Annotated[list[str], typer.Option("--role", help="・".join(ROLE_WORDS) + "。何度でも")],
) -> None:
    """役割を、挙げたものだけにする。ログイン中なら、ログインし直しになる。

    例: callflow --as admin01 user roles taro --role operator --role supervisor
    """
    _run(ctx.obj, lambda desk, by: desk.set_roles(login, tuple(role), by=by))
    typer.echo(f"{login} の役割を {'・'.join(ROLE_WORDS[each] for each in role)} にしました")


@app.command()
def subject(
    ctx: typer.Context,
    login: Login,
    given: Annotated[str, typer.Argument(metavar="SUBJECT", help="認証基盤の識別子（sub）。空なら外す")],
) -> None:
    """認証基盤（OpenID Connect）の識別子を利用者に結び付ける。

    例: callflow --as admin01 user subject taro 248289761001
    """
    _run(ctx.obj, lambda desk, by: desk.set_subject(login, given, by=by))
    typer.echo(f"{login} を認証基盤の識別子に結び付けました" if given else f"{login} の結び付きを外しました")


@app.command("reset-code")
def reset_code(ctx: typer.Context, login: Login) -> None:
    """確認コード（二つめの鍵）をなくした人の設定を消す。

    例: callflow --as admin01 user reset-code taro
    """
    _run(ctx.obj, lambda desk, by: desk.reset_code(login, by=by))
    typer.echo(f"{login} の確認コードの設定を消しました")


@app.command()
def password(ctx: typer.Context, login: Login, password_stdin: Given = False) -> None:
    """パスワードを決める。自分のものか、管理者が行う。

    例: callflow --as ward01 user password ward01 / callflow --as admin01 user password op001 --password-stdin
    """
    here: Context = ctx.obj
    if here.actor.login != login:
        here.actor.must_be("admin")
    new = read_password(f"{login} の新しいパスワード: ", from_stdin=password_stdin)
    if not password_stdin and getpass("もう一度: ") != new:
        raise InputError("二度の入力が違います", where=Where(field="password"), mend="もう一度実行してください")
    with here.database.write() as conn:
        Accounts(conn, here.municipality_id, here.clock.now()).set_password(login, new, by=here.actor_id)
    typer.echo(f"{login} のパスワードを決めました")


def read_password(prompt: str, *, from_stdin: bool) -> str:
    """A password typed unseen, or the next line of standard input. Raises UsageError without a terminal."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("パスワードを尋ねる端末がありません", mend="--password-stdin を使ってください")
    return getpass(prompt)


def _run(here: Context, act: Callable[[Accounts, int], None]) -> None:
    here.actor.must_be("admin")
    with here.database.write() as conn:
        act(Accounts(conn, here.municipality_id, here.clock.now()), here.actor_id)


def _first_or_admin(here: Context, desk: Accounts, roles: tuple[str, ...]) -> int | None:
    if desk.count():
        here.actor.must_be("admin")
        return here.actor_id
    if "admin" not in roles:
        raise RefusedError("最初の利用者は管理者（admin）にしてください", mend="--role admin")
    return None


def _line(account: Account) -> str:
    roles = "・".join(ROLE_WORDS[role] for role in account.roles)
    notes = ("" if account.has_password else " パスワード未設定") + ("" if account.active else " 無効")
    return f"{account.login:<16} {account.name}  {roles}  {account.organisation}{notes}"


def _data(account: Account) -> dict[str, object]:
    return {
        "login": account.login,
        "name": account.name,
        "organisation": account.organisation,
        "kind": account.kind,
        "roles": list(account.roles),
        "password": account.has_password,
        "code": account.has_code,
        "active": account.active,
    }
