"""Why a case is not called now, in words that name the next moment and nobody's name."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select, update

from callflow.clock import SimulatedClock
from callflow.explanation import Explanation, as_data, explain, find_cases, in_words, moment
from models.database import Database
from models.ids import new_id
from models.tables import (
    accounts,
    arrears,
    campaigns,
    cases,
    organisations,
    queue_entries,
    script_versions,
    suppressions,
)
from scheduler.calendar import Calendar
from scheduler.dealing import Rules
from scheduler.settings import Policy
from tests.world import MUNICIPALITY, TestCase, account, add_case


def rules(_of: object) -> Rules:
    return Rules(0, Policy(), Calendar())


@pytest.fixture
def case(database: Database) -> TestCase:
    with database.write() as conn:
        return add_case(conn)


def told(database: Database, case: TestCase, now: datetime) -> Explanation:
    with database.read() as conn:
        (one,) = explain(conn, MUNICIPALITY, case.case_id, now, rules, rules)
    return one


def test_a_case_that_may_be_called(database: Database, case: TestCase, clock: SimulatedClock) -> None:
    one = told(database, case, clock.now())
    words = "\n".join(in_words(one))
    assert "いま架電できます" in words
    assert "どのキャンペーンにも" in words
    assert as_data(one)["callable"] is True
    assert one.next_at == clock.now()


def test_at_night_the_next_moment_is_the_morning(database: Database, case: TestCase, clock: SimulatedClock) -> None:
    one = told(database, case, clock.now() + timedelta(hours=9))
    words = "\n".join(in_words(one))
    assert "2026年11月24日(火) 19:00 現在" in words
    assert "架電時間外です（2026年11月25日(水) 09:00 まで）" in words
    assert "次に架電できるのは 2026年11月25日(水) 09:00 です" in words
    data = as_data(one)
    assert (data["callable"], data["next_at"]) == (False, "2026-11-25T09:00:00+09:00")
    assert data["reasons"][0]["code"] == "out_of_hours"


def test_what_time_does_not_end_is_said(database: Database, case: TestCase, clock: SimulatedClock) -> None:
    with database.write() as conn:
        conn.execute(update(cases).values(status="staff"))
    words = "\n".join(in_words(told(database, case, clock.now())))
    assert "区職員が対応中です（時間だけでは解消しません）" in words
    assert "次に架電できる時刻は決まっていません（区職員が対応中です）" in words


def test_all_reasons_are_named_at_once(database: Database, case: TestCase, clock: SimulatedClock) -> None:
    until = clock.now() + timedelta(days=3)
    with database.write() as conn:
        conn.execute(update(arrears).values(reminder_on=date(2026, 11, 20)))
        conn.execute(
            insert(suppressions).values(
                municipality_id=MUNICIPALITY,
                id=new_id(conn, suppressions, MUNICIPALITY),
                case_id=case.case_id,
                reason="staff",
                since=clock.now(),
                until=until,
            )
        )
    one = told(database, case, clock.now())
    assert [block.reason.code for block in one.blocks] == ["suppressed", "reminder_recent"]
    assert one.next_at == datetime.fromisoformat("2026-11-30T09:00:00+09:00")


def test_no_name_address_or_number_is_in_it(database: Database, case: TestCase, clock: SimulatedClock) -> None:
    one = told(database, case, clock.now())
    text = "\n".join(in_words(one)) + str(as_data(one))
    for secret in ("試川", "タメシガワ", "見本町", "6659", "0001", "1963", "12000", "24,000"):
        assert secret not in text


def test_each_campaign_is_explained_and_a_stopped_one_is_not(
    database: Database, case: TestCase, clock: SimulatedClock
) -> None:
    with database.write() as conn:
        queue_up(conn, case, clock.now(), "running")
        queue_up(conn, case, clock.now(), "stopped")
        queue_up(conn, case, clock.now(), "paused")
    with database.read() as conn:
        found = explain(conn, MUNICIPALITY, case.case_id, clock.now(), rules, rules)
    assert [(each.campaign, bool(each.blocks)) for each in found] == [("running", True), ("paused", True)]
    assert "業務責任者が不在です" in "\n".join(in_words(found[0]))
    assert "待ち行列: 予定、2026年11月24日(火) 10:00 から" in "\n".join(in_words(found[0]))


def queue_up(conn: Connection, case: TestCase, now: datetime, state: str) -> None:
    by = conn.execute(select(accounts.c.id)).scalar()
    if by is None:
        conn.execute(insert(organisations).values(municipality_id=MUNICIPALITY, id=1, kind="ward", name="見本区"))
        by = account(conn, 1, "sv", "見本 責任", "supervisor", now)
        version = {"hash": "f" * 64, "name": "s", "version": 1, "sources": "{}", "published_at": now}
        conn.execute(
            insert(script_versions).values(municipality_id=MUNICIPALITY, **version, published_by=by, approved_by=by)
        )
    campaign = new_id(conn, campaigns, MUNICIPALITY)
    conn.execute(
        insert(campaigns).values(
            municipality_id=MUNICIPALITY,
            id=campaign,
            name=state,
            claim_type="national_health_insurance",
            script_hash="f" * 64,
            state=state,
            created_at=now,
            created_by=by,
        )
    )
    conn.execute(
        insert(queue_entries).values(
            municipality_id=MUNICIPALITY,
            campaign_id=campaign,
            case_id=case.case_id,
            household_id=case.household_id,
            state="scheduled",
            due_at=now,
        )
    )


@pytest.mark.parametrize(
    ("word", "found"), [("1", [1]), ("0010000001", [1]), ("2", []), ("", []), ("x", []), ("9" * 40, []), ("１", [])]
)
def test_a_case_is_found_by_its_id_or_its_addressee_number(
    database: Database, case: TestCase, word: str, found: list[int]
) -> None:
    with database.read() as conn:
        assert find_cases(conn, MUNICIPALITY, word) == found
        assert find_cases(conn, MUNICIPALITY + 1, word) == []


def test_a_case_that_is_none(database: Database, clock: SimulatedClock) -> None:
    with database.read() as conn, pytest.raises(LookupError):
        explain(conn, MUNICIPALITY, 9, clock.now(), rules, rules)


def test_a_moment_is_said_in_tokyo() -> None:
    assert moment(datetime.fromisoformat("2026-11-24T15:30:00+00:00")) == "2026年11月25日(水) 00:30"
