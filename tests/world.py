"""A small invented municipality with people, a case and a published script, for tests of whole calls."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table

from callflow.briefing import Desk
from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.script.model import Script
from callflow.script.proofs import Report, prove
from callflow.script.reader import read
from callflow.shelf import Shelf, publish
from models.database import Database
from models.ids import new_id
from models.tables import (
    account_roles,
    accounts,
    arrears,
    campaigns,
    cases,
    debtor_phones,
    debtors,
    households,
    organisations,
    phone_numbers,
    shifts,
)

SCRIPTS = Path(__file__).parent.parent / "scripts"
MUNICIPALITY = 1
IDENTITY = {"name": True, "birth_date": "S38.10.16"}
WRONG_IDENTITY = {"name": True, "birth_date": "S38.10.17"}

DESK = Desk(
    ward="見本区",
    company="見本コールセンター株式会社",
    desk_name="特別相談係",
    desk_phone="03-0000-0000",
    desk_hours="平日9時から17時",
    claim_names={"national_health_insurance": "国民健康保険料"},
    spouse_may_hear={"national_health_insurance": True},
    limitation_years={"national_health_insurance": 2},
)


@cache
def proved(path: Path) -> tuple[Script, Report]:
    """A script with its proof, read and proved once for all tests."""
    script = read(path)
    return script, prove(script)


def counted_salt() -> Callable[[int], bytes]:
    """Salts that differ and are the same in every run."""
    counter = itertools.count(1)
    return lambda size: next(counter).to_bytes(size, "big")


@dataclass
class World:
    """Ids of what `build` made, and the call desk over it."""

    database: Database
    clock: SimulatedClock
    calls: Calls
    shelf: Shelf
    operator: int
    supervisor: int
    staff: tuple[int, int]
    script_hash: str


def build(database: Database, clock: SimulatedClock, *, script: Path | None = None) -> World:
    with database.write() as conn:
        contractor = _insert(conn, organisations, kind="contractor", name="見本コールセンター株式会社")
        ward = _insert(conn, organisations, kind="ward", name="見本区")
        operator = account(conn, contractor, "op01", "見本 一号", "operator", clock.now())
        supervisor = account(conn, contractor, "sv01", "見本 責任", "supervisor", clock.now())
        first = account(conn, ward, "ward01", "見本 職一", "staff", clock.now())
        second = account(conn, ward, "ward02", "見本 職二", "staff", clock.now())
        on_shift(conn, supervisor, clock.now())
        read_script, report = proved(script or SCRIPTS / "nhi-premium.yaml")
        publish(conn, MUNICIPALITY, read_script, report, by=first, approved_by=second, at=clock.now())
    shelf = Shelf()
    calls = Calls(database, clock, shelf, DESK, MUNICIPALITY, counted_salt())
    return World(database, clock, calls, shelf, operator, supervisor, (first, second), read_script.content_hash)


def account(conn: Connection, organisation: int, login: str, name: str, role: str, now: datetime) -> int:
    one = _insert(conn, accounts, organisation_id=organisation, login=login, display_name=name, created_at=now)
    conn.execute(account_roles.insert().values(municipality_id=MUNICIPALITY, account_id=one, role=role))
    return one


def on_shift(conn: Connection, supervisor: int, now: datetime, hours: int = 24 * 365) -> None:
    """The supervisor is on shift from now on, for as long as a test may last."""
    _insert(conn, shifts, account_id=supervisor, began_at=now, until=now + timedelta(hours=hours))


def running_campaign(conn: Connection, world: World) -> None:
    """Campaign 1, of whoever supervises, without a plan: what is put into its queue is dealt."""
    conn.execute(
        campaigns.insert().values(
            municipality_id=MUNICIPALITY,
            id=1,
            name="見本",
            claim_type="national_health_insurance",
            script_hash=world.script_hash,
            state="running",
            supervisor_id=world.supervisor,
            created_at=world.clock.now(),
            created_by=world.supervisor,
        )
    )


@dataclass(frozen=True)
class TestCase:
    """One debtor with instalments and one number."""

    __test__ = False
    case_id: int
    household_id: int
    number_id: int


def add_case(conn: Connection, number: int = 1, *, household: int | None = None, instalments: int = 2) -> TestCase:
    """A case whose debtor was born on S38.10.16; `number` makes names and phone differ."""
    household_id = household or _insert(conn, households, external_no=f"00200{number:05}")
    debtor = _insert(
        conn,
        debtors,
        addressee_no=f"00100{number:05}",
        household_id=household_id,
        name=f"試川　{number}郎",
        kana="タメシガワ",
        birth_date=date(1963, 10, 16),
        address="見本町8-17-18",
        spouse_name="試川　幸子",
    )
    phone = _insert(conn, phone_numbers, e164=f"+8136659{number:04}", status="usable")
    conn.execute(
        debtor_phones.insert().values(
            municipality_id=MUNICIPALITY, debtor_id=debtor, position=1, number_id=phone, raw=f"03-6659-{number:04}"
        )
    )
    case = _insert(
        conn,
        cases,
        debtor_id=debtor,
        household_id=household_id,
        claim_type="national_health_insurance",
        status="open",
        payments_as_of=date(2026, 11, 20),
        created_at=datetime(2026, 11, 20, tzinfo=UTC),
    )
    for instalment in range(1, instalments + 1):
        _insert(
            conn,
            arrears,
            case_id=case,
            claim_type="national_health_insurance",
            notice_no=f"N{number:05}{instalment:02}",
            levy_year=2026,
            nominal_year=2026,
            instalment=instalment,
            due_on=date(2026, 6 + instalment, 28),
            levied=12_000,
            paid=0,
            unpaid=12_000,
            reminder_on=date(2026, 7 + instalment, 20),
        )
    return TestCase(case, household_id, phone)


def _insert(conn: Connection, table: Table, **values: Any) -> int:
    one = new_id(conn, table, MUNICIPALITY)
    conn.execute(table.insert().values(municipality_id=MUNICIPALITY, id=one, **values))
    return one
