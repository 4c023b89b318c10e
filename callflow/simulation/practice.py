"""Practice: an operator at the real desk over a database of its own, with invented residents who say what they want.

Nothing here knows the installation's database: what a practice needs of it (one script, who practises) is handed in.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Final

from sqlalchemy import Connection, select

from callflow.access.accounts import Accounts, ensure_municipality
from callflow.calllog import ANSWER
from callflow.calls import Calls
from callflow.campaigns import Campaigns, Draft
from callflow.clock import TOKYO, RunningClock
from callflow.config import Config
from callflow.intake.importer import import_file
from callflow.oversight import Oversight
from callflow.playback import Scene, scenes
from callflow.scorecard import Scored, score
from callflow.script.fields import told_anew
from callflow.script.model import Answer, Script
from callflow.script.written import day, written
from callflow.shelf import Shelf, script_of
from callflow.simulation.plans import onwards, ways
from callflow.simulation.residents import Resident
from callflow.simulation.room import resident_of
from callflow.simulation.sample import claim_of, generate, write
from callflow.switchboard import Switchboard
from callflow.telephony.simulated import Happening, SimulatedPhone
from models.database import Database
from models.tables import accounts, calls, is_live, metadata, municipalities, organisations, script_versions
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import Rules

OPENS: Final = datetime(2026, 11, 24, 10, 0, tzinfo=TOKYO).astimezone(UTC)
"""A Tuesday, so that there is practice at night and on holidays."""
LISTED: Final = date(2026, 11, 20)
HOUSEHOLDS: Final = 30
SHIFT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Trainee:
    """Who practises: the account as it is in the installation."""

    account_id: int
    login: str
    name: str


@dataclass(frozen=True, slots=True)
class Published:
    """The script that is practised, as it was published."""

    name: str
    version: int
    hash: str
    sources: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the resident says to the line on the screen. `answer`: the answer that it comes to."""

    answer: str
    words: str
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a practised call is worth. `fitting` of `answers` were what the resident had said."""

    card: tuple[Scored, ...]
    fitting: int
    answers: int


@dataclass
class Practice:
    """One operator's practice, until it is closed. Safe to share between the threads of one server."""

    folder: Path
    database: Database
    municipality_id: int
    config: Config
    trainee: Trainee
    published: Published
    seed: int
    clock: RunningClock = field(default_factory=lambda: RunningClock(OPENS))
    shelf: Shelf = field(default_factory=Shelf)
    result: Result | None = None
    _residents: dict[int, tuple[Resident, str]] = field(default_factory=dict)
    _replies: dict[tuple[int, int], Reply] = field(default_factory=dict)
    _scored: set[int] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    @cached_property
    def script(self) -> Script:
        return script_of(self.published.sources)

    @cached_property
    def rules(self) -> Rules:
        """Any weekday by day: a practice has no calendar of the ward's."""
        return Rules(1, self.config.policy_for(self.script.claim_type), Calendar())

    @cached_property
    def calls(self) -> Calls:
        return Calls(self.database, self.clock, self.shelf, self.config.desk(), self.municipality_id)

    @cached_property
    def phone(self) -> SimulatedPhone:
        return SimulatedPhone(self.clock, _answers)

    @cached_property
    def switchboard(self) -> Switchboard:
        return Switchboard(
            self.database, self.clock, self.calls, self.phone, self.municipality_id, lambda _campaign: self.rules
        )

    @property
    def reply(self) -> Reply | None:
        """What the resident of the live call says now; None where nobody talks."""
        with self._lock, self.database.read() as conn:
            row = conn.execute(
                select(calls.c.id, calls.c.case_id, calls.c.step).where(
                    calls.c.municipality_id == self.municipality_id, is_live, calls.c.talk_state != ""
                )
            ).first()
            if row is None:
                return None
            key = (row.id, row.step)
            if key not in self._replies:
                found = self._say(conn, row.id, row.case_id)
                if found is None:
                    return None
                self._replies[key] = found
            return self._replies[key]

    def tend(self) -> None:
        """What a real installation does by itself: cases fall due, and the telephone is heard."""
        now = self.clock.now()
        with self.database.write() as conn:
            queue.wake(conn, self.municipality_id, now)
            queue.expire_leases(conn, self.municipality_id, now)
        self.switchboard.listen()

    def results(self) -> list[Result]:
        """Of each call that has ended since this was last asked."""
        c = calls.c
        ended = select(c.id).where(c.municipality_id == self.municipality_id, c.live.is_(False), c.talk_state != "")
        found = []
        with self._lock, self.database.read() as conn:
            for call_id in conn.execute(ended.order_by(c.id)).scalars():
                if call_id not in self._scored:
                    self._scored.add(call_id)
                    found.append(self._result(call_id, scenes(conn, self.shelf, self.municipality_id, call_id)))
        self.result = found[-1] if found else self.result
        return found

    def close(self) -> None:
        """Nothing of it is left."""
        self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _result(self, call_id: int, film: Sequence[Scene]) -> Result:
        given = [scene.event.payload for scene in film if scene.event.kind == ANSWER and scene.event.payload]
        fitting = 0
        for payload in given:
            reply = self._replies.get((call_id, payload["step"]))
            fitting += reply is not None and reply.answer == payload["answer"]
        return Result(tuple(score(self.script, film)), fitting, len(given))

    def _say(self, conn: Connection, call_id: int, case_id: int) -> Reply | None:
        told = scenes(conn, self.shelf, self.municipality_id, call_id)[-1].told
        talk = told.talk
        if talk is None or talk.state not in self.script.states:
            return None
        if call_id not in self._residents:
            resident = resident_of(conn, self.municipality_id, self.seed, case_id, call_id)
            possible = ways(self.script, "outbound", told.conditions, self.seed)
            self._residents[call_id] = resident, resident.intent(possible)
        resident, intent = self._residents[call_id]
        steps = onwards(self.script, talk, told.conditions, intent, self.seed + call_id)
        if not steps:
            return None
        state = self.script.states[talk.state]
        answer = state.answers[steps[0]]
        typed = resident.says(answer, self.script.fields, self.clock.now(), state.asks, told_anew(state, answer))
        return Reply(answer.name, _words(answer), tuple(self._told(name, value) for name, value in typed.items()))

    def _told(self, name: str, value: Any) -> str:
        field_ = self.script.fields[name]
        if field_.type != "identity":
            return f"{field_.label}: {written(field_, value)}"
        if value.get("birth_date"):
            return f"氏名をフルネームで、生年月日は {day(date.fromisoformat(value['birth_date']))}"
        return f"氏名をフルネームで、住所は {value['address']}"


