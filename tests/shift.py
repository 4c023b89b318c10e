"""A whole small shift: people, an imported list, a published script, a running campaign and a room of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from callflow.access.accounts import Accounts, ensure_municipality
from callflow.calls import Calls
from callflow.campaigns import Campaigns, Draft
from callflow.clock import TOKYO, SimulatedClock
from callflow.config import Config, load
from callflow.intake.importer import import_file
from callflow.oversight import Oversight
from callflow.shelf import Shelf, publish
from callflow.simulation.room import Room
from callflow.simulation.sample import generate, write
from models.database import Database
from models.migrate import upgrade
from scheduler.dealing import Rules
from tests.conftest import START
from tests.world import SCRIPTS, proved

CONFIG = Path(__file__).parents[1] / "config.yaml"
CLAIM = "national_health_insurance"
PEOPLE = (("ward01", "staff"), ("ward02", "staff"), ("sv01", "supervisor"), ("op01", "operator"), ("op02", "operator"))


@dataclass
class Shift:
    """What `begin` made; `room()` puts operators to work over any database that holds it."""

    config: Config
    clock: SimulatedClock
    municipality_id: int
    campaign_id: int
    script_hash: str
    people: dict[str, int]

    def room(self, database: Database, *, seed: int = 1, told: Callable[[datetime], None] = lambda _: None) -> Room:
        shelf = Shelf()
        return Room(
            database=database,
            clock=self.clock,
            calls=Calls(database, self.clock, shelf, self.config.desk(), self.municipality_id),
            shelf=shelf,
            municipality_id=self.municipality_id,
            campaign_id=self.campaign_id,
            script_hash=self.script_hash,
            rules=Rules(self.campaign_id, self.config.policy_for(CLAIM), self.config.calendar_for(CLAIM)),
            operators=[self.people["op01"], self.people["op02"]],
            seed=seed,
            told=told,
        )


def begin(database: Database, folder: Path, *, households: int = 12) -> Shift:
    """`folder`: where the invented list is written."""
    upgrade(database)
    config, clock = load(CONFIG, {}), SimulatedClock(START)
    own = config.municipality
    with database.write() as conn:
        municipality_id = ensure_municipality(conn, own.code, own.ward, own.company)
        desk = Accounts(conn, municipality_id, clock.now())
        people = {"admin01": desk.add("admin01", "見本 管理", ("admin",), "ward", by=None)}
        for login, role in PEOPLE:
            people[login] = desk.add(login, f"見本 {login}", (role,), "", by=people["admin01"])
    listed = folder / "list.csv"
    as_of = START.astimezone(TOKYO).date() - timedelta(days=4)
    write(listed, generate(households, 1, as_of), encoding="cp932")
    import_file(database, listed, municipality_id=municipality_id, actor_id=people["ward01"], now=clock.now())
    script, report = proved(SCRIPTS / "nhi-premium.yaml")
    rules = Rules(0, config.policy_for(CLAIM), config.calendar_for(CLAIM))
    with database.write() as conn:
        first, second, now = people["ward01"], people["ward02"], clock.now()
        publish(conn, municipality_id, script, report, by=first, approved_by=second, at=now)
        campaigns = Campaigns(conn, municipality_id, now)
        campaign_id, _ = campaigns.create(Draft("演習", CLAIM, script.content_hash), rules, people["sv01"])
        campaigns.approve(campaign_id, first)
        Oversight(conn, municipality_id, now).begin_shift(people["sv01"], now + timedelta(days=60), people["sv01"])
        campaigns.start(campaign_id, people["sv01"], people["sv01"])
    return Shift(config, clock, municipality_id, campaign_id, script.content_hash, people)
