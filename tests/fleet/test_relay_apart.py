"""The closed side and the relay on two hosts: the cable is cut in the middle, and nothing connects inwards."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callflow.telephony.relay.audit import audit
from callflow.telephony.relay.journal import read
from tests.fleet.beyond import OUTSIDE, PORT
from tests.fleet.fleet import ROOT
from tests.fleet.test_fleet import ip

CLOSED, BEYOND, CABLE = "callflow-closed", "callflow-beyond", "eth0"
_LISTENING = "0A"


@pytest.fixture
def hosts() -> Iterator[None]:
    """Two network namespaces with one cable between them, and no other way out."""
    if os.getuid() != 0 or ip("netns", "add", CLOSED, check=False):
        pytest.skip("network namespaces need root")
    try:
        ip("netns", "add", BEYOND)
        ip("-n", CLOSED, "link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", BEYOND)
        for name, address in ((CLOSED, "10.214.1.1/24"), (BEYOND, f"{OUTSIDE}/24")):
            ip("-n", name, "addr", "add", address, "dev", CABLE)
            ip("-n", name, "link", "set", CABLE, "up")
        ip("-n", BEYOND, "link", "set", "lo", "up")
        yield
    finally:
        for name in (CLOSED, BEYOND):
            ip("netns", "del", name, check=False)


def started(inside: str, module: str, folder: Path) -> subprocess.Popen[bytes]:
    words = ["ip", "netns", "exec", inside, sys.executable, "-m", f"tests.fleet.{module}", str(folder)]
    return subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def listeners(inside: str) -> list[str]:
    """The sockets of a host that wait for connections."""
    words = ["ip", "netns", "exec", inside, "cat", "/proc/net/tcp", "/proc/net/tcp6"]
    rows = [
        line.split() for line in subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\n")
    ]
    return [row[1] for row in rows if len(row) > 3 and row[3] == _LISTENING]


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def fates(folder: Path) -> dict[str, str]:
    file = folder / "fates"
    lines = file.read_text(encoding="ascii").split("\n") if file.exists() else []
    return dict(line.split(" ", 1) for line in lines if line)


@pytest.mark.usefixtures("hosts")
def test_the_cable_to_the_relay_is_cut_and_nobody_is_dialled_twice_or_late(tmp_path: Path) -> None:
    (tmp_path / "relay.key").write_text("k" * 40, encoding="ascii")
    beyond, closed = started(BEYOND, "beyond", tmp_path), started(CLOSED, "closed", tmp_path)
    try:
        placed = lambda: sum(each == "placed" for each in fates(tmp_path).values())  # noqa: E731
        until(lambda: placed() >= 10)
        assert listeners(CLOSED) == []
        assert any(each.endswith(f":{PORT:04X}") for each in listeners(BEYOND)), "the look at listeners sees them"
        for _ in range(2):
            before = placed()
            ip("-n", CLOSED, "link", "set", CABLE, "down")
            time.sleep(2)
            ip("-n", CLOSED, "link", "set", CABLE, "up")
            until(lambda before=before: placed() >= before + 5)  # type: ignore[misc]
        assert listeners(CLOSED) == []
        (tmp_path / "stop").touch()
        assert closed.wait(30) == 0
        beyond.terminate()
        beyond.wait(30)
    finally:
        for each in (closed, beyond):
            each.kill()
    dialled = (tmp_path / "dialled").read_text(encoding="utf-8").split()
    told = fates(tmp_path)
    assert len(dialled) == len(set(dialled)), "nobody is dialled twice"
    assert set(dialled) == {attempt for attempt, fate in told.items() if fate == "placed"}
    assert "not dialled" in told.values(), "the cut was noticed"
    found = audit(read(tmp_path / "relay.jsonl"))
    assert (found.faults, found.unsettled) == ([], [])
