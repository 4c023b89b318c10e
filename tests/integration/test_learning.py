"""What calls teach, on both databases: counted once by group, drawn anew from the rows, and folded into the ranks."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Row, func, select, update

from callflow.explanation import as_data, explain, in_words
from callflow.simulation.room import Room
from models.database import Database
from models.tables import calls, contact_rates, contact_tallies, queue_entries
from scheduler.calendar import Band
from scheduler.chances import AGES, SEGMENTS
from scheduler.learning import known, learn
from scheduler.queue import wake
from scheduler.ranking import CALLBACK_PRIORITY, rank
from scheduler.reranking import remake_ranks
from scheduler.snapshot import facts_for
from tests.conftest import START
from tests.shift import CLAIM, begin

NIGHT = START + timedelta(hours=12)
NOON = START + timedelta(hours=2)
TODAY = date(2026, 11, 24)


@pytest.fixture
def room(empty_database: Database, tmp_path: Path) -> Room:
    return begin(empty_database, tmp_path, households=16).room(empty_database)


def teach(room: Room, claim_type: str = CLAIM) -> int:
    return learn(room.database, room.municipality_id, claim_type, room.rules.calendar, NIGHT)


def rates(room: Room) -> dict[tuple[str, str], float]:
    with room.database.read() as conn:
        rows = conn.execute(select(contact_rates.c.segment, contact_rates.c.band, contact_rates.c.rate))
        return {(row.segment, row.band): row.rate for row in rows}


def waiting(room: Room) -> list[Row[tuple[int, int, str]]]:
    q = queue_entries.c
    with room.database.read() as conn:
        return list(conn.execute(select(q.case_id, q.priority, q.state).order_by(q.case_id)))


def test_a_night_counts_the_day_and_draws_the_next(room: Room) -> None:
    room.run(START + timedelta(minutes=5))
    assert teach(room) > 0
    with room.database.read() as conn:
        attempts, reached = conn.execute(
            select(func.count(), func.sum(calls.c.right_party)).where(
                calls.c.attempt == 1, calls.c.disposition.is_not(None)
            )
        ).one()
        seen = known(conn, room.municipality_id, CLAIM, TODAY + timedelta(days=1))
        drawn_for = set(conn.execute(select(contact_rates.c.day)).scalars())
        assert known(conn, room.municipality_id, "resident_tax", TODAY + timedelta(days=1)) == {}
        assert known(conn, room.municipality_id + 1, CLAIM, TODAY + timedelta(days=1)) == {}
    assert sum(tally.tried for tally in seen.values()) == attempts > 0
    assert sum(tally.reached for tally in seen.values()) == reached > 0
    assert {band for _, band in seen} == {Band.MORNING}
    assert drawn_for == {TODAY + timedelta(days=1)}
    first = rates(room)
    assert len(first) == len(SEGMENTS) * len(Band)
    teach(room)
    assert rates(room) == first
    with room.database.write() as conn:
        conn.execute(update(calls).where(calls.c.municipality_id == room.municipality_id).values(right_party=0))
    teach(room)
    with room.database.read() as conn:
        corrected = known(conn, room.municipality_id, CLAIM, TODAY + timedelta(days=1))
        tallied = conn.execute(select(func.sum(contact_tallies.c.tried))).scalar()
    assert (tallied, sum(tally.reached for tally in corrected.values())) == (attempts, 0)


def better_in(room: Room, band: str) -> None:
    """Rates of today that favour one band."""
    of_day = {"municipality_id": room.municipality_id, "claim_type": CLAIM, "day": TODAY}
    with room.database.write() as conn:
        conn.execute(
            contact_rates.insert(),
            [
                {**of_day, "segment": each, "band": other.name.lower(), "rate": 0.6 if other.name == band else 0.2}
                for each in SEGMENTS
                for other in Band
            ],
        )


def test_ranks_are_remade_for_the_hours_that_begin_as_one_by_one(room: Room) -> None:
    better_in(room, "AFTERNOON")
    room.run(START + timedelta(minutes=3))
    with room.database.write() as conn:
        wake(conn, room.municipality_id, NOON)
        ready = conn.execute(select(queue_entries.c.case_id).where(queue_entries.c.state == "ready")).scalars().all()
        asked, held = ready[0], ready[1]
        mine = queue_entries.c.municipality_id == room.municipality_id
        conn.execute(update(queue_entries).where(mine, queue_entries.c.case_id == asked).values(priority=0))
        conn.execute(
            update(queue_entries).where(mine, queue_entries.c.case_id == held).values(state="claimed", priority=999)
        )
    assert remake_ranks(room.database, room.municipality_id, room.rules, NOON) > 0
    with room.database.read() as conn:
        for row in waiting(room):
            if row.case_id == asked:
                assert row.priority == CALLBACK_PRIORITY
            elif row.case_id == held:
                assert row.priority == 999
            elif row.state == "ready":
                facts = facts_for(conn, room.municipality_id, row.case_id, campaign_id=room.campaign_id)
                alone = rank(facts.case, facts.numbers, facts.history, room.rules.calendar, NOON)
                assert (row.priority, alone.band) == (alone.priority, Band.AFTERNOON)
    assert remake_ranks(room.database, room.municipality_id, room.rules, NOON) == 0


def test_nothing_is_remade_when_no_hours_begin(room: Room) -> None:
    better_in(room, "MORNING")
    assert remake_ranks(room.database, room.municipality_id, room.rules, NIGHT) == 0
    assert remake_ranks(room.database, room.municipality_id, room.rules, START - timedelta(hours=3)) == 0
    assert remake_ranks(room.database, room.municipality_id, room.rules, START - timedelta(minutes=90)) > 0


def test_the_explanation_names_the_best_hour_and_nobodys_age(room: Room) -> None:
    better_in(room, "AFTERNOON")
    case_id = waiting(room)[0].case_id
    with room.database.read() as conn:
        (told,) = explain(
            conn, room.municipality_id, case_id, START, lambda _campaign: room.rules, lambda _claim: room.rules
        )
    words, data = "\n".join(in_words(told)), as_data(told)
    assert "本人につながる見込み: 午前 20%、午後 60%" in words
    assert "最もつながりやすいのは午後" in words
    assert "いまの順は後ろです" in words
    assert (data["best_band"], data["chance"]) == ("afternoon", 0.2)
    assert data["bands"][0] == {"band": "morning", "chance": 0.2, "tried": 0, "reached": 0}
    assert not any(age in f"{words}{data}" for age in AGES if age != "unknown")
