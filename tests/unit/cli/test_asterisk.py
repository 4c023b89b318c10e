"""`callflow asterisk check` against an Asterisk on loopback: what is good, what is not, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from callflow.clock import SimulatedClock
from callflow.config import load
from callflow.doctor.calling import telephone
from callflow.doctor.findings import Surroundings
from callflow.errors import ConfigError
from callflow.telephony.asterisk.settings import pbx_of
from tests.peers.asterisk_peer import PASSWORD, RECEIVERS, AsteriskPeer, HeardPhone
from tests.unit.cli.conftest import ROOT, Type

VARIABLE = "ASTERISK_ARI_PASSWORD"


@pytest.fixture
def peer(clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsteriskPeer]:
    made = AsteriskPeer(clock)
    for key, value in {
        "URL": made.pbx().url, "DIAL": "PJSIP/{number}@trunk", "CALLER_ID": "0366590000",
        "DESKS": json.dumps({"op01": RECEIVERS[0]}),
    }.items():  # fmt: skip
        monkeypatch.setenv(f"CALLFLOW_ASTERISK__{key}", value)
    monkeypatch.setenv(VARIABLE, PASSWORD)
    yield made
    made.close()
    assert made.violations == []


def test_a_check_says_what_is_good_and_what_to_mend(
    type_: Type, peer: AsteriskPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = HeardPhone(peer)
    phone.start()
    assert phone.wait(5)
    said = type_("asterisk", "check", "--json")
    assert said.code == 0, said.out + said.err
    assert [each["name"] for each in json.loads(said.out)] == [
        "credentials", "time", "permission", "events", "app", "trunk", "desk",
    ]  # fmt: skip
    phone.close()
    peer.read_only = True
    peer.endpoints = {"PJSIP/trunk": "offline"}
    monkeypatch.setenv("CALLFLOW_CLOCK", "2026-11-24T10:01+09:00")
    said = type_("asterisk", "check")
    assert said.code == 1
    lines = said.out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("要")] == [
        "time",
        "permission",
        "app",
        "trunk",
        "desk",
    ]
    assert sum("→" in line for line in lines) == 5
    assert not peer.dialled
    peer.credentials = "callflow:another"
    said = type_("asterisk", "check")
    assert "401" in said.out
    assert "ari.conf" in said.out
    assert PASSWORD not in said.out + said.err


def test_what_is_missing_or_wrong_in_the_configuration_is_named(
    tmp_path: Path, peer: AsteriskPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    url = peer.pbx().url
    good = {f"CALLFLOW_ASTERISK__{key}": value for key, value in {
        "URL": url, "DIAL": "Local/{number}@outgoing", "CALLER_ID": "0366590000", "NUMBERS": "e164",
    }.items()}  # fmt: skip
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    pbx = pbx_of(load(ROOT / "config.yaml", good | {"CALLFLOW_ASTERISK__PASSWORD_FILE": str(file)}), {})
    assert (pbx.password, pbx.trunk, pbx.endpoint("+81366590001")) == (
        PASSWORD, "", "Local/+81366590001@outgoing/n",
    )  # fmt: skip
    assert PASSWORD not in repr(pbx)
    for more, level in (({}, "problem"), ({"CALLFLOW_ASTERISK__PASSWORD_FILE": str(file)}, "ok")):
        config = load(ROOT / "config.yaml", good | {"CALLFLOW_TELEPHONY__PHONE": "asterisk"} | more)
        (found,) = telephone(Surroundings(ROOT / "config.yaml", peer.clock.now(), lambda config=config: config))
        assert (found.level.code, PASSWORD in found.words) == (level, False)
    for wrong in ({"URL": ""}, {"DIAL": ""}, {"CALLER_ID": ""}, {"PASSWORD_FILE": str(tmp_path / "none")}, {}):
        named = {f"CALLFLOW_ASTERISK__{key}": value for key, value in wrong.items()}
        with pytest.raises(ConfigError) as error:
            pbx_of(load(ROOT / "config.yaml", good | named), {})
        assert "asterisk." in str(error.value)
    for key, value in {
        "URL": "http://pbx.example.lg.jp:8088",  # readable on the way
        "DIAL": "PJSIP/trunk",
        "CALLER_ID": "184",
        "DESKS": '{"op01": "PJSIP/0990123456@trunk"}',  # a receiver is no number through a trunk
        "APP": "call-flow",
    }.items():
        with pytest.raises(ConfigError):
            load(ROOT / "config.yaml", good | {f"CALLFLOW_ASTERISK__{key}": value})
