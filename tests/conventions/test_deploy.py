"""What deploy/ ships names commands, options, keys and paths that exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from callflow.config import load
from callflow.console.routes import table
from callflow.doctor import serving
from callflow.errors import ConfigError
from callflow.papers import press

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
KNOWN_TO_SYSTEMD = {  # systemd.exec(5), systemd.service(5), systemd.timer(5), systemd.unit(5)
    "After", "CapabilityBoundingSet", "Description", "EnvironmentFile", "ExecStart", "LockPersonality",
    "NoNewPrivileges", "OnCalendar", "Persistent", "PrivateDevices", "PrivateTmp", "ProtectHome",
    "ProtectKernelModules", "ProtectKernelTunables", "ProtectSystem", "ReadWritePaths", "Restart", "RestartSec",
    "RestrictAddressFamilies", "RestrictSUIDSGID", "StateDirectory", "StateDirectoryMode", "SystemCallFilter",
    "TimeoutStopSec", "Type", "UMask", "User", "WantedBy", "Wants", "WorkingDirectory",
}  # fmt: skip


def container_lines(word: str) -> list[str]:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    return re.findall(rf"^{word} (.*)$", text, re.MULTILINE)


def typed() -> list[list[str]]:
    """Every `callflow …` that a unit or the image runs."""
    units = [re.search(r"^ExecStart=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE) for unit in UNITS]
    return [shlex.split(unit[1])[1:] for unit in units if unit] + [
        json.loads(one)[1:] for one in container_lines("CMD")
    ]


@pytest.mark.parametrize("words", typed(), ids=" ".join)
def test_what_is_run_exists_with_its_options(words: list[str], tmp_path: Path) -> None:
    for name in ("fullchain.pem", "key.pem"):
        (tmp_path / name).touch()
    words = [str(tmp_path / Path(word).name) if word.startswith("/etc/callflow/tls/") else word for word in words]
    name, *rest = words[2:] if words[0] == "--as" else words
    get_command(import_module(f"callflow.cli.{name}").app).make_context(name, rest).close()


def test_every_key_of_the_environment_is_one_of_the_configuration(tmp_path: Path) -> None:
    lines = (DEPLOY / "environment").read_text(encoding="utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    given.pop("CALLFLOW_CONFIG")
    config = load(ROOT / "config.yaml", given)
    assert config.console.public_url == "https://callflow.example.lg.jp"
    with pytest.raises(Exception, match="DATABASES"):
        load(ROOT / "config.yaml", {"CALLFLOW_DATABASES__URL": "x"})


def test_the_proxy_streams_what_is_a_stream_and_lets_lists_in() -> None:
    conf = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    [streamed] = re.findall(r"location = (\S+) \{[^}]*proxy_buffering off", conf)
    assert streamed in {route.path for route in table().routes}
    assert "X-Forwarded-For $remote_addr" in conf, "appending would let a browser name its own address"


def test_the_image_copies_what_is_there_and_runs_as_nobody_special() -> None:
    sources = [words.split()[:-1] for words in container_lines("COPY") if not words.startswith("--from")]
    assert all((ROOT / one).exists() for some in sources for one in some)
    assert container_lines("USER") == ["callflow"]


def test_every_way_to_install_brings_what_sets_paper() -> None:
    """The packages that the program itself names where they are missing."""
    needed = set(re.findall(r"(?:lib|fonts-)[a-z0-9.-]+", press.MEND))
    assert len(needed) == 4
    for path in ("deploy/Containerfile", "deploy/README.md", "README.md", "README.ja.md", ".ci/run"):
        assert needed <= set(re.findall(r"[a-z0-9.-]+", (ROOT / path).read_text(encoding="utf-8"))), path


def test_doctor_sets_a_page_or_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    around: Any = None  # it asks nothing of the installation
    (said,) = serving.paper(around)
    assert (said.level.code, said.words) == ("ok", "書類の PDF を作れます")
    monkeypatch.setattr(press, "_typeset", _without_pango)
    (said,) = serving.paper(around)
    assert (said.level.code, said.words, said.mend) == ("problem", NO_PANGO, press.MEND)


NO_PANGO = "PDF を作るためのライブラリー（pango）がありません"


def _without_pango(*_: Any) -> None:
    raise ConfigError(NO_PANGO, mend=press.MEND)


def test_units_read_as_systemd_reads_them_and_name_each_other() -> None:
    units = {unit.name: unit.read_text(encoding="utf-8") for unit in DEPLOY.glob("callflow-*")}
    for name, text in units.items():
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        sections = [line for line in lines if line.startswith("[")]
        kind = name.rpartition(".")[2].capitalize()
        assert sections[:2] == ["[Unit]", f"[{kind}]"], name
        keys = {line.partition("=")[0] for line in lines if not line.startswith("[")}
        assert keys <= KNOWN_TO_SYSTEMD, (name, keys - KNOWN_TO_SYSTEMD)
        assert all("=" in line for line in lines if not line.startswith("[")), name
        if kind == "Service":
            assert re.search(r"^ExecStart=/\S+", text, re.MULTILINE), name
        else:
            assert name.replace(".timer", ".service") in units


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for unit in DEPLOY.glob("callflow-*"):
        text = unit.read_text(encoding="utf-8").replace("/opt/callflow/.venv/bin/callflow", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    made = [str(path) for path in sorted(tmp_path.glob("callflow-*"))]
    found = subprocess.run(["systemd-analyze", "verify", *made], capture_output=True, text=True, check=False)
    assert (found.returncode, [line for line in found.stderr.splitlines() if "callflow" in line]) == (0, [])
