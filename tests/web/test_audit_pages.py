"""The record of acts in the browser and by command, on both databases: who may read what of it, and what it answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, insert, select, text, update

from callflow.access import alarms
from callflow.access.alarms import Thresholds
from callflow.access.auditlog import Occasion, audit, occasion
from callflow.access.lookback import SIZE, page_query
from callflow.access.views import RULES, Viewer, see_case
from callflow.console.site import Site
from models.tables import accounts, audit_events, households
from tests.conftest import MUNICIPALITY
from tests.web.apiclient import let_in
from tests.world import TestCase, World, add_case

E = audit_events.c


@pytest.fixture
def case(site: Site) -> TestCase:
    with site.database.write() as conn:
        return add_case(conn)


def sees(site: Site, world: World, account: int, role: str, thing: str, times: int = 1) -> None:
    """Access events as the gate has them written."""
    token = occasion.set(Occasion("10.0.0.7", frozenset({role})))

    def work(conn: Connection) -> None:
        for _ in range(times):
            audit(conn, MUNICIPALITY, world.clock.now(), account, "case:view", thing, purpose="call", fields="name")

    site.database.transact(work)
    occasion.reset(token)


def test_an_auditor_reads_who_did_what_and_the_look_is_on_record(site: Site, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    sees(site, world, world.operator, "operator", "case:7")
    auditor = logged_in("auditor")
    page = auditor.see("/audit?actor=op01&verb=case:view&object=case:7&day=2026-11-24&purpose=call").text
    assert "案件を見た" in page
    assert "10.0.0.7" in page
    for miss in ("day=2026-11-23", "purpose=audit", "object=case:8", "verb=call:view", "actor=sv01"):
        assert "この条件に合う記録はありません" in auditor.see(f"/audit?object=case:7&{miss}").text, miss
    let_in(site, "tainou")
    with site.database.read() as conn:
        client = conn.execute(select(accounts.c.id).where(accounts.c.display_name == "tainou")).scalar_one()
    sees(site, world, client, "client", "case:7")
    assert "プログラム tainou 10.0.0.7" in auditor.see("/audit?object=case:7").text
    assert auditor.see("/audit?day=someday").status_code == 422
    assert auditor.see("/audit?actor=nobody").status_code == 404
    with site.database.read() as conn:
        looks = conn.execute(select(E.fields, E.roles).where(E.verb == "audit:view").order_by(E.id)).all()
    assert looks[0] == ("actor,verb,object,day,purpose", "auditor")


def test_each_role_reads_what_the_table_gives_it(site: Site, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    sees(site, world, world.operator, "operator", "case:7")
    sees(site, world, world.supervisor, "supervisor", "case:8")
    sees(site, world, world.staff[0], "staff", "case:9")
    shown = {
        "operator": ({"case:7"}, True),
        "supervisor": ({"case:7", "case:8"}, False),
        "admin": ({"case:7", "case:8", "case:9"}, False),
        "staff": ({"case:7", "case:8", "case:9"}, True),
        "auditor": ({"case:7", "case:8", "case:9"}, True),
    }
    for role, (things, content) in shown.items():
        page = logged_in(role).see("/audit?verb=case:view").text
        assert {f"case:{n}" for n in (7, 8, 9) if f"<code>case:{n}</code>" in page} == things, role
        assert ("<td>通話のため</td>" in page) is content, role


def test_pages_follow_each_other_without_gap_or_repetition(site: Site, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    sees(site, world, world.operator, "operator", "case:7", SIZE + 3)
    auditor = logged_in("auditor")
    first = auditor.see("/audit?object=case:7").text
    assert first.count("<code>case:7</code>") == SIZE
    following = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = auditor.see(f"/audit{following}").text
    assert second.count("<code>case:7</code>") == 3
    assert 'rel="next"' not in second


def test_who_saw_a_household_finds_all_of_its_cases(site: Site, world: World, logged_in, case: TestCase) -> None:  # type: ignore[no-untyped-def]
    with site.database.write() as conn:
        other, foreign = add_case(conn, 2, household=case.household_id), add_case(conn, 3)
        conn.execute(update(households).where(households.c.id == case.household_id).values(protected=False))
    see_case(
        site.database,
        MUNICIPALITY,
        Viewer(world.staff[0], frozenset({"staff"}), "ward"),
        other.case_id,
        tuple(RULES),
        world.clock.now(),
    )
    sees(site, world, world.operator, "operator", f"case:{foreign.case_id}")
    for role in ("auditor", "staff"):
        page = logged_in(role).see(f"/audit/household?case={case.case_id}").text
        assert f"<code>case:{other.case_id}</code>" in page
        assert f"<code>case:{foreign.case_id}</code>" not in page
        assert "試川" not in page
    assert logged_in("auditor").see("/audit/household?case=999").status_code == 404
    with site.database.read() as conn:
        assert (
            conn.execute(select(E.object).where(E.verb == "audit:who_saw")).scalars().all()
            == [f"case:{case.case_id}"] * 2
        )


def test_views_beyond_work_are_listed_and_told_of_until_somebody_has_looked(
    site: Site,
    world: World,
    logged_in,  # type: ignore[no-untyped-def]
    case: TestCase,
) -> None:
    sees(site, world, world.operator, "operator", f"case:{case.case_id}", 2)
    limits = Thresholds(beyond_per_day=2)
    auditor = logged_in("auditor")
    assert auditor.see("/audit/beyond").text.count(f"<code>case:{case.case_id}</code>") == 2
    assert "担当外の閲覧はありません" in auditor.see("/audit/beyond?actor=sv01").text
    assert alarms.watch(site.database, MUNICIPALITY, limits, world.clock.now()) == 1
    assert alarms.watch(site.database, MUNICIPALITY, limits, world.clock.now()) == 0
    assert "通話や担当によらない閲覧" in auditor.see("/audit/alerts").text
    assert auditor.submit("/audit/alerts/1", note="").status_code == 422
    assert auditor.submit("/audit/alerts/1", note="研修の準備だった").headers["location"].startswith("/audit/alerts")
    assert auditor.submit("/audit/alerts/1", note="また").status_code == 404
    assert "✓ 研修の準備だった" in auditor.see("/audit/alerts").text
    world.clock.advance(timedelta(minutes=1))
    sees(site, world, world.operator, "operator", f"case:{case.case_id}")
    assert alarms.watch(site.database, MUNICIPALITY, limits, world.clock.now()) == 1
    assert "✓ 研修の準備だった" not in auditor.see("/audit/alerts").text


def test_the_proof_says_what_it_found(site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    auditor = logged_in("auditor")
    auditor.see("/audit/proof")
    assert "判断できません" in auditor.submit("/audit/proof").text  # no anchor was ever written


def test_every_filter_is_answered_from_an_index_in_order(site: Site, world: World) -> None:
    with site.database.write() as conn:
        audit(conn, MUNICIPALITY, world.clock.now(), world.operator, "case:view", "case:1", fields="name")
        one = dict(conn.execute(select(audit_events).order_by(E.id.desc()).limit(1)).one()._mapping)
        first = one["id"]
        rows = [
            {
                **one,
                "id": first + n,
                "chain": first + n,
                "at": one["at"] + timedelta(seconds=n),
                "object": f"case:{n}",
                "verb": f"verb{n % 50}",
                "actor_id": world.operator if n % 40 else world.supervisor,
                "purpose": "audit" if n % 99 == 0 else "",
            }
            for n in range(1, 4_000)
        ]
        conn.execute(insert(audit_events), rows)
        conn.execute(text("ANALYZE"))
        for condition, index in (
            (E.actor_id == world.supervisor, "ix_audit_events_actor"),
            (E.verb == "verb7", "ix_audit_events_verb"),
            (E.object == "case:8", "ix_audit_events_object"),
            (E.at >= world.clock.now(), "ix_audit_events_at"),
            (E.purpose != "", "ix_audit_events_purpose"),
        ):
            query = page_query(MUNICIPALITY, condition)
            words = str(query.compile(dialect=conn.dialect, compile_kwargs={"literal_binds": True}))
            explain = "EXPLAIN QUERY PLAN" if site.database.is_sqlite else "EXPLAIN"
            plan = "\n".join(str(line) for line in conn.execute(text(f"{explain} {words.replace('%', '%%')}")))
            assert index in plan, plan
            assert "Seq Scan on audit_events" not in plan
            assert "SCAN audit_events" not in plan.replace("SCAN audit_events USING INDEX", "")
            assert "TEMP B-TREE" not in plan
