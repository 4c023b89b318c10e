"""A script and a claim type of somebody who knows the documents alone: two files and a few lines of configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import PASSWORDS, ROOT, Type

SCRIPT = Path(__file__).parent / "third_party" / "school-lunch.yaml"
CLAIM = """
  school_lunch:
    name: 学校給食費
    codes: ["77"]
    limitation_years: 5
    spouse_may_hear: true
    budget: {days: 20, evenings: 4}

closed_days:"""


@pytest.fixture
def configured(office: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    shipped = (ROOT / "config.yaml").read_text(encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(shipped.replace("\nclosed_days:", CLAIM, 1), encoding="utf-8")
    monkeypatch.setenv("CALLFLOW_CONFIG", str(file))
    monkeypatch.setenv("CALLFLOW_SCRIPTS__FOLDER", str(ROOT / "scripts"))
    return office


def test_a_new_claim_type_and_its_script_need_no_program(configured: Type, tmp_path: Path) -> None:
    listed, paid = tmp_path / "list.csv", tmp_path / "paid.csv"
    sample = ("--households", "6", "--claim-type", "school_lunch", "--payments", str(paid))
    passwords = "".join(f"{PASSWORDS[login]}\n" for login in ("ward01", "ward02"))
    plan = ("--claim-type", "school_lunch", "--script", "school-lunch", "--days", "3", "--from", "2026-11-25")
    for login, *words in (
        ("ward01", "config", "check"),
        ("ward01", "script", "check", str(SCRIPT)),
        ("ward01", "sample", "--out", str(listed), *sample),
        ("ward01", "case", "import", str(listed)),
        ("ward01", "case", "import", str(paid)),
        ("ward01", "script", "publish", str(SCRIPT), "--second", "ward02", "--password-stdin"),
        ("lead01", "campaign", "plan", "給食費", *plan),
        ("ward01", "campaign", "approve", "給食費"),
        ("lead01", "campaign", "shift", "begin", "--until", "17:00"),
        ("lead01", "campaign", "start", "給食費"),
    ):
        said = configured("--as", login, *words, stdin=passwords)
        assert said.code == 0, (words, said.err)
    assert len(configured("dial", "queue", "--json").data[0]["next"]) > 2
    other = ("campaign", "plan", "国保", "--claim-type", "national_health_insurance", "--script", "school-lunch")
    refused = configured("--as", "lead01", *other)
    assert (refused.code, "school_lunch" in refused.err) == (2, True)
    assert {row["claim_type"] for row in configured("--as", "ward01", "case", "list", "--json").data} == {
        "school_lunch"
    }


def test_it_is_called_replayed_and_proved(configured: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rehearsal.sqlite"
    done = configured(
        "demo", "--script", str(SCRIPT), "--households", "8", "--days", "1", "--database", str(file), "--json"
    )
    assert done.code == 0, done.err
    assert done.data["replay"]["calls"] == done.data["replay"]["proved"] > 5
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", f"sqlite:///{file}")
    promised = configured("call", "list", "--disposition", "PP", "-n", "1", "--json").data[0]["id"]
    assert "学校給食費の" in configured("--as", "sv01", "call", "replay", str(promised)).out
    assert configured("call", "verify").code == 0
    rehearsed = configured("--as", "ward01", "script", "rehearse", str(SCRIPT), "--json").data
    assert rehearsed["changed"] == []
    assert rehearsed["calls"] > 5


def test_one_code_of_two_claim_types_is_refused(configured: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFLOW_CLAIM_TYPES__SCHOOL_LUNCH__CODES", '["10"]')
    said = configured("config", "check")
    assert (said.code, "科目 10" in said.err) == (4, True)
