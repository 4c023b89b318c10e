"""A command line that was put together wrongly, in the words of every other error: what is wrong and how to mend it."""

from __future__ import annotations

import re
from typing import Final

from typer._click import exceptions as click

from callflow.errors import UsageError

_REASONS: Final = (
    (r"No such command '(.*)'\. Did you mean (.*)\?", "{0} という命令はありません（{1} のことですか）"),
    (r"No such command '(.*)'\.", "{0} という命令はありません"),
    (r"Missing command\.", "命令が足りません"),
    (r"Got unexpected extra argument\(s\) \((.*)\)", "余分な引数があります: {0}"),
    (r"Option '(.*)' requires an argument\.", "{0} の値がありません"),
    (r"Option '(.*)' does not take a value\.", "{0} に値は付けられません"),
    (r"Argument '(.*)' takes (\d+) values\.", "{0} には {1} 個の値が要ります"),
    (r"(?:Value )?'(.*)' is not a valid (?:int|integer)\.?.*", "{0} は整数ではありません"),
    (r"(?:Value )?'(.*)' is not a valid (?:float|number)\.?.*", "{0} は数ではありません"),
    (r"Input should be a valid integer.*", "整数ではありません"),
    (r"Input should be a valid number.*", "数ではありません"),
    (r"Input should be greater than or equal to (\S+)", "{0} 以上にしてください"),
    (r"Input should be less than or equal to (\S+)", "{0} 以下にしてください"),
    (r"Input should be greater than (\S+)", "{0} より大きくしてください"),
    (r"Input should be less than (\S+)", "{0} より小さくしてください"),
    (r"'(.*)' is not one of (.*)\.", "{0} は使えません（使えるもの: {1}）"),
    (r"\w+ '(.*)' does not exist\.", "{0} はありません"),
    (r"\w+ '(.*)' is a file\.", "{0} はファイルです"),
    (r"\w+ '(.*)' is a directory\.", "{0} はフォルダーです"),
    (r"\w+ '(.*)' is not writable\.", "{0} に書けません"),
)
"""What typer says of a command line, and how we say it; what stands nowhere here is told as it came."""


def in_words(error: click.ClickException) -> UsageError:
    """The error as a person reads it."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    mend = f"{ctx.command_path if ctx else 'callflow'} --help で使い方を見られます"
    if isinstance(error, click.NoSuchOption):
        near = "、".join(sorted(error.possibilities or ()))
        what = f"{error.option_name} という指定はありません"
        return UsageError(what, mend=f"似たもの: {near}。{mend}" if near else mend)
    if isinstance(error, click.MissingParameter):
        return UsageError(f"{_name(error)} がありません", mend=mend)
    said = _reason(error.message)
    name = _name(error) if isinstance(error, click.BadParameter) else ""
    return UsageError(f"{name}: {said}" if name else said, mend=mend)


def _name(error: click.BadParameter) -> str:
    """The option or argument as it is typed."""
    hint = error.param_hint or (error.param.get_error_hint() if error.param is not None else "")
    words = hint if isinstance(hint, str) else " / ".join(hint)
    return words.replace("'", "")


def _reason(message: str) -> str:
    for pattern, words in _REASONS:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return words.format(*found.groups())
    return message
