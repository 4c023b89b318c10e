"""The command line's frame: quick help, exit codes, errors in words and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import ProgrammingError

from callflow.cli import main
from callflow.errors import (
    AskPersonError,
    CallflowError,
    ConfigError,
    InputError,
    NotFoundError,
    RefusedError,
    TryLaterError,
    UsageError,
    Where,
)
from tests.unit.cli.conftest import ROOT, Type


def test_help_loads_neither_the_database_nor_the_configuration() -> None:
    code = (
        "import sys\nfrom callflow.cli.main import run\nassert run(['--help']) == 0\n"
        "heavy = {'sqlalchemy', 'pydantic', 'ruamel', 'rich', 'transitions', 'jinja2', 'holidays', 'alembic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == "[]"
    assert all(name in done.stdout for name in main.GROUPS)


def test_every_group_is_there() -> None:
    here = {file.stem for file in (ROOT / "callflow" / "cli").glob("*.py")}
    assert set(main.GROUPS) <= here


@pytest.mark.parametrize("group", main.GROUPS)
def test_every_group_explains_itself(type_: Type, group: str) -> None:
    said = type_(group, "--help")
    assert (said.code, said.err) == (0, "")
    assert "Usage: callflow" in said.out


def test_without_words_there_is_help_and_with_wrong_ones_a_hint(type_: Type) -> None:
    assert "コマンド" in (type_().out + type_().err)
    assert type_("usr").code == 2
    said = type_("user", "lst")
    assert said.code == 2
    assert "list" in said.err


@pytest.mark.parametrize(
    ("typed", "what", "how"),
    [
        (("user", "lst"), "lst という命令はありません（'list' のことですか）", "callflow user --help"),
        (("nope",), "nope という命令はありません", "callflow --help"),
        (("call", "show"), "CALL がありません", "callflow call show --help"),
        (("call", "show", "1", "2"), "余分な引数があります: 2", "callflow call show --help"),
        (("call", "list", "-n", "0"), "--count / -n: 1 以上にしてください", "callflow call list --help"),
        (("call", "list", "-n", "二"), "--count / -n: 整数ではありません", "callflow call list --help"),
        (("call", "list", "--jsn"), "--jsn という指定はありません", "似たもの: --json"),
        (("call", "list", "--json=1"), "--json に値は付けられません", "callflow --help"),
        (("sample", "-o"), "-o の値がありません", "callflow --help"),
        (("sample",), "--output / -o / --out がありません", "callflow sample --help"),
        (("serve", "--port", "99999"), "--port: 65535 以下にしてください", "callflow serve --help"),
    ],
)
def test_a_wrong_command_line_is_told_in_our_words(type_: Type, typed: tuple[str, ...], what: str, how: str) -> None:
    said = type_(*typed)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"誤り: {what}\n  → ")
    assert how in said.err


def test_the_version_is_told(type_: Type) -> None:
    assert type_("--version").out.startswith("callflow 0.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CallflowError("x"), 1),
        (InputError("x"), 1),
        (TryLaterError("x"), 1),
        (AskPersonError("x"), 1),
        (UsageError("x"), 2),
        (NotFoundError("x"), 3),
        (ConfigError("x"), 4),
        (RefusedError("x"), 5),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
    ],
)
def test_an_error_becomes_an_exit_code(
    type_: Type, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    raise_in_config(monkeypatch, error)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # a broken pipe replaces it
    said = type_("config", "check")
    assert said.code == code
    assert "Traceback" not in said.err


def test_what_where_and_how_to_mend_are_told(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_in_config(monkeypatch, InputError("数ではありません", where=Where("list.csv", 3, 7, "年度"), mend="数にする"))
    said = type_("config", "check")
    assert said.err == "誤り: list.csv:3:7 年度: 数ではありません\n  → 数にする\n"
    assert said.out == ""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("見本太郎 03-0000-0000"),
        ProgrammingError("SELECT 見本太郎", {"name": "見本太郎"}, Exception("見本太郎")),
    ],
)
def test_what_nobody_foresaw_is_told_without_its_data(
    type_: Type, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    raise_in_config(monkeypatch, error)
    said = type_("config", "check")
    assert said.code == 1
    assert type(error).__name__ in said.err
    assert "見本太郎" not in said.err
    assert "Traceback" not in said.err


def test_a_developer_can_see_where_it_broke(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_in_config(monkeypatch, ValueError("x"))
    monkeypatch.setenv("CALLFLOW_DEBUG", "1")
    with pytest.raises(ValueError, match="x"):
        type_("config", "check")


def test_a_file_that_cannot_be_written_is_named(type_: Type, tmp_path: Path) -> None:
    script = ROOT / "scripts" / "nhi-premium.yaml"
    said = type_("script", "diagram", str(script), "-o", str(tmp_path / "none" / "x.mmd"))
    assert said.code == 1
    assert "x.mmd" in said.err


def test_a_database_that_is_not_ready_says_what_to_do(type_: Type) -> None:
    said = type_("user", "list")
    assert said.code == 4
    assert "callflow init" in said.err


def test_an_unusable_clock_is_a_configuration_error(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    type_("init")
    monkeypatch.setenv("CALLFLOW_CLOCK", "2026-11-24T10:00")
    said = type_("user", "list")
    assert said.code == 4
    assert "+09:00" in said.err


def test_init_may_be_repeated(type_: Type) -> None:
    first, second = type_("init"), type_("init")
    assert (first.code, second.code) == (0, 0)
    assert "callflow user add" in first.out


@pytest.mark.parametrize("words", [("--as", "admin01", "user", "list"), ("user", "list", "--as=admin01")])
def test_the_actor_may_be_named_anywhere(office: Type, words: tuple[str, ...]) -> None:
    assert "admin01" in office(*words).out


def test_completion_is_offered(type_: Type) -> None:
    assert "--install-completion" in type_("--help").out


def raise_in_config(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr("callflow.cli.context.load", broken)


def test_a_name_in_another_encoding_is_told(type_: Type) -> None:
    said = type_("case", "import", "\udc88\udcea.csv")
    assert (said.code, "UTF-8" in said.err) == (2, True)


def test_a_terminal_of_another_encoding_is_told_what_it_can_show() -> None:
    command = [sys.executable, "-c", "import sys, callflow.cli.main as m; sys.argv = ['callflow', '𠮷']; m.main()"]
    terminal = {**os.environ, "PYTHONIOENCODING": "cp932"}
    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, env=terminal)
    assert (done.returncode, r"\U00020bb7" in done.stderr.decode("cp932")) == (2, True)
