"""A terminal over a fresh database: commands as a person types them, in this process."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from callflow.cli.main import run

ROOT = Path(__file__).parents[3]
PASSWORDS = {"ward01": "tadashii-uma-denchi", "ward02": "hotchikisu-no-hari"}


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Type = Callable[..., Said]


def _settle(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CALLFLOW_CONFIG", str(ROOT / "config.yaml"))
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", f"sqlite:///{folder}/callflow.sqlite")
    monkeypatch.setenv("CALLFLOW_CLOCK", "2026-11-24T10:00+09:00")


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """`type_("user", "list")` runs `callflow user list` over a database of its own; `stdin`: what is piped in."""
    _settle(monkeypatch, tmp_path)

    def type_in(*words: str, stdin: str = "") -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = run(list(words))
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return type_in


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database after `init`: an administrator, two of the ward's staff with passwords, and the
    contractor's people."""
    folder = tmp_path_factory.mktemp("office")
    with pytest.MonkeyPatch.context() as monkeypatch:
        _settle(monkeypatch, folder)
        assert run(["init"]) == 0
        assert run(["user", "add", "admin01", "--name", "見本管理", "--role", "admin"]) == 0
        for login, role in (("ward01", "staff"), ("ward02", "staff"), ("lead01", "supervisor"), ("op01", "operator")):
            words = ["user", "add", login, "--name", f"見本{login}", "--role", role]
            assert run(["--as", "admin01", *words]) == 0
        for login, password in PASSWORDS.items():
            monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
            assert run(["--as", "admin01", "user", "password", login, "--password-stdin"]) == 0
    return folder


@pytest.fixture
def office(type_: Type, furnished: Path, tmp_path: Path) -> Type:
    """A terminal over a copy of the furnished database."""
    for file in furnished.iterdir():
        shutil.copy(file, tmp_path)
    return type_
