"""`callflow user`, `config` and the installation's own acts, as a person types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from models.database import Database
from models.tables import accounts, audit_events
from tests.unit.cli.conftest import PASSWORDS, Type


def acts(tmp_path: Path) -> list[tuple[str, str]]:
    database = Database(f"sqlite:///{tmp_path}/callflow.sqlite")
    with database.read() as conn:
        rows = conn.execute(select(audit_events.c.verb, audit_events.c.object).order_by(audit_events.c.id)).all()
    database.close()
    return [(row.verb, row.object) for row in rows]


def test_the_first_account_is_an_administrator_and_needs_nobody(type_: Type) -> None:
    type_("init")
    refused = type_("user", "add", "op01", "--name", "見本花子", "--role", "operator")
    assert (refused.code, "--role admin" in refused.err) == (5, True)
    assert type_("user", "add", "admin01", "--name", "見本管理", "--role", "admin").code == 0
    second = type_("user", "add", "op01", "--name", "見本花子", "--role", "operator")
    assert (second.code, "--as" in second.err) == (2, True)


def test_only_an_administrator_adds_and_disables(office: Type) -> None:
    assert office("--as", "op01", "user", "add", "op02", "--name", "見本次郎", "--role", "operator").code == 5
    assert office("--as", "op01", "user", "disable", "ward01").code == 5
    assert office("--as", "op01", "user", "password", "ward01", "--password-stdin", stdin="x" * 20).code == 5


def test_the_list_tells_who_may_what(office: Type) -> None:
    found = {each["login"]: each for each in office("user", "list", "--json").data}
    assert found["op01"]["kind"] == "contractor"
    assert found["ward01"] == {
        "login": "ward01",
        "name": "見本ward01",
        "organisation": "見本区",
        "kind": "ward",
        "roles": ["staff"],
        "password": True,
        "code": False,
        "active": True,
    }
    assert "業務責任者" in office("user", "list").out


def test_a_disabled_account_acts_no_more(office: Type) -> None:
    assert office("--as", "admin01", "user", "disable", "ward01").code == 0
    assert "無効" in office("user", "list").out
    assert office("--as", "ward01", "user", "password", "ward01", "--password-stdin", stdin="x" * 20).code == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Taro", "--role", "staff"), "英小文字"),
        (("ward01", "--role", "staff"), "使われています"),
        (("taro", "--role", "boss"), "役割 boss"),
        (("taro", "--role", "operator", "--organisation", "ward"), "架電従事者になれません"),
        (("taro", "--role", "staff", "--organisation", "他区"), "組織 他区"),
    ],
)
def test_what_cannot_be_an_account_is_refused_in_words(office: Type, words: tuple[str, ...], said: str) -> None:
    answer = office("--as", "admin01", "user", "add", *words, "--name", "見本太郎")
    assert answer.code in (1, 3)
    assert said in answer.err
    assert len(office("user", "list", "--json").data) == 5


def test_a_dry_run_adds_nobody(office: Type) -> None:
    words = ("user", "add", "op02", "--name", "見本次郎", "--role", "operator", "--dry-run")
    assert office("--as", "admin01", *words).code == 0
    assert len(office("user", "list", "--json").data) == 5


def test_passwords_are_kept_as_argon2id(office: Type, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/callflow.sqlite")
    with database.read() as conn:
        stored = conn.execute(select(accounts.c.password_hash).where(accounts.c.login == "ward01")).scalar_one()
    database.close()
    assert stored.startswith("$argon2id$")
    assert PASSWORDS["ward01"] not in stored


@pytest.mark.parametrize("password", ["short", "op01-op01-op01", ""])
def test_a_weak_password_is_refused(office: Type, password: str) -> None:
    said = office("--as", "op01", "user", "password", "op01", "--password-stdin", stdin=f"{password}\n")
    assert (said.code, "12字以上" in said.err) == (1, True)
    assert password not in said.err or not password


def test_a_password_is_not_read_from_a_pipe_unasked(office: Type) -> None:
    said = office("--as", "op01", "user", "password", "op01", stdin="a-long-enough-word\n")
    assert (said.code, "--password-stdin" in said.err) == (2, True)


def test_every_act_is_on_the_record_without_names(office: Type, tmp_path: Path) -> None:
    office("--as", "admin01", "user", "disable", "op01")
    found = acts(tmp_path)
    assert found[:2] == [("user:add", "account:1"), ("user:add", "account:2")]
    assert ("user:password", "account:2") in found
    assert found[-1] == ("user:disable", "account:5")


def test_the_last_administrator_stays(office: Type) -> None:
    assert office("--as", "admin01", "user", "disable", "admin01").code == 5


def test_config_is_checked_and_shown(type_: Type) -> None:
    assert "問題ありません" in type_("config", "check").out
    shown = {each["key"]: each for each in type_("config", "show", "--json").data}
    assert shown["database.url"]["source"] == "環境変数 CALLFLOW_DATABASE__URL"


def test_days_are_proposed_within_the_budget(type_: Type) -> None:
    words = ("config", "propose", "late_elderly", "--from", "2026-04-01", "--json")
    assert len(type_(*words).data["days"]) == 13
    assert type_("config", "propose", "late_elderly").out.startswith("days: [2026-11-30, ")
    assert type_("config", "propose", "national_health_insurance").code == 1
    assert type_("config", "propose", "nursary_fee").code == 4


def test_more_days_than_budgeted_are_a_warning(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFLOW_CLAIM_TYPES__LATE_ELDERLY__BUDGET__DAYS", "1")
    monkeypatch.setenv("CALLFLOW_CLAIM_TYPES__LATE_ELDERLY__DAYS", "[2026-12-01, 2026-12-02]")
    said = type_("config", "check")
    assert (said.code, "予算の 1 日を超えています" in said.err) == (0, True)