def begin(
    config: Config, municipality_id: int, trainee: Trainee, published: Published, *, seed: int | None = None
) -> Practice:
    """A practice ready to call: invented households, the script as published, a campaign that runs."""
    folder = Path(tempfile.mkdtemp(prefix="callflow-practice-"))
    seed = random.randrange(1, 1_000_000) if seed is None else seed
    database = Database(f"sqlite:///{folder}/practice.sqlite")
    practice = Practice(folder, database, municipality_id, config, trainee, published, seed)
    try:
        _set_up(practice)
    except BaseException:
        practice.close()
        raise
    return practice


def _set_up(practice: Practice) -> None:
    database, m, config, now = practice.database, practice.municipality_id, practice.config, practice.clock.now()
    with database.write() as conn:
        metadata.create_all(conn)
    with database.write() as conn:
        people = _people(conn, practice, now)
        conn.execute(
            script_versions.insert().values(
                municipality_id=m,
                hash=practice.published.hash,
                name=practice.published.name,
                version=practice.published.version,
                sources=practice.published.sources,
                published_at=now,
                published_by=people["first"],
                approved_by=people["second"],
            )
        )
    listed = practice.folder / "list.csv"
    claim = claim_of(config, practice.script.claim_type)
    write(listed, generate(HOUSEHOLDS, practice.seed, LISTED, claim), encoding="cp932")
    import_file(database, listed, municipality_id=m, actor_id=people["first"], now=now)
    with database.write() as conn:
        desk = Campaigns(conn, m, now)
        draft = Draft("練習", practice.script.claim_type, practice.published.hash, mode="preview")
        campaign, _plan = desk.create(draft, practice.rules, people["supervisor"])
        desk.approve(campaign, people["first"])
        Oversight(conn, m, now).begin_shift(people["supervisor"], now + SHIFT, people["supervisor"])
        desk.start(campaign, people["supervisor"], people["supervisor"])


def _people(conn: Connection, practice: Practice, now: datetime) -> dict[str, int]:
    """The trainee under the same id, and those who must have approved what is practised."""
    own, m, trainee = practice.config.municipality, practice.municipality_id, practice.trainee
    conn.execute(municipalities.insert().values(id=m, code=own.code, name=own.ward))
    ensure_municipality(conn, own.code, own.ward, own.company)
    company = conn.execute(
        select(organisations.c.id).where(organisations.c.municipality_id == m, organisations.c.kind == "contractor")
    ).scalar_one()
    conn.execute(
        accounts.insert().values(
            municipality_id=m,
            id=trainee.account_id,
            organisation_id=company,
            login=trainee.login,
            display_name=trainee.name,
            created_at=now,
        )
    )
    desk = Accounts(conn, m, now)
    others = {"first": "staff", "second": "staff", "supervisor": "supervisor"}
    return {
        who: desk.add(f"practice-{who}", "練習", (role,), "", by=trainee.account_id) for who, role in others.items()
    }


def _answers(_attempt_ref: str, _e164: str, _at: datetime) -> Sequence[Happening]:
    """Somebody always answers: the talk is what is practised."""
    return (Happening(timedelta(seconds=0.5), "ringing"), Happening(timedelta(seconds=1.5), "answered"))


def _words(answer: Answer) -> str:
    """The answer's label; who is asked who they are says it, and does not say whether it agrees with the record."""
    return "「はい」" if "identity" in answer.needs else f"「{answer.label}」"
