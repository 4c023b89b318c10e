"""The whole product on invented residents: a list comes in, a campaign runs over it for days, all calls are proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from callflow.access import verifier
from callflow.access.accounts import Accounts, ensure_municipality
from callflow.access.anchors import anchor
from callflow.calls import Calls
from callflow.campaigns import Campaigns, Draft, Plan
from callflow.clock import TOKYO, SimulatedClock
from callflow.config import Config
from callflow.intake.importer import import_file
from callflow.playback import verify_all
from callflow.script.proofs import prove
from callflow.script.reader import read
from callflow.shelf import Shelf, publish
from callflow.simulation.breaches import breaches
from callflow.simulation.room import Room
from models.database import Database
from models.migrate import upgrade
from models.tables import calls, contact_slips, dial_refusals, living_report_links, promises
from scheduler.dealing import Rules

START = datetime(2026, 11, 24, 10, 0, tzinfo=TOKYO).astimezone(UTC)
"""A Tuesday, so that the demo works on any day and at any hour."""

CLAIM_TYPE = "national_health_insurance"
STAFF = (
    ("ward01", "見本 職一", "staff"),
    ("ward02", "見本 職二", "staff"),
    ("sv01", "見本 責任", "supervisor"),
)


@dataclass
class Outcome:
    """What the demo shows at its end."""

    plan: Plan
    dispositions: dict[str, int] = field(default_factory=dict)
    promises: int = 0
    promised_yen: int = 0
    slips: int = 0
    reports: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    breaches: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    proved: int = 0
    faults: list[str] = field(default_factory=list)
    chains: verifier.Report = field(default_factory=verifier.Report)  # the log against its anchors
    example: int = 1  # a call worth replaying: the last promise


@dataclass
class Demo:
    """One run.

    `anchors`: an empty folder for its anchors, their key goes beside it. `step` is told what happens next, `moment`
    how far the simulated clock has come.
    """

    database: Database
    config: Config
    script: Path
    anchors: Path
    seed: int = 1
    operators: int = 6
    step: Callable[[str], None] = lambda _words: None
    moment: Callable[[datetime], None] = lambda _moment: None

    def run(self, arrears: Path, payments: Path | None, days: int) -> Outcome:
        """Imports the list, calls for `days` days, verifies everything.

        `payments` come in before the second day: who has paid meanwhile is not called again.
        """
        clock = SimulatedClock(START)
        upgrade(self.database)
        own = self.config.municipality
        with self.database.write() as conn:
            municipality_id = ensure_municipality(conn, own.code, own.ward, own.company)
            people = self._people(conn, municipality_id, clock)
        self._import(arrears, municipality_id, people["ward01"], clock)
        self.step("台本を証明して公開")
        script = read(self.script)
        report = prove(script)
        shelf, rules = Shelf(), Rules(0, self.config.policy_for(CLAIM_TYPE), self.config.calendar_for(CLAIM_TYPE))
        with self.database.write() as conn:
            now = clock.now()
            publish(conn, municipality_id, script, report, by=people["ward01"], approved_by=people["ward02"], at=now)
            desk = Campaigns(conn, municipality_id, now)
            draft = Draft("デモ", CLAIM_TYPE, script.content_hash)
            campaign_id, plan = desk.create(draft, rules, people["sv01"])
            desk.start(campaign_id, people["sv01"], people["sv01"])
        self.step(f"架電: {plan.included:,} 件、担当 {self.operators} 人、{days} 日間")
        room = Room(
            database=self.database,
            clock=clock,
            calls=Calls(self.database, clock, shelf, self.config.desk(), municipality_id),
            shelf=shelf,
            municipality_id=municipality_id,
            campaign_id=campaign_id,
            script_hash=script.content_hash,
            rules=Rules(campaign_id, rules.policy, rules.calendar),
            operators=[people[f"op{number:02}"] for number in range(1, self.operators + 1)],
            seed=self.seed,
            told=self.moment,
        )
        room.run(last_moment(1))
        self._anchor(clock)
        if days > 1:
            clock.advance_to(max(clock.now(), START + timedelta(hours=23)))
            if payments is not None:
                self._import(payments, municipality_id, people["ward01"], clock)
            self.step("架電: 2日目から")
            room.run(last_moment(days))
            self._anchor(clock)
        self.step("すべての通話を再生して検証")
        return self._outcome(municipality_id, shelf, plan, rules)

    def _import(self, path: Path, municipality_id: int, by: int, clock: SimulatedClock) -> None:
        self.step(f"取り込み: {path.name}")
        import_file(self.database, path, municipality_id=municipality_id, actor_id=by, now=clock.now())

    def _anchor(self, clock: SimulatedClock) -> None:
        with self.database.read() as conn:
            anchor(conn, self.anchors, self._key, clock.now())

    @property
    def _key(self) -> Path:
        return self.anchors.with_suffix(".key")

    def _against_anchors(self) -> verifier.Report:
        """By the code that shares nothing with the writer."""
        connection = verifier.connect(self.database.url)
        try:
            return verifier.verify(connection, self.anchors)
        finally:
            connection.close()

    def _people(self, conn: Connection, municipality_id: int, clock: SimulatedClock) -> dict[str, int]:
        desk = Accounts(conn, municipality_id, clock.now())
        first = desk.add("admin01", "見本 管理", ("admin",), "ward", by=None)
        everybody = [*STAFF, *((f"op{n:02}", f"見本 架電{n}", "operator") for n in range(1, self.operators + 1))]
        return {login: desk.add(login, name, (role,), "", by=first) for login, name, role in everybody}

    def _outcome(self, municipality_id: int, shelf: Shelf, plan: Plan, rules: Rules) -> Outcome:
        with self.database.read() as conn:
            verdicts = list(verify_all(conn, shelf, municipality_id))
            promised = conn.execute(
                select(func.count(), func.coalesce(func.sum(promises.c.amount), 0)).where(
                    promises.c.municipality_id == municipality_id
                )
            ).one()
            return Outcome(
                plan=plan,
                dispositions=_counted(conn, calls.c.disposition, municipality_id),
                promises=promised[0],
                promised_yen=promised[1],
                slips=_count(conn, contact_slips, municipality_id),
                reports=_count(conn, living_report_links, municipality_id),
                refused=_counted(conn, dial_refusals.c.reasons, municipality_id),
                breaches=dict(breaches(conn, municipality_id, rules.calendar, rules.policy)),
                calls=len(verdicts),
                proved=sum(verdict.proved for verdict in verdicts),
                example=_last_promise(conn, municipality_id),
                faults=[f"通話 {v.call_id} 通番 {v.seq}: {v.fault}" for v in verdicts if not v.proved],
                chains=self._against_anchors(),
            )


def last_moment(days: int) -> datetime:
    """18:00 in Tokyo on the last of `days` days."""
    return (START.astimezone(TOKYO) + timedelta(days=days - 1)).replace(hour=18).astimezone(UTC)


def _last_promise(conn: Connection, municipality_id: int) -> int:
    query = select(func.max(promises.c.call_id)).where(promises.c.municipality_id == municipality_id)
    return int(conn.execute(query).scalar() or 1)


def _count(conn: Connection, table: Any, municipality_id: int) -> int:
    query = select(func.count()).select_from(table).where(table.c.municipality_id == municipality_id)
    return int(conn.execute(query).scalar_one())


def _counted(conn: Connection, column: Any, municipality_id: int) -> dict[str, int]:
    query = select(column, func.count()).where(column.table.c.municipality_id == municipality_id).group_by(column)
    return {row[0]: row[1] for row in conn.execute(query.order_by(func.count().desc()))}
