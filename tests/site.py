"""The console that tests and benchmarks open: a desk phone, the shipped configuration, one claim type for all."""

from __future__ import annotations

from pathlib import Path

from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.config import load
from callflow.console.site import Site
from callflow.corrections import Corrections
from callflow.shelf import Shelf
from callflow.switchboard import Switchboard
from callflow.telephony.manual import ManualPhone
from models.database import Database
from models.live import Live
from scheduler.dealing import Rules
from tests.world import MUNICIPALITY

CONFIG = Path(__file__).parents[1] / "config.yaml"
CLAIM = "national_health_insurance"


def site_of(database: Database, clock: SimulatedClock, shelf: Shelf, calls: Calls) -> Site:
    """A console over the municipality of `tests.world`."""
    config, phone = load(CONFIG, {}), ManualPhone(clock)

    def rules(campaign_id: int) -> Rules:
        return Rules(campaign_id, config.policy_for(CLAIM), config.calendar_for(CLAIM))

    return Site(
        database=database,
        clock=clock,
        config=config,
        municipality_id=MUNICIPALITY,
        shelf=shelf,
        calls=calls,
        corrections=Corrections(database, clock, shelf, MUNICIPALITY),
        switchboard=Switchboard(database, clock, calls, phone, MUNICIPALITY, rules),
        phone=phone,
        rules_of=rules,
        live=Live(database),
        config_path=CONFIG,
    )
