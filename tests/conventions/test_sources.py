"""What the whole tree must keep: layers, one clock, no host of a registry, no path of anybody's machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("callflow", "models", "scheduler")
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if name
] or [file for file in ROOT.rglob("*") if file.is_file() and not {".venv", ".git"} & set(file.parts)]
LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]
CLOCKLESS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}


def sources() -> list[Path]:
    return [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]


def test_the_layers_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_time_comes_from_the_clock_alone() -> None:
    for file in sources():
        if file.name == "clock.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in CLOCKLESS, f"{file.name}:{node.lineno}"


def test_nobody_commits_but_the_database_module() -> None:
    for file in sources():
        if file.name != "database.py":
            assert ".commit()" not in file.read_text(encoding="utf-8"), file.name


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_pin_every_package_with_hashes_and_name_no_host(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    blocks = re.split(r"\n(?=\S)", text.strip())
    for block in blocks:
        assert re.match(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,-]+\])?==\S+", block), block[:60]
        assert "--hash=sha256:" in block, block[:60]


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    run = names(project["project"]["dependencies"]) | names(project["project"]["optional-dependencies"]["build"])
    assert run <= locked(LOCKS[0])
    assert run | names(project["dependency-groups"]["dev"]) <= locked(LOCKS[1])


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~!;]", each)[0].lower().replace(".", "-") for each in requirements}


def locked(lock: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)", lock.read_text(encoding="utf-8"), re.MULTILINE))


def test_no_file_names_a_registry_or_a_machine() -> None:
    hosts = "|".join(("pypi" + r"\.org", "pythonhosted" + r"\.org", "npmjs" + r"\.(org|com)", "registry" + r"\."))
    paths = "|".join(
        (r"/ho" + r"me/\w", r"/ro" + r"ot/", r"/wo" + r"rk/", r"/Us" + r"ers/\w", r"/opt/" + "(pypi|wheels)")
    )
    for file in TRACKED:
        if not file.is_file() or file.suffix in (".png", ".sqlite"):
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        found = re.search(f"{hosts}|(?<![\\w.]){paths}", text)
        assert found is None, f"{file.relative_to(ROOT)}: {found.group(0) if found else ''}"


def test_every_make_target_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony
    for target in phony.group(1).split():
        assert re.search(rf"^{target}:.*## \S", text, re.MULTILINE), target
