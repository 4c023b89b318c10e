"""Accounts, roles and passwords, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from callflow.access.accounts import ROLES_OF, Accounts, ensure_municipality, password_is
from callflow.errors import InputError, NotFoundError, RefusedError
from models.database import Database
from models.people import ROLES
from models.tables import account_roles, audit_events, metadata, municipalities, organisations
from tests.conftest import START

WARD, COMPANY = "見本区", "見本コールセンター株式会社"
PASSWORD = "tadashii-uma-denchi"


@pytest.fixture
def ready(empty_database: Database) -> Database:
    with empty_database.write() as conn:
        metadata.create_all(conn)
    with empty_database.write() as conn:
        assert ensure_municipality(conn, "139999", WARD, COMPANY) == 1
    return empty_database


def test_the_municipality_is_there_once_and_keeps_its_id(ready: Database) -> None:
    with ready.write() as conn:
        assert ensure_municipality(conn, "139999", "新見本区", COMPANY) == 1
        assert ensure_municipality(conn, "139998", "隣区", COMPANY) == 2
        assert conn.execute(select(municipalities.c.name).order_by(municipalities.c.id)).scalars().all() == [
            "新見本区",
            "隣区",
        ]
        own = select(func.count()).where(organisations.c.municipality_id == 1)
        assert conn.execute(own).scalar_one() == 3  # the ward under both names, and the company


def test_an_account_belongs_to_the_organisation_that_its_role_fits(ready: Database) -> None:
    with ready.write() as conn:
        desk = Accounts(conn, 1, START)
        desk.add("taro", "見本太郎", ("operator",), "", by=None)
        desk.add("hanako", "見本花子", ("staff", "auditor", "staff"), "ward", by=None)
        desk.add("jiro", "見本次郎", ("supervisor", "operator"), COMPANY, by=None)
        found = {each.login: (each.kind, each.roles) for each in desk.all()}
    assert found == {
        "taro": ("contractor", ("operator",)),
        "hanako": ("ward", ("staff", "auditor")),
        "jiro": ("contractor", ("operator", "supervisor")),
    }


def test_every_role_belongs_to_someone() -> None:
    assert {role for roles in ROLES_OF.values() for role in roles} == set(ROLES)
    assert set(ROLES_OF["ward"]) & set(ROLES_OF["contractor"]) == {"admin"}


@pytest.mark.parametrize(
    ("login", "name", "roles", "organisation"),
    [
        ("", "見本", ("staff",), ""),
        ("Taro", "見本", ("staff",), ""),
        ("a b", "見本", ("staff",), ""),
        ("x" * 65, "見本", ("staff",), ""),
        ("taro", " ", ("staff",), ""),
        ("taro", "見本", (), ""),
        ("taro", "見本", ("boss",), ""),
        ("taro", "見本", ("staff",), "contractor"),
        ("taro", "見本", ("staff", "operator"), ""),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    ready: Database, login: str, name: str, roles: tuple[str, ...], organisation: str
) -> None:
    with ready.write() as conn:
        desk = Accounts(conn, 1, START)
        with pytest.raises(InputError):
            desk.add(login, name, roles, organisation, by=None)
        assert desk.count() == 0
        assert conn.execute(select(func.count()).select_from(account_roles)).scalar_one() == 0


def test_accounts_of_another_municipality_are_not_there(ready: Database) -> None:
    with ready.write() as conn:
        other = ensure_municipality(conn, "139998", "隣区", COMPANY)
        Accounts(conn, other, START).add("taro", "隣太郎", ("staff",), "", by=None)
        Accounts(conn, other, START).set_password("taro", PASSWORD, by=None)
        desk = Accounts(conn, 1, START)
        assert desk.all() == []
        with pytest.raises(NotFoundError):
            desk.named("taro")
        assert not password_is(conn, 1, "taro", PASSWORD)
        assert password_is(conn, other, "taro", PASSWORD)


def test_a_password_opens_only_its_own_active_account(ready: Database) -> None:
    with ready.write() as conn:
        desk = Accounts(conn, 1, START)
        admin = desk.add("admin", "見本管理", ("admin",), "", by=None)
        desk.add("taro", "見本太郎", ("staff",), "", by=admin)
        assert not password_is(conn, 1, "taro", "")
        desk.set_password("taro", PASSWORD, by=admin)
        assert password_is(conn, 1, "taro", PASSWORD)
        assert not password_is(conn, 1, "taro", PASSWORD.upper())
        assert not password_is(conn, 1, "admin", PASSWORD)
        assert not password_is(conn, 1, "nobody", "nobody has this password")
        desk.disable("taro", by=admin)
        assert not password_is(conn, 1, "taro", PASSWORD)


def test_disabling_twice_is_one_act_and_keeps_the_first_instant(ready: Database) -> None:
    with ready.write() as conn:
        admin = Accounts(conn, 1, START).add("admin", "見本管理", ("admin",), "", by=None)
        Accounts(conn, 1, START).add("taro", "見本太郎", ("staff",), "", by=admin)
        Accounts(conn, 1, START).disable("taro", by=admin)
        later = Accounts(conn, 1, START + timedelta(days=1))
        later.disable("taro", by=admin)
        assert later.named("taro").disabled_at == START
        verbs = conn.execute(select(audit_events.c.verb).order_by(audit_events.c.id)).scalars().all()
    assert verbs == ["user:add", "user:add", "user:disable"]


def test_there_is_always_an_administrator(ready: Database) -> None:
    with ready.write() as conn:
        desk = Accounts(conn, 1, START)
        first = desk.add("admin", "見本管理", ("admin",), "", by=None)
        staff = desk.add("taro", "見本太郎", ("staff",), "", by=first)
        with pytest.raises(RefusedError, match="自分自身"):
            desk.disable("admin", by=first)
        with pytest.raises(RefusedError, match="最後の管理者"):
            desk.disable("admin", by=staff)
        second = desk.add("admin2", "見本副管理", ("admin",), "", by=first)
        desk.disable("admin", by=second)
        assert not desk.named("admin").active


def test_acts_name_the_actor_and_no_person(ready: Database) -> None:
    with ready.write() as conn:
        desk = Accounts(conn, 1, START)
        admin = desk.add("admin", "見本管理", ("admin",), "", by=None)
        desk.add("taro", "見本太郎", ("staff",), "", by=admin)
        rows = conn.execute(select(audit_events).order_by(audit_events.c.id)).all()
    assert [(row.actor_id, row.object, row.fields, row.at) for row in rows] == [
        (None, "account:1", "admin", START),
        (admin, "account:2", "staff", START),
    ]
