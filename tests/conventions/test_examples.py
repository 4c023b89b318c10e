"""The help of every command shows how it is typed, and what it shows can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from callflow.cli.main import _actor_first, root

SHOWN = re.compile(r"^ *例: (callflow .*)$", re.MULTILINE)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    names = command.list_commands(None) if hasattr(command, "list_commands") else ()
    if not names or getattr(command, "invoke_without_command", False):
        yield path, command
    for name in names:
        yield from leaves(command.get_command(None, name), (*path, name))


COMMANDS = dict(leaves(get_command(root)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_shows_examples_that_parse(path: tuple[str, ...]) -> None:
    told = f"{COMMANDS[path].help}\n{COMMANDS[path].epilog}"
    shown = [one for line in SHOWN.findall(told) for one in re.split(r" / (?=callflow )", line)]
    assert shown
    for example in shown:
        words = _actor_first(shlex.split(example)[1:])
        words = words[2:] if words[0] == "--as" else words
        assert tuple(words[: len(path)]) == path, example
        parse(COMMANDS[path], words[len(path) :])


def parse(command: Any, words: list[str]) -> None:
    """Fails for an option that is not there, a word too many, or a word that is missing."""
    context = command.context_class(command)
    given, left, _order = command.make_parser(context).parse_args(list(words))
    assert not left, left
    missing = [each.name for each in command.params if each.required and not given.get(each.name)]
    assert not missing, missing
