"""Records out by the API: since a cursor, nothing before its time, and no sight of a case without its event."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from callflow.access import alarms
from callflow.access.views import Viewer, see_case
from callflow.console.site import Site
from models.tables import audit_events, cases, households, negotiation_records
from tests.conftest import MUNICIPALITY
from tests.integration.test_calls import whole
from tests.integration.test_holdings import HARD
from tests.web.apiclient import let_in, program
from tests.world import World, add_case


def sights(site: Site, purpose: str) -> list[tuple[str, str]]:
    e = audit_events.c
    with site.database.read() as conn:
        query = select(e.object, e.fields).where(e.purpose == purpose, e.roles == "client")
        return [(row.object, row.fields) for row in conn.execute(query.order_by(e.id))]


def test_what_a_call_left_behind_is_read_after_it_has_settled_and_with_its_access_events(
    site: Site,
    world: World,
    app,  # type: ignore[no-untyped-def]
) -> None:
    one = program(app, let_in(site))
    with site.database.write() as conn:
        case = add_case(conn)
        conn.execute(update(households).values(protected=True))
    call_id = whole(world, case, HARD).call_id
    names = ("records", "promises", "living-reports", "calls")
    for name in names:
        assert one.get(name).json() == {"items": [], "next": "", "more": False}, name
    site.clock.advance(timedelta(seconds=12))  # type: ignore[attr-defined]
    (record,) = one.get("records").json()["items"]
    assert (record["call_id"], record["case_id"], record["addressee_no"]) == (call_id, case.case_id, "0010000001")
    assert record["text"] == ""  # nothing was typed in this talk
    (slip,) = one.get("slips").json()["items"]
    assert "hardship" in slip["reasons"]
    (report,) = one.get("living-reports").json()["items"]
    assert (report["state"], report["case_id"]) == ("requested", case.case_id)
    (call,) = one.get("calls").json()["items"]
    assert (call["disposition"], call["id"]) == (record["disposition"], call_id)
    assert not {"operator_id", "attempt_ref", "number_id"} & set(call)
    (stands,) = one.get("cases").json()["items"]
    assert (stands["unpaid"], stands["protected"]) == (24_000, True)
    own = f"case:{case.case_id}"
    assert sights(site, "api:records") == sights(site, "api:calls") == [(own, "contacts")]
    assert sights(site, "api:slips") == [(own, "promises,slips")]
    assert sights(site, "api:cases") == [(own, "instalments")]
    assert sights(site, "api:living-reports") == [(own, "living_report")]


def test_pages_follow_each_other_without_gap_and_go_on_later(site: Site, world: World, app) -> None:  # type: ignore[no-untyped-def]
    one = program(app, let_in(site))
    with site.database.write() as conn:
        case = add_case(conn)
        for number in range(1, 8):  # all in the same two moments
            at = site.clock.now() - timedelta(seconds=20 + number % 2)
            conn.execute(
                negotiation_records.insert().values(
                    municipality_id=MUNICIPALITY, id=number, case_id=case.case_id, at=at, actor_id=1,
                    organisation_id=1, disposition="NA", text="", ack_candidate=False,
                )
            )  # fmt: skip
    seen, after, more = [], "", True
    while more:
        page = one.get("records", params={"after": after, "limit": 2}).json()
        seen += [each["id"] for each in page["items"]]
        after, more = page["next"], page["more"]
    assert seen == [1, 3, 5, 7, 2, 4, 6]
    assert one.get("records", params={"after": after}).json() == {"items": [], "next": after, "more": False}
    for wrong in ("x", "1-", "9" * 20 + "-1"):
        assert one.get("records", params={"after": wrong}).status_code == 422
    assert one.get("records", params={"limit": 201}).status_code == 422
    with site.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(cases)).scalar_one() == 1


def test_a_sight_that_cannot_go_on_record_shows_nothing(site: Site, world: World, app, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    one = program(app, let_in(site))
    with site.database.write() as conn:
        add_case(conn)

    def broken(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("callflow.access.views.audit", broken)
    answer = one.get("cases")
    assert (answer.status_code, "0010000001" in answer.text) == (500, False)


def test_the_state_of_campaigns_is_told_in_numbers(site: Site, world: World, app) -> None:  # type: ignore[no-untyped-def]
    from tests.web.test_api_lists import queued  # noqa: PLC0415  shares its campaign

    one, made = program(app, let_in(site)), queued(site, world)
    (listed,) = one.get("campaigns").json()
    assert (listed["id"], listed["state"]) == (made, "running")
    told = one.get(f"campaigns/{made}").json()
    assert (told["queue"], told["live_calls"]) == ({"ready": 1}, 0)
    assert one.get("campaigns/99").status_code == 404


def test_a_program_that_reads_lists_at_night_raises_no_alarm(site: Site, world: World, app) -> None:  # type: ignore[no-untyped-def]
    site.clock.advance(timedelta(hours=15))  # type: ignore[attr-defined]
    one, now = program(app, let_in(site)), site.clock.now()
    with site.database.write() as conn:
        add_case(conn)
    assert len(one.get("cases").json()["items"]) == 1
    assert alarms.watch(site.database, MUNICIPALITY, alarms.thresholds_of(site.config.audit), now) == 0
    assert sees(site, world, now) == 1


def sees(site: Site, world: World, now: datetime) -> int:
    """The alarms after a person of the ward has seen the same case."""
    viewer = Viewer(world.staff[0], frozenset({"staff"}), "ward")
    see_case(site.database, MUNICIPALITY, viewer, 1, ["debt"], now)
    return alarms.watch(site.database, MUNICIPALITY, alarms.thresholds_of(site.config.audit), now)
