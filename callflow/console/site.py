"""What every page is given: one municipality's database, clock, engine and telephone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from callflow.access.sessions import Limits
from callflow.calls import Calls
from callflow.clock import TOKYO, Clock, in_hours
from callflow.config import Config
from callflow.corrections import Corrections
from callflow.inbound import Inbound
from callflow.shelf import Shelf
from callflow.sightings import Sightings
from callflow.simulation.practice import Practice
from callflow.switchboard import Switchboard
from callflow.telephony.manual import ManualPhone
from callflow.telephony.port import AttendedPhone, BrowserPhone, Phone, WatchedPhone
from callflow.telephony.webhook import Hook
from models.database import Database
from models.live import Live
from scheduler.dealing import Rules


@dataclass(frozen=True, slots=True)
class Notice:
    """A band above every page. `kind`: `info` or `danger`."""

    kind: Literal["info", "danger"]
    text: str


@dataclass(frozen=True)
class Site:
    """`hook`: where the telephone's provider calls us back. `softphone`: the operator's browser may be their receiver.
    `demo`: its clock is not the world's. `tls`: browsers come by HTTPS. `plain_lan`: plain HTTP beyond loopback.
    `practice`: this is no real desk; `desk_at`: where it is.
    """

    database: Database
    clock: Clock
    config: Config
    municipality_id: int
    shelf: Shelf
    calls: Calls
    corrections: Corrections
    switchboard: Switchboard
    phone: Phone
    rules_of: Callable[[int], Rules]
    live: Live
    config_path: Path
    limits: Limits = field(default_factory=Limits)
    sightings: Sightings = field(default_factory=Sightings)
    hook: Hook | None = None
    softphone: BrowserPhone | None = None
    demo: bool = False
    tls: bool = False
    plain_lan: bool = False
    practice: Practice | None = None
    desk_at: str = "/desk"

    @property
    def dials_by_hand(self) -> bool:
        """The number is shown and the operator dials a desk phone."""
        return isinstance(self.phone, ManualPhone)

    @cached_property
    def attended(self) -> AttendedPhone | None:
        """The telephone, if operators are called before residents are."""
        return self.phone if isinstance(self.phone, AttendedPhone) else None

    @cached_property
    def watched(self) -> WatchedPhone | None:
        """The telephone, if it knows when nothing can be dialled."""
        return self.phone if isinstance(self.phone, WatchedPhone) else None

    @property
    def can_dial_ahead(self) -> bool:
        """A call can be placed before it is known who will speak to the resident."""
        return not self.dials_by_hand and self.attended is None

    @property
    def inbound(self) -> Inbound:
        """The calls of residents who call back."""
        return Inbound(
            self.database,
            self.clock,
            self.calls,
            self.shelf,
            self.municipality_id,
            area_code=self.config.imports.default_area_code,
            searches_per_hour=self.config.console.searches_per_hour,
        )

    @property
    def cookie(self) -> str:
        return "__Host-callflow" if self.tls else "callflow"

    def notices(self, now: datetime, say: Callable[[str], str]) -> tuple[Notice, ...]:
        """What must stand above every page now; `say` translates."""
        found = []
        if self.config.disaster_stop:
            found.append(Notice("danger", say("災害のため、すべての架電を止めています。")))
        if jump := self.clock.jumped():
            words = say("時計が {jump}（時:分:秒）飛んだため、発信を止めています。ホストの時刻を確かめてください。")
            found.append(Notice("danger", words.format(jump=in_hours(jump))))
        if self.watched and self.watched.trouble:
            found.append(Notice("danger", say("電話の回線が途切れたため、発信を止めています。つながると再開します。")))
        if self.plain_lan:
            found.append(
                Notice("danger", say("通信が暗号化されていません（HTTP）。管理者に TLS の設定を求めてください。"))
            )
        if self.practice:
            found.append(Notice("info", say("練習 — 相手は架空の住民で、電話はかからず、記録にも残りません。")))
        elif self.demo:
            here = now.astimezone(TOKYO)
            words = say("デモ時刻 {time} — 住民はすべて架空で、電話はかかりません。")
            found.append(Notice("info", words.format(time=f"{here:%Y-%m-%d %H:%M}")))
        return tuple(found)
