"""config.yaml: what may stand in it, what is said when it is wrong, and what the environment may change."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, time
from pathlib import Path

import pytest

from callflow.config import Config, effective, load
from callflow.errors import ConfigError
from scheduler.budgets import BUDGETS
from scheduler.calendar import Hours
from scheduler.settings import LIMITATION_YEARS, Policy

SHIPPED = Path(__file__).parents[2] / "config.yaml"
SMALL = """\
municipality:
  code: "139999"
  ward: 見本区
  company: 見本コールセンター株式会社
  desk_name: 特別相談係
  desk_phone: 03-0000-0000
  desk_hours: 平日9時から17時
database:
  url: sqlite:///var/callflow.sqlite
claim_types:
  national_health_insurance:
    name: 国民健康保険料
    limitation_years: 2
    spouse_may_hear: true
"""
NHI = "national_health_insurance"


def write(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refused(folder: Path, text: str, environ: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), environ or {})
    return caught.value


def test_what_ships_is_right_and_knows_every_claim_type() -> None:
    config = load(SHIPPED, {})
    assert set(config.claim_types) == set(LIMITATION_YEARS)
    assert list(config.overruns()) == []
    for claim_type in LIMITATION_YEARS:
        assert config.claim(claim_type).limitation_years == LIMITATION_YEARS[claim_type]
        assert config.budget_for(claim_type) == BUDGETS.get(claim_type)
        config.calendar_for(claim_type)


def test_what_ships_writes_out_the_default_policy() -> None:
    assert load(SHIPPED, {}).policy_for(NHI) == Policy()


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    config = load(write(tmp_path, SMALL), {})
    calendar = config.calendar_for(NHI)
    assert (calendar.day, calendar.days) == (Hours(time(9), time(17)), None)
    assert config.policy_for(NHI) == Policy(limitation_years={NHI: 2})
    assert config.desk().claim_names == {NHI: "国民健康保険料"}


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_right_one(tmp_path: Path) -> None:
    error = refused(tmp_path, SMALL.replace("  ward: 見本区", "  wrad: 見本区\n  ward: 見本区"))
    assert (error.where.line, error.where.column, error.where.field) == (3, 3, "municipality.wrad")
    assert "ward のことですか" in error.mend


@pytest.mark.parametrize(
    ("added", "line", "field", "word"),
    [
        ("policy:\n  quiet_day: 7\n", 16, "policy.quiet_day", "quiet_days のことですか"),
        ("policy:\n  attempts_per_day: 4\n", 16, "policy.attempts_per_day", "3 以下"),
        ("policy:\n  no_answer_retry_minutes: 59\n", 16, "policy.no_answer_retry_minutes", "60 以上"),
        ("policy:\n  quiet_days: 3 days\n", 16, "policy.quiet_days", "整数ではありません"),
        ("policy:\n  disaster_stop: perhaps\n", 16, "policy.disaster_stop", "true か false"),
        ("    hours: 9-17\n", 15, f"claim_types.{NHI}.hours", "09:00-17:00 の形"),
        ("    hours: 07:00-17:00\n", 15, f"claim_types.{NHI}.hours", "08:00 から 21:00"),
        ("    evenings: [2026-13-01]\n", 15, f"claim_types.{NHI}.evenings.0", "2026-11-24 の形"),
        ("    budget: {dayz: 4}\n", 15, f"claim_types.{NHI}.budget.dayz", "days のことですか"),
        ("  NHI: {name: 国保, limitation_years: 2, spouse_may_hear: true}\n", 15, "claim_types.NHI", "英小文字"),
        ("closed_days: 2026-12-28\n", 15, "closed_days", "[値, 値] の形"),
        ("import:\n  default_area_code: tokyo\n", 16, "import.default_area_code", "この値は使えません"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, added: str, line: int, field: str, word: str) -> None:
    text = SMALL + added
    error = refused(tmp_path, text)
    errors = str(error)
    assert word in errors
    assert field in errors
    assert f"config.yaml:{line}" in errors


@pytest.mark.parametrize(
    ("added", "line", "field", "word"),
    [
        ("retention:\n  call_log_days: 731\n", 16, "retention.call_log_days", "時効（5 年、1825 日）より短く"),
        ("retention:\n  memos_days: 3\n  follow_up_days: 1824\n", 17, "retention.follow_up_days", "より短く"),
        ("follow_up:\n  give_up_days: 2\n", 16, "follow_up.give_up_days", "ask_again_days より後"),
        ("oidc:\n  issuer: https://login.example\n", 16, "oidc.issuer", "client_id も"),
    ],
)
def test_a_value_that_does_not_fit_the_others_is_said_with_its_place(
    tmp_path: Path, added: str, line: int, field: str, word: str
) -> None:
    text = SMALL.replace("limitation_years: 2", "limitation_years: 5") + added
    fault = refused(tmp_path, text)
    assert fault.where is not None
    assert (fault.where.line, fault.where.field) == (line, field)
    assert word in fault.what


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    error = refused(
        tmp_path, SMALL.replace('"139999"', '"13"').replace("  desk_name: 特別相談係\n", "") + "polisy: {}\n"
    )
    assert "3 件" in error.what
    assert all(word in error.what for word in ("municipality.code", "desk_name がありません", "policy のことですか"))


def test_half_a_character_is_a_fault_with_its_place(tmp_path: Path) -> None:
    where = refused(tmp_path, SMALL.replace("見本区", r'"\ud800"')).where
    assert where is not None
    assert (where.line, where.column, where.field) == (3, 9, "municipality.ward")


def test_a_key_given_twice_is_a_fault(tmp_path: Path) -> None:
    error = refused(tmp_path, SMALL + "database:\n  url: sqlite:///other.sqlite\n")
    assert error.where.line == 15
    assert "8 行目" in error.mend


@pytest.mark.parametrize("text", ["a: [1", "- a\n- b\n", "", "\tx: 1\n", "a: &b [*b]\nc: *d\n"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "config.yaml" in str(refused(tmp_path, text))


def test_a_missing_or_unreadable_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CALLFLOW_CONFIG"):
        load(tmp_path / "none.yaml", {})
    (tmp_path / "sjis.yaml").write_bytes("ward: 見本区".encode("cp932"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "sjis.yaml", {})
    with pytest.raises(ConfigError, match="読めません"):
        load(tmp_path, {})
    assert "U+0000" in refused(tmp_path, SMALL + "\0").what


def test_the_environment_overrides_any_key(tmp_path: Path) -> None:
    environ = {
        "CALLFLOW_DATABASE__URL": "postgresql://ward@db/callflow",
        "CALLFLOW_POLICY__QUIET_DAYS": "10",
        "CALLFLOW_CLAIM_TYPES__NATIONAL_HEALTH_INSURANCE__EVENINGS": "[2026-12-01, 2026-12-08]",
        "CALLFLOW_SCRIPTS__SETTINGS__OPENING": "minimal",
        "CALLFLOW_CLOSED_DAYS": "[2026-12-28]",
        "CALLFLOW_CLOCK": "2026-11-24T10:00+09:00",
        "OTHER__KEY": "1",
    }
    config = load(write(tmp_path, SMALL), environ)
    assert config.database.url == "postgresql://ward@db/callflow"
    assert config.policy_for(NHI).quiet_days == 10
    assert config.calendar_for(NHI).evening_days == {date(2026, 12, 1), date(2026, 12, 8)}
    assert config.scripts.settings == {"opening": "minimal"}
    assert config.closed_days == [date(2026, 12, 28)]


@pytest.mark.parametrize("name", ["CALLFLOW_POLICY__QUIET_DAY", "CALLFLOW_POLISY__QUIET_DAYS"])
def test_a_wrong_variable_is_named(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, SMALL, {name: "10"})
    assert name in str(error.where)
    assert "のことですか" in error.mend


def test_show_tells_where_each_value_comes_from(tmp_path: Path) -> None:
    file = write(tmp_path, SMALL + "policy:\n  quiet_days: 8\n")
    shown = {
        each.key: each
        for each in effective(
            file,
            {
                "CALLFLOW_POLICY__RING_SECONDS": "40",
                f"CALLFLOW_CLAIM_TYPES__{NHI.upper()}__BUDGET": "{days: 5}",
            },
        )
    }
    assert (shown["policy.quiet_days"].value, shown["policy.quiet_days"].source) == ("8", f"{file}:16")
    assert shown["policy.ring_seconds"].source == "環境変数 CALLFLOW_POLICY__RING_SECONDS"
    assert shown[f"claim_types.{NHI}.budget.days"].source.startswith("環境変数")
    assert (shown["policy.refusal_days"].value, shown["policy.refusal_days"].source) == ("14", "既定値")
    assert {key for key in shown if key.startswith("policy.")} == {
        f"policy.{item.name}" for item in fields(Policy) if item.name != "limitation_years"
    }


@pytest.mark.parametrize("password", ["geheim", "p@ss:w/ord"])
def test_a_password_in_a_url_is_never_shown(tmp_path: Path, password: str) -> None:
    environ = {"CALLFLOW_DATABASE__URL": f"postgresql://ward:{password}@db/callflow"}
    shown = effective(write(tmp_path, SMALL), environ)
    assert not [each for each in shown if password in each.value]
    wrong = refused(tmp_path, SMALL, {"CALLFLOW_DATABASE__URL": f"mysql://ward:{password}@db/callflow"})
    assert password not in str(wrong)


def test_more_days_than_budgeted_are_noticed(tmp_path: Path) -> None:
    added = "    budget: {days: 1}\n    days: [2026-12-01, 2026-12-02]\n"
    config: Config = load(write(tmp_path, SMALL + added), {})
    [(claim_type, overrun)] = config.overruns()
    assert (claim_type, overrun.listed, overrun.budget) == (NHI, 2, 1)


def test_a_claim_type_without_settings_is_a_configuration_error(tmp_path: Path) -> None:
    config = load(write(tmp_path, SMALL), {})
    with pytest.raises(ConfigError, match="nursery_fee"):
        config.calendar_for("nursery_fee")


def test_a_relative_path_follows_the_file_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    config = load(write(home, SMALL), {})
    assert config.database.url == f"sqlite:///{home}/var/callflow.sqlite"
    assert config.scripts.folder == home / "scripts"
    assert (config.audit.anchors, config.audit.signing_key) == (home / "var/anchors", home / "var/anchor.key")
    shown = {setting.key: setting.value for setting in effective(write(home, SMALL), {})}
    assert shown["database.url"] == config.database.url


@pytest.mark.parametrize(
    "url", ["sqlite:////srv/callflow.sqlite", "sqlite:///:memory:", "postgresql://somebody@db.example/callflow"]
)
def test_what_is_no_relative_path_stays_as_it_is(tmp_path: Path, url: str) -> None:
    file = write(tmp_path, SMALL.replace("sqlite:///var/callflow.sqlite", f'"{url}"'))
    assert load(file, {}).database.url == url


def test_a_slip_in_a_variable_is_told_and_others_are_left_alone(tmp_path: Path) -> None:
    wrong = refused(tmp_path, SMALL, {"CALLFLOW_CLOSED_DAY": "2026-12-01"})
    assert wrong.mend == "closed_days のことですか"
    load(write(tmp_path, SMALL), {"CALLFLOW_CONFIG": "x.yaml", "CALLFLOW_OIDC_SECRET": "x", "CALLFLOW_CLOCK": ""})


def test_a_path_of_the_environment_follows_the_command(tmp_path: Path) -> None:
    environ = {"CALLFLOW_DATABASE__URL": "sqlite:///var/demo.sqlite", "CALLFLOW_SCRIPTS__FOLDER": "drafts"}
    config = load(write(tmp_path, SMALL), environ)
    assert config.database.url == "sqlite:///var/demo.sqlite"
    assert config.scripts.folder == Path("drafts")
