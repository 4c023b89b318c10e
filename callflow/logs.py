"""Logs as JSON lines on standard error, into which no personal data can get.

A log call names ids, kinds and places. Whatever it names, `only_allowed` lets through the keys that stand in `ALLOWED`
and of texts only plain words: no Japanese, no run of digits that could be a number or a date of birth. What libraries
log goes the same way; of their messages the template alone, of an exception its kind and place, never its text.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import Any, Final

import structlog

ALLOWED: Final = frozenset({
    "event", "level", "logger", "timestamp",  # every line
    "kind", "place",  # of a failure: its class, and file:line
    "method", "path", "status", "milliseconds",  # of a request; `path` is the route's, without what stood in it
    "account", "call", "campaign", "case", "import", "report",  # ids of rows
    "job", "moment", "worker", "provider", "line", "state", "code", "role", "reason", "count", "seconds", "version",
    "port", "signal", "expected",
})  # fmt: skip
HIDDEN: Final = "…"
LIBRARIES: Final = ("uvicorn", "apscheduler", "alembic")
"""Whose message templates are shown; their arguments never are."""

_WORDS = re.compile(r"[\x20-\x7e]{0,120}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_HOOK = re.compile(
    r"https?://[a-z0-9.-]+(:\d{1,5})?/hooks/[a-z]+/[a-z]+/\.\.\."
)  # a provider's way to us, by our own settings
_NUMBER = re.compile(r"\d[-\s.()+]*(?:\d[-\s.()+]*){4,}\d")  # six digits or more, however they are grouped

Line = MutableMapping[str, Any]


def only_allowed(_logger: object, _method: str, line: Line) -> Line:
    """The line without what may not be said; what was left out is named by its key, or counted if that is no word."""
    failure = line.pop("exc_info", None)
    if failure:
        error = sys.exc_info()[1] if failure is True else failure[1] if isinstance(failure, tuple) else failure
        line.update(described(error))
    left_out = sorted(key for key in line if key not in ALLOWED)
    kept = {key: _plain(value) for key, value in line.items() if key in ALLOWED}
    if left_out:
        kept["omitted"] = [key if re.fullmatch(r"[a-z_]{1,32}", key) else HIDDEN for key in left_out]
    return kept


def described(error: BaseException | None) -> dict[str, str]:
    """An exception as its kind and the place in our code, or else in a library's, where it arose."""
    if error is None:
        return {}
    frames = extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return {"kind": type(error).__name__, "place": place}


def configure(level: int = logging.INFO) -> None:
    """For the whole process: structlog, the logging of libraries, warnings, and what nobody caught."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            only_allowed,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=True),  # no line break and no control character in a line
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Through()]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"  # its lines hold query strings; ours do not
    logging.getLogger("uvicorn").setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda given: _uncaught(given.exc_type, given.exc_value, given.exc_traceback)


class _Through(logging.Handler):
    """What libraries log, through the same processor."""

    def emit(self, record: logging.LogRecord) -> None:
        shown = record.name.split(".")[0] in LIBRARIES and isinstance(record.msg, str)
        event = record.msg.strip() if shown else "library"
        failure = described(record.exc_info[1]) if record.exc_info else {}
        level = "critical" if record.levelno >= logging.CRITICAL else record.levelname.lower()
        say = getattr(structlog.get_logger(), level, structlog.get_logger().info)
        say(event, logger=record.name, **failure)


def _uncaught(_kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return
    structlog.get_logger().critical("uncaught", **described(error))


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str):
        return HIDDEN
    if _INSTANT.fullmatch(value) or _HOOK.fullmatch(value):
        return value
    return value if _WORDS.fullmatch(value) and not _NUMBER.search(value) else HIDDEN
