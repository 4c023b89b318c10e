"""A municipality ready to call: invented people, an imported list, a published script, a running campaign, a room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from callflow.access.accounts import Accounts, ensure_municipality
from callflow.calls import Calls
from callflow.campaigns import Campaigns, Draft, Plan, rules_of
from callflow.clock import SimulatedClock
from callflow.config import Config
from callflow.intake.columns import ListMapping, known_claims
from callflow.intake.importer import import_file
from callflow.oversight import Oversight
from callflow.script.proofs import prove
from callflow.script.reader import read
from callflow.shelf import Shelf, publish
from callflow.simulation.room import Room
from models.database import Database
from models.migrate import upgrade
from scheduler.budgets import CallingDays, propose
from scheduler.calendar import tokyo_date
from scheduler.dealing import Rules
from scheduler.settings import Mode

SHIFT = timedelta(days=60)
"""The supervisor's, longer than any simulation: nobody there goes home."""

FORTNIGHT = timedelta(days=13)
"""Over so many days the calling days of a claim type with a budget are laid out."""

STAFF = (
    ("ward01", "見本 職一", "staff"),
    ("ward02", "見本 職二", "staff"),
    ("audit01", "見本 監査", "auditor"),
    ("sv01", "見本 責任", "supervisor"),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """What was set up. `people`: account ids by login."""

    municipality_id: int
    people: dict[str, int]
    shelf: Shelf
    rules: Rules
    plan: Plan
    campaign_id: int
    room: Room


def set_stage(
    database: Database,
    config: Config,
    script_file: Path,
    clock: SimulatedClock,
    arrears: Path,
    *,
    operators: int,
    seed: int = 1,
    mode: Mode = "progressive",
    step: Callable[[str], None] = lambda _words: None,
    moment: Callable[[datetime], None] = lambda _moment: None,
) -> Stage:
    """Fills an empty database up to a running campaign. `step` is told what happens next, `moment` how far the
    clock has come."""
    upgrade(database)
    own = config.municipality
    with database.write() as conn:
        municipality_id = ensure_municipality(conn, own.code, own.ward, own.company)
        people = _people(conn, municipality_id, operators, clock)
    step(f"取り込み: {arrears.name}")
    import_file(
        database,
        arrears,
        municipality_id=municipality_id,
        actor_id=people["ward01"],
        now=clock.now(),
        mapping=ListMapping(known=known_claims(config.claim_types)),
    )
    step("台本を証明して公開")
    script = read(script_file)
    report, kind = prove(script), script.claim_type
    days = _calling_days(config, kind, tokyo_date(clock.now()))
    shelf, rules = Shelf(), Rules(0, config.policy_for(kind), config.calendar_for(kind))
    with database.write() as conn:
        now = clock.now()
        publish(conn, municipality_id, script, report, by=people["ward01"], approved_by=people["ward02"], at=now)
        desk = Campaigns(conn, municipality_id, now)
        campaign_id, plan = desk.create(
            Draft("デモ", kind, script.content_hash, days=days, mode=mode), rules, people["sv01"]
        )
        rules = rules_of(desk.get(campaign_id), rules)
        desk.approve(campaign_id, people["ward01"])
        Oversight(conn, municipality_id, now).begin_shift(people["sv01"], now + SHIFT, people["sv01"])
        desk.start(campaign_id, people["sv01"], people["sv01"])
    room = Room(
        database=database,
        clock=clock,
        calls=Calls(database, clock, shelf, config.desk(), municipality_id),
        shelf=shelf,
        municipality_id=municipality_id,
        campaign_id=campaign_id,
        script_hash=script.content_hash,
        rules=rules,
        operators=[people[f"op{number:02}"] for number in range(1, operators + 1)],
        seed=seed,
        told=moment,
    )
    return Stage(municipality_id, people, shelf, rules, plan, campaign_id, room)


def _calling_days(config: Config, kind: str, today: date) -> CallingDays | None:
    """As many days as the year's budget has, from today on; None where every office day is a calling day."""
    budget = config.budget_for(kind)
    if budget is None:
        return None
    found = propose(replace(config.calendar_for(kind), days=None), budget, today, today + FORTNIGHT)
    return CallingDays(found.days or frozenset(), found.evening_days, found.rest_days)


def _people(conn: Connection, municipality_id: int, operators: int, clock: SimulatedClock) -> dict[str, int]:
    desk = Accounts(conn, municipality_id, clock.now())
    first = desk.add("admin01", "見本 管理", ("admin",), "ward", by=None)
    everybody = [*STAFF, *((f"op{n:02}", f"見本 架電{n}", "operator") for n in range(1, operators + 1))]
    people = {login: desk.add(login, name, (role,), "", by=first) for login, name, role in everybody}
    return {"admin01": first, **people}
