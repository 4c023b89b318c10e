"""`callflow`: the groups of commands, loaded only when used, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module, util
from io import TextIOWrapper
from pathlib import Path
from traceback import extract_tb
from typing import Annotated, Any

import typer
from typer._click.exceptions import (  # typer carries its own click and exports only parts of it
    ClickException,
    NoArgsIsHelpError,
)
from typer.core import TyperGroup
from typer.main import get_command

from callflow import __version__
from callflow.cli.misuse import in_words
from callflow.errors import CallflowError, UsageError, Where

GROUPS = {
    "init": "データベースと組織を用意する / prepare the database",
    "config": "設定を検査・表示する / check and show the configuration",
    "db": "データベースの版を上げる / migrate the database",
    "user": "利用者と役割 / accounts and roles",
    "client": "API を使うプログラム / clients of the API",
    "script": "台本の検査・表示・公開 / call scripts: check, show, diff, diagram, publish",
    "sample": "架空の滞納一覧を作る / make an invented list",
    "case": "案件の取込・一覧 / import and show cases",
    "campaign": "架電の計画と運転 / plan and run campaigns",
    "simulate": "見通し: 何人で、いつ終わり、何件と話せるか / forecast a campaign",
    "dial": "なぜ架電する・しないか / why a case is or is not called",
    "call": "通話の一覧・再生・検証 / list, show, replay and verify calls",
    "recording": "録音の一覧・点検・消去 / recordings: list, check, erase",
    "correct": "終わった通話の訂正・取り消し・確認待ち / correct, take back and resolve calls",
    "report": "報告: 日報・月報・審議会の問い / reports and the council's questions",
    "slip": "連絡票: 受理・対応・差戻し・折返し / contact slips",
    "promise": "納付約束の一覧、債務承認の候補の確認 / promises",
    "visit": "訪問催告の一覧・書き出し・結果 / visits by the ward",
    "glass": "支援措置の世帯を開けた記録と確かめ / openings of protected households",
    "retention": "保存と消去、返還と廃棄 / retention, return and destroy",
    "audit": "記録の錨と検証 / anchor and verify the log",
    "twilio": "Twilio による発信の点検 / checks for calls by Twilio",
    "asterisk": "Asterisk による発信の点検 / checks for calls by Asterisk",
    "relay": "閉じた網のための発信の中継 / the relay that dials for a closed network",
    "serve": "コンソールをブラウザーに開く / the console in a browser",
    "work": "定期の仕事を続ける / the periodic work, beside the console",
    "backup": "控えを取る・確かめる / take and prove a backup",
    "restore": "控えから戻す / restore a backup",
    "doctor": "直すべきことを調べる / what should be mended",
    "demo": "架空の住民で一通り動かす / a whole campaign on invented residents",
}
EXIT_INTERRUPTED = 130


class Groups(TyperGroup):
    """Knows the groups by name; a group's module is imported when it is called, so that `--help` stays quick."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        return [name for name in GROUPS if util.find_spec(f"callflow.cli.{name}")]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002
        if cmd_name not in GROUPS or not util.find_spec(f"callflow.cli.{cmd_name}"):
            return None
        app: typer.Typer = import_module(f"callflow.cli.{cmd_name}").app
        app.rich_markup_mode, app._add_completion = None, False  # help looks the same in every group
        command = get_command(app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("コマンド / Commands"):
            formatter.write_dl([(name, GROUPS[name]) for name in self.list_commands(ctx)])


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"callflow {__version__}")
        raise typer.Exit


root = typer.Typer(
    cls=Groups,
    rich_markup_mode=None,
    no_args_is_help=True,
    epilog="例: callflow script check scripts/nhi-premium.yaml / callflow --as ward01 case import list.csv",
)


@root.callback()
def cli(
    ctx: typer.Context,
    as_user: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="誰の操作か（ログイン名） / the account that acts")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="版を表示して終わる", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """自治体の電話催告: 台本どおりに、一行ずつ、あとから証明できるように。

    Telephone dunning by the documented script, line by line, recorded so that it can be proved.
    """
    from callflow.cli.context import open_context  # noqa: PLC0415  the database library is not for --help

    ctx.obj = open_context(as_user, need_actor=False)


def main() -> None:
    """Runs a command. Exit codes: docs/operations.md."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal of another encoding knows no 𠮷: told as \\U00020bb7
            stream.reconfigure(errors="backslashreplace")
    raise SystemExit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """As `main`, with the exit code returned."""
    try:
        _check_letters(arguments)
        result: Any = get_command(root).main(args=_actor_first(arguments), prog_name="callflow", standalone_mode=False)
    except CallflowError as error:
        _say(error)
        return error.exit_code
    except typer.Abort:
        return EXIT_INTERRUPTED
    except NoArgsIsHelpError as error:
        error.show()
        return int(error.exit_code)
    except ClickException as error:
        misuse = in_words(error)
        _say(misuse)
        return misuse.exit_code
    except typer.Exit as error:
        return int(error.exit_code)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  nobody reads any more
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:
        if os.environ.get("CALLFLOW_DEBUG"):
            raise
        told = _unforeseen(error)
        _say(told)
        return told.exit_code
    return result if isinstance(result, int) else 0


def _check_letters(arguments: list[str]) -> None:
    """A file's name in another encoding (from a Windows archive) could be neither shown nor put on record."""
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            "引数に UTF-8 で読めない文字があります", mend="ファイル名なら、変えてから実行してください"
        ) from error


def _unforeseen(error: Exception) -> CallflowError:
    """An error that nobody turned into words. Its own text is not shown: it may hold a resident's data."""
    if isinstance(error, OSError):
        return CallflowError(f"{error.strerror or type(error).__name__}", where=Where(str(error.filename or "")))
    if isinstance(error, OverflowError) or type(error).__module__.startswith("sqlalchemy"):
        from callflow.storage import in_words  # noqa: PLC0415  what `--help` need not load

        if words := in_words(error):
            return words
        mend = "callflow config show で database.url を、callflow db current で版を確かめてください"
        return CallflowError(f"データベースの誤りです（{type(error).__name__}）", mend=mend)
    trace = extract_tb(error.__traceback__)
    if isinstance(error, ValueError) and "sqlalchemy" in trace[-1].filename:  # SQLite keeps whatever was written
        what = "データベースに読めない値があります（書き換えられたか、壊れています）"
        return CallflowError(what, mend="callflow call verify で、どの通話かを確かめてください")
    frames = [frame for frame in trace if "site-packages" not in frame.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    mend = "callflow の誤りです。環境変数 CALLFLOW_DEBUG=1 を付けると詳しく表示します（個人情報を含むことがあります）"
    return CallflowError(f"思わぬ誤りです（{type(error).__name__}、{place}）", mend=mend)


def _say(error: CallflowError) -> None:
    """What is wrong, where, and how to mend it."""
    place = f"{error.where}: " if str(error.where) else ""
    text = str(error.what)
    print(f"誤り: {text if text.startswith(place) else place + text}", file=sys.stderr)
    if error.mend:
        print(f"  → {error.mend}", file=sys.stderr)


def _actor_first(arguments: list[str]) -> list[str]:
    """`--as USER` may stand anywhere: it belongs to the whole command line."""
    for index, word in enumerate(arguments):
        if word == "--":
            break
        if word == "--as" and index + 1 < len(arguments):
            return [word, arguments[index + 1], *arguments[:index], *arguments[index + 2 :]]
        if word.startswith("--as="):
            return ["--as", word.removeprefix("--as="), *arguments[:index], *arguments[index + 1 :]]
    return arguments
