"""Every key, command, exit code and variable stands in docs/operations.md, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from typer.main import get_command

from callflow import errors
from callflow.cli.main import EXIT_INTERRUPTED, GROUPS
from callflow.config import Config
from callflow.sections import Claim
from scheduler.settings import Policy

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
FIRST_CELLS = set(re.findall(r"^\| `([^`]+)` \|", OPERATIONS, re.MULTILINE))
CODES = {int(code) for code in re.findall(r"^\| (\d+) \|", OPERATIONS, re.MULTILINE)}


def keys(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Every key that config.yaml may hold; `*` stands for any claim type."""
    for name, field in model.model_fields.items():
        key = above + (field.alias or name)
        if key == "claim_types":
            yield from keys(Claim, "claim_types.*.")
            continue
        inner = [each for each in (field.annotation, *get_args(field.annotation)) if is_model(each)]
        if inner and key != "claim_types.*.policy":  # its keys are those of `policy`
            yield from keys(inner[0], f"{key}.")
        else:
            yield key


def is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def commands() -> Iterator[str]:
    for group in GROUPS:
        command = get_command(import_module(f"callflow.cli.{group}").app)
        inner = getattr(command, "commands", {})
        yield from (f"callflow {group} {name}" for name in inner)
        if not inner:
            yield f"callflow {group}"


def test_every_configuration_key_is_documented_and_no_other() -> None:
    documented = {cell for cell in FIRST_CELLS if re.fullmatch(r"[a-z_.*0-9]+", cell)}
    assert documented == set(keys(Config))


@pytest.mark.parametrize("item", fields(Policy), ids=lambda item: item.name)
def test_the_policys_defaults_and_limits_are_documented(item: object) -> None:
    name = item.name  # type: ignore[attr-defined]
    if name == "limitation_years":
        return
    default, limit = item.default, item.metadata.get("limit") if item.metadata else None  # type: ignore[attr-defined]
    sign = "≤" if item.metadata.get("tighter", 0) < 0 else "≥"  # type: ignore[attr-defined]
    shown = f" {sign} {limit} " if limit else " "
    assert f"| `policy.{name}` | {str(default).lower()} |{shown}|" in OPERATIONS


def test_every_command_is_documented_and_no_other() -> None:
    documented = {cell for cell in FIRST_CELLS if cell.startswith("callflow ")}
    assert documented == set(commands())


def test_every_command_says_what_it_does() -> None:
    for group in GROUPS:
        command = get_command(import_module(f"callflow.cli.{group}").app)
        for each in [command, *getattr(command, "commands", {}).values()]:
            assert each.help, f"{group} {each.name}"


def test_every_exit_code_is_documented() -> None:
    raised = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.CallflowError)
    }
    in_code = {
        int(code)
        for file in (ROOT / "callflow" / "cli").glob("*.py")
        for code in re.findall(r"Exit\((\d+)\)", file.read_text(encoding="utf-8"))
    }
    assert raised | in_code | {0, EXIT_INTERRUPTED} <= CODES


def test_every_variable_is_documented() -> None:
    used = {
        name
        for package in ("callflow", "models", "scheduler")
        for file in (ROOT / package).rglob("*.py")
        for name in re.findall(r"\"(CALLFLOW_[A-Z]+)\"", file.read_text(encoding="utf-8"))
    }
    assert used
    assert used <= FIRST_CELLS


def test_every_link_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
