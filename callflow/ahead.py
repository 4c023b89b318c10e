"""Opens lines ahead of operators in a predictive campaign, as the pacer says and never beyond its governor.

One process at a time does it for a campaign, by a lease; every other may take over. All that it decides by comes from
the database (`callflow.floor`), and every call is placed by the switchboard like any other, so that a process which
dies leaves nothing that another would dial again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Integer, bindparam, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from callflow import floor
from callflow.campaigns import Campaigns
from callflow.clock import Clock
from callflow.errors import RefusedError
from callflow.switchboard import LEASE as DEALT_FOR
from callflow.switchboard import Switchboard
from models.base import Instant
from models.database import Database
from models.tables import calls, campaigns, dial_leases, is_live
from scheduler import dealing
from scheduler.dealing import Deal, Rules
from scheduler.pacing.estimates import Estimates
from scheduler.pacing.pacer import ENOUGH, MOST_SEATS, Floor, Pace, Trail, ladder_for, pace
from scheduler.settings import Mode
from scheduler.verdict import Notice

LEASE: Final = timedelta(seconds=10)
"""How long the lines of a campaign are left to a process that is not heard of any more."""

ANSWER_WITHIN: Final = timedelta(seconds=2)
"""A resident who answered waits no longer for an operator."""

ESTIMATE_EVERY: Final = timedelta(seconds=15)
AT_ONCE: Final = 20
"""Lines opened in one step: answered calls are looked after between any two steps."""

_l, _c = dial_leases.c, calls.c
_TENANT = bindparam("m", type_=Integer)
_MINE = (_l.municipality_id == _TENANT, _l.campaign_id == bindparam("campaign"), _l.worker == bindparam("worker"))
_HELD = select(_l.worker).where(*_MINE, _l.until > bindparam("now", type_=Instant)).with_for_update()
_WAITING = (
    select(_c.id, _c.answered_at)
    .where(_c.municipality_id == _TENANT, is_live, _c.unattended, _c.line_state == "answered")
    .order_by(_c.answered_at)
)
_PREDICTIVE = select(campaigns.c.id, campaigns.c.supervisor_id).where(
    campaigns.c.municipality_id == _TENANT, campaigns.c.state == "running", campaigns.c.mode == "predictive"
)


@dataclass(frozen=True, slots=True)
class Step:
    """What one look at a campaign did. `hold`: why no more lines were opened, as `Pace.hold` says, or
    another_process, clock, telephone, over_cap."""

    campaign_id: int
    opened: int = 0
    hold: str = ""


class DiallerAhead:
    """The predictive campaigns of one municipality in one process. `worker` names the process.

    `solve_aside`: the pacer's rules are solved in a thread of their own, and lines are opened one for each free
    operator until they are known; else they are waited for.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        switchboard: Switchboard,
        municipality_id: int,
        rules_of: Callable[[int], Rules],
        *,
        worker: str,
        on_duty: Callable[[Connection, datetime], Collection[int]] | None = None,
        solve_aside: bool = True,
    ) -> None:
        self._database, self._clock, self._board = database, clock, switchboard
        self._municipality_id, self._rules_of, self._worker = municipality_id, rules_of, worker
        self._on_duty = on_duty or (lambda conn, now: floor.on_duty(conn, municipality_id, now))
        self._held: set[int] = set()
        self._believed: dict[int, tuple[datetime, Estimates]] = {}
        self._aside = ThreadPoolExecutor(1, "pacing") if solve_aside else None
        self._solved: dict[tuple[object, ...], Future[object]] = {}

    def close(self) -> None:
        """Opens nothing more; what is being solved is not waited for."""
        if self._aside is not None:
            self._aside.shutdown(wait=False, cancel_futures=True)

    def step(self) -> list[Step]:
        """Looks after who has answered, then opens lines. To be repeated many times a second."""
        self._look_after()
        with self._database.read() as conn:
            running = conn.execute(_PREDICTIVE, {"m": self._municipality_id}).all()
        return [self._step(row) for row in running]

    def _look_after(self) -> None:
        """Who has answered is put through, or let go after two seconds."""
        with self._database.read() as conn:
            waiting = conn.execute(_WAITING, {"m": self._municipality_id}).all()
        for row in waiting:
            if self._board.put_through(row.id) is None and self._clock.now() >= row.answered_at + ANSWER_WITHIN:
                self._board.abandon(row.id)

    def _step(self, campaign: Any) -> Step:
        campaign_id, now = campaign.id, self._clock.now()
        if not self._database.transact(partial(self._take_lease, campaign_id, now)):
            self._held.discard(campaign_id)
            return Step(campaign_id, hold="another_process")
        if campaign_id not in self._held:
            self._board.take_over(campaign_id)
            self._held.add(campaign_id)
        if self._clock.jumped():
            return Step(campaign_id, hold="clock")
        if self._board.paused_until is not None:
            return Step(campaign_id, hold="telephone")
        rules = self._rules_of(campaign_id)
        with self._database.read() as conn:
            duty = self._on_duty(conn, now)
            room = floor.floor_of(conn, self._municipality_id, now, duty)
            trail = floor.trail_of(conn, self._municipality_id, campaign_id, now)
        if is_over(trail, rules.policy.abandoned_percent):
            self._database.transact(partial(stop_over_cap, self._municipality_id, campaign_id, now, rules))
            return Step(campaign_id, hold="over_cap")
        wanted = self._pace(campaign_id, room, trail, rules)
        opened = self._open(campaign, rules, min(wanted.lines, AT_ONCE), duty) if wanted.lines else 0
        return Step(campaign_id, opened, wanted.hold)

    def _pace(self, campaign_id: int, room: Floor, trail: Trail, rules: Rules) -> Pace:
        now, cap = self._clock.now(), rules.policy.abandoned_percent / 100
        believed = self._believed.get(campaign_id)
        if believed is None or now >= believed[0] + ESTIMATE_EVERY:
            with self._database.read() as conn:
                believed = (now, floor.estimates_of(conn, self._municipality_id, campaign_id))
            self._believed[campaign_id] = believed
        mode: Mode = "predictive" if self._knows_rules(room, believed[1], cap) else "progressive"
        return pace(mode, room, trail, believed[1], cap)

    def _knows_rules(self, room: Floor, estimates: Estimates, cap: float) -> bool:
        if self._aside is None or room.seats <= 0:
            return True
        key = (min(room.seats, MOST_SEATS), *estimates.rounded(), cap)
        if key not in self._solved:
            self._solved[key] = self._aside.submit(ladder_for, room.seats, estimates, cap)
        return self._solved[key].done()

    def _open(self, campaign: Any, rules: Rules, count: int, duty: Collection[int]) -> int:
        now, worker = self._clock.now(), f"ahead:{self._worker}"[:64]

        def deal(conn: Connection) -> list[Deal]:
            return dealing.deal_many(conn, self._municipality_id, now, rules, count, worker=worker, lease=DEALT_FOR)

        return sum(self._dial(campaign, each, duty) for each in self._database.transact(deal))

    def _dial(self, campaign: Any, deal: Deal, duty: Collection[int]) -> bool:
        """A household that we abandoned before is called by an operator who is on the line already, or later."""
        guard = partial(self._guard, campaign.id)
        try:
            if Notice.LIVE_OPERATOR_ONLY not in deal.notices:
                self._board.dial(deal, campaign.supervisor_id, ahead=True, guard=guard)
                return True
            with self._database.read() as conn:
                now = self._clock.now()
                free = floor.free_operators(conn, self._municipality_id, now, duty)
                spare = len(free) - floor.floor_of(conn, self._municipality_id, now, duty).ringing
            if spare > 0:
                self._board.dial(deal, free[-1], guard=guard)
                return True
            self._board.give_back(deal)
        except RefusedError:
            pass  # it is back in the queue with its next moment
        return False

    def _guard(self, campaign_id: int, conn: Connection) -> None:
        """Inside the transaction that opens a call: whoever lost the lease meanwhile opens none."""
        about = {"m": self._municipality_id, "campaign": campaign_id, "worker": self._worker}
        if conn.execute(_HELD, {**about, "now": self._clock.now()}).scalar() is None:
            raise RefusedError("この架電は、ほかのプロセスが受け持っています")

    def _take_lease(self, campaign_id: int, now: datetime, conn: Connection) -> bool:
        insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
        own = {"municipality_id": self._municipality_id, "campaign_id": campaign_id}
        conn.execute(insert(dial_leases).values(**own, worker=self._worker, until=now).on_conflict_do_nothing())
        taken = conn.execute(
            update(dial_leases)
            .where(
                _l.municipality_id == self._municipality_id,
                _l.campaign_id == campaign_id,
                or_(_l.worker == self._worker, _l.until <= now),
            )
            .values(worker=self._worker, until=now + LEASE)
        )
        return taken.rowcount == 1


def is_over(trail: Trail, percent: int) -> bool:
    """Whether so many calls were abandoned that the campaign stops: more than `percent` of the answered ones, of
    ENOUGH at least, so that the first one of a day does not stop it."""
    return trail.abandoned * 100 > percent * max(trail.answered, ENOUGH)


def stop_over_cap(municipality_id: int, campaign_id: int, now: datetime, rules: Rules, conn: Connection) -> int:
    """Pauses a running campaign of whatever mode that has abandoned too many calls. Returns how many it paused."""
    trail, percent = floor.trail_of(conn, municipality_id, campaign_id, now), rules.policy.abandoned_percent
    desk = Campaigns(conn, municipality_id, now)
    if not is_over(trail, percent) or desk.get(campaign_id).state != "running":
        return 0
    share = f"24時間の放棄呼 {trail.abandoned:,} / {trail.answered:,}"
    desk.pause(campaign_id, None, f"{share}。上限 {percent}% を超えたため止めました")
    return 1
