"""The whole product on invented residents: a list comes in, a campaign runs over it for days, all calls are proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from callflow.access import verifier
from callflow.access.anchors import anchor
from callflow.campaigns import Plan
from callflow.clock import TOKYO, SimulatedClock
from callflow.config import Config
from callflow.intake.columns import ListMapping, known_claims
from callflow.intake.importer import import_file
from callflow.playback import against_records, verify_all
from callflow.simulation.breaches import breaches
from callflow.simulation.stage import Stage, set_stage
from models.database import Database
from models.tables import calls, contact_slips, dial_refusals, living_report_links, promises

START = datetime(2026, 11, 24, 10, 0, tzinfo=TOKYO).astimezone(UTC)
"""A Tuesday, so that the demo works on any day and at any hour."""


@dataclass
class Outcome:
    """What the demo shows at its end."""

    plan: Plan
    script: str  # content hash
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
    waiting: int = 1  # a case that is to be called again


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
        stage = set_stage(
            self.database,
            self.config,
            self.script,
            clock,
            arrears,
            operators=self.operators,
            seed=self.seed,
            step=self.step,
            moment=self.moment,
        )
        self.step(f"架電: {stage.plan.included:,} 件、担当 {self.operators} 人、{days} 日間")
        room = stage.room
        room.run(last_moment(1))
        self._anchor(clock)
        if days > 1:
            clock.advance_to(max(clock.now(), START + timedelta(hours=23)))
            if payments is not None:
                self.step(f"取り込み: {payments.name}")
                by, own = stage.people["ward01"], stage.municipality_id
                names = ListMapping(known=known_claims(self.config.claim_types))
                import_file(self.database, payments, municipality_id=own, actor_id=by, now=clock.now(), mapping=names)
            self.step("架電: 2日目から")
            room.run(last_moment(days))
            self._anchor(clock)
        self.step("すべての通話を再生して検証")
        return self._outcome(stage)

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

    def _outcome(self, stage: Stage) -> Outcome:
        municipality_id, rules = stage.municipality_id, stage.rules
        with self.database.read() as conn:
            verdicts = list(against_records(conn, municipality_id, verify_all(conn, stage.shelf, municipality_id)))
            promised = conn.execute(
                select(func.count(), func.coalesce(func.sum(promises.c.amount), 0)).where(
                    promises.c.municipality_id == municipality_id
                )
            ).one()
            return Outcome(
                plan=stage.plan,
                script=stage.room.script_hash,
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
                waiting=_waiting(conn, municipality_id),
                faults=[f"通話 {v.call_id} 通番 {v.seq}: {v.fault}" for v in verdicts if not v.proved],
                chains=self._against_anchors(),
            )


def last_moment(days: int) -> datetime:
    """21:00 in Tokyo, when no hours are left, on the last of `days` days."""
    return (START.astimezone(TOKYO) + timedelta(days=days - 1)).replace(hour=21).astimezone(UTC)


def _last_promise(conn: Connection, municipality_id: int) -> int:
    query = select(func.max(promises.c.call_id)).where(promises.c.municipality_id == municipality_id)
    return int(conn.execute(query).scalar() or 1)


def _waiting(conn: Connection, municipality_id: int) -> int:
    """A case whose last call nobody answered."""
    unanswered = select(func.max(calls.c.case_id)).where(calls.c.disposition == "NA")
    return int(conn.execute(unanswered.where(calls.c.municipality_id == municipality_id)).scalar() or 1)


def _count(conn: Connection, table: Any, municipality_id: int) -> int:
    query = select(func.count()).select_from(table).where(table.c.municipality_id == municipality_id)
    return int(conn.execute(query).scalar_one())


def _counted(conn: Connection, column: Any, municipality_id: int) -> dict[str, int]:
    query = select(column, func.count()).where(column.table.c.municipality_id == municipality_id).group_by(column)
    return {row[0]: row[1] for row in conn.execute(query.order_by(func.count().desc()))}
