"""Several dialling processes over one PostgreSQL, while it is killed, and while a host is cut off or dies.

Nothing is dialled twice, nothing is lost, and what was acknowledged is there.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator

import pytest

from models.database import Database
from tests.fleet.dialer import LEASE, Dialer
from tests.fleet.fleet import Fleet
from tests.server import Server

ENOUGH = 150
"""Cases that wait for sure until the next kill, two or three seconds later."""
HOSTS = {"callflow-a": "10.213.1", "callflow-b": "10.213.2"}


def killed_and_restarted(times: int) -> None:
    server, chance = Server(), random.Random(1)
    fleet = Fleet(server, ENOUGH)
    try:
        fleet.start(4)
        for _ in range(times):
            if fleet.left() < ENOUGH:  # each kill meets a load, on a fast machine too
                fleet.add(ENOUGH)
            time.sleep(chance.uniform(0.5, 2))
            server.kill()
            time.sleep(chance.uniform(0, 0.5))
            server.start()
        assert fleet.left(), "the last kill met no load"
        fleet.drain(300)
        fleet.stop()
        fleet.prove()
    finally:
        fleet.remove()


def test_postgresql_killed_under_load_loses_nothing_that_was_acknowledged() -> None:
    killed_and_restarted(3)


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_postgresql_killed_a_hundred_times_under_load() -> None:
    killed_and_restarted(100)


class Lent:
    """A server of others', which nobody kills."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, _host: str = "") -> str:
        return self._url

    def start(self) -> None:
        """It runs."""

    def remove(self) -> None:
        """It stays."""


@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
def test_of_two_processes_that_only_dial_one_is_killed_and_the_other_goes_on(empty_database: Database) -> None:
    """The operators and the periodic work are here; neither process knows of the other."""
    cases = 24
    fleet = Fleet(Lent(empty_database.url), cases)
    here = Dialer(fleet.server.url(), fleet.folder, fleet.operators[0], fleet.begun)
    try:
        first, second = fleet.start_apart(2)
        killed = 0
        ends = time.monotonic() + LEASE.total_seconds() + 60
        while fleet.left():
            assert time.monotonic() < ends
            if not killed and len(fleet.placed()) >= cases // 3:
                first.kill()
                killed = len(fleet.placed())
            here.attend(fleet.operators)
            time.sleep(0.02)
        assert 0 < killed < len(fleet.placed())
        assert second.poll() is None
        fleet.stop()
        fleet.prove()
    finally:
        here.database.close()
        fleet.remove()


def ip(*words: str, check: bool = True) -> int:
    return subprocess.run(["ip", *words], check=check, capture_output=True).returncode


@pytest.fixture
def hosts() -> Iterator[None]:
    """Two network namespaces, each with a cable of its own to here."""
    if os.getuid() != 0 or ip("netns", "add", "callflow-a", check=False):
        pytest.skip("network namespaces need root")
    try:
        ip("netns", "add", "callflow-b")
        for name, net in HOSTS.items():
            cable = f"cf-{name[-1]}"
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("addr", "add", f"{net}.1/24", "dev", cable)
            ip("link", "set", cable, "up")
            ip("-n", name, "addr", "add", f"{net}.2/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
        yield
    finally:
        for name in HOSTS:
            ip("link", "del", f"cf-{name[-1]}", check=False)
            ip("netns", "del", name, check=False)


@pytest.mark.usefixtures("hosts")
@pytest.mark.parametrize("how", ["cut off", "killed"])
def test_of_two_hosts_one_is_lost_in_the_middle_and_the_other_goes_on(how: str) -> None:
    cases = 120
    fleet = Fleet(Server("127.0.0.1", *(f"{net}.1" for net in HOSTS.values())), cases)
    try:
        first, second = (fleet.start(2, host=f"{net}.1", inside=name) for name, net in HOSTS.items())
        while len(fleet.placed()) < cases // 4:
            time.sleep(0.05)
        if how == "cut off":
            ip("link", "set", "cf-a", "down")
        else:
            for one in first:
                one.kill()
        alone = len(fleet.placed())
        took = fleet.drain(LEASE.total_seconds() + 90)
        assert len(fleet.placed()) > alone
        assert all(one.poll() is None for one in second)
        if how == "cut off":
            ip("link", "set", "cf-a", "up")
            time.sleep(2)
        fleet.stop()
        fleet.prove()
        print(f"{how}: the other host was through {took:.1f} s later")
    finally:
        fleet.remove()
