"""Lists in by the API: the importer's own rules, told to a program; a payment between claim and placing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from callflow.console.site import Site
from callflow.errors import RefusedError
from callflow.switchboard import DialRefusedError
from models.ids import new_id
from models.tables import arrears, campaigns, cases, imports, payments, queue_entries
from scheduler.dealing import Deal
from tests.conftest import MUNICIPALITY
from tests.followup.conftest import Said, terminal  # noqa: F401  a fixture
from tests.integration.test_import import HEAD, PAID, ROW
from tests.web.apiclient import let_in, program
from tests.world import World, add_case


def as_csv(*rows: dict[str, str], encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def count(site: Site, table: Any) -> int:
    with site.database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_list_as_json_or_as_the_file_itself_becomes_the_same_cases_once(site: Site, app) -> None:  # type: ignore[no-untyped-def]
    one = program(app, let_in(site))
    checked = one.post("cases", params={"dry_run": True}, json={"rows": [ROW]}).json()
    assert (checked["state"], count(site, cases)) == ("checked", 0)
    keyed = {"idempotency-key": "2026-11-24/1"}
    first = one.post("cases", json={"rows": [ROW]}, headers=keyed)
    assert (first.status_code, first.json()["counts"]["cases_added"]) == (200, 1), first.text
    again = one.post("cases", json={"rows": [ROW]}, headers=keyed).json()
    assert (again["state"], again["counts"]) == ("unchanged", {})
    other = one.post("cases", json={"rows": [ROW | {"氏名": "見本　次郎"}]}, headers=keyed)
    assert (other.status_code, "Idempotency-Key" in other.json()["detail"]) == (409, True)
    for encoding in ("utf-8", "cp932"):
        more = [ROW | {"宛名番号": f"00900000{n:02}", "通知書番号": f"N{n}"} for n in (7, 8)]
        sent = one.post("cases", content=as_csv(*more, encoding=encoding), headers={"content-type": "text/csv"})
        assert sent.status_code == 200, sent.text
    assert count(site, cases) == 3
    whole = one.post("cases", params={"full": True}, json={"rows": [ROW | {"未納額": "5,000", "収納額": 1000}]}).json()
    assert whole["counts"]["instalments_vanished"] == 2
    with site.database.read() as conn:
        assert conn.execute(select(imports.c.actor_id).distinct()).scalar_one() > 4


def test_one_bad_row_stops_the_list_and_says_which_and_why(site: Site, app) -> None:  # type: ignore[no-untyped-def]
    one = program(app, let_in(site))
    bad = ROW | {"宛名番号": "0090000002", "通知書番号": "N2", "納期限": "R8.13.1"}
    answer = one.post("cases", json={"rows": [ROW, bad]})
    told = answer.json()
    assert (answer.status_code, count(site, cases)) == (422, 0)
    (fault,) = told["report"]["bad_rows"]
    assert (fault["line"], fault["field"]) == (3, "納期限")
    assert fault["mend"]
    some = one.post("cases", params={"allow_bad_rows": True}, json={"rows": [ROW, bad]}).json()
    assert (some["state"], some["bad_row_count"], count(site, cases)) == ("active", 1, 1)


@pytest.mark.parametrize(
    ("sent", "kind", "status"),
    [
        (b"\xff\xfe", "text/csv", 422),
        (b"", "text/csv", 422),
        (b"a,b\n1,2\n", "text/csv", 422),
        (b"{}", "application/json", 422),
        (b'{"rows": []}', "application/json", 422),
        (b'{"rows": [{"a": [1]}]}', "application/json", 422),
        (b'{"rows": [{"a": "\\ud800"}]}', "application/json", 422),
        (b"<x/>", "text/xml", 415),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_no_list_is_refused_in_words(site: Site, app, sent: bytes, kind: str, status: int) -> None:  # type: ignore[no-untyped-def]
    one = program(app, let_in(site))
    answer = one.post("cases", content=sent, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["mend"]
    assert "/tmp" not in answer.text
    assert count(site, imports) == 0


def test_a_list_goes_through_its_own_door(site: Site, app) -> None:  # type: ignore[no-untyped-def]
    one = program(app, let_in(site))
    assert one.post("payments", json={"rows": [ROW]}).status_code == 422
    assert one.post("cases", json={"rows": [PAID]}).status_code == 422
    assert (count(site, cases), count(site, payments), set(ROW)) == (0, 0, set(HEAD))


def money(notice: str, paid_on: str = "R8.11.23", **more: str) -> dict[str, str]:
    """A payment of an instalment of `tests.world.add_case`."""
    own = {"通知書番号": notice, "期別": str(int(notice[-2:])), "収納額": "12000", "収納日": paid_on}
    return PAID | own | more


def queued(site: Site, world: World) -> int:
    """A running campaign with one case that is ready."""
    with site.database.write() as conn:
        case = add_case(conn, 1)
        one = new_id(conn, campaigns, MUNICIPALITY)
        conn.execute(
            campaigns.insert().values(
                municipality_id=MUNICIPALITY,
                id=one,
                name="見本の計画",
                claim_type="national_health_insurance",
                state="running",
                script_hash=world.script_hash,
                created_by=world.supervisor,
                supervisor_id=world.supervisor,
                created_at=site.clock.now(),
            )
        )
        conn.execute(
            queue_entries.insert().values(
                municipality_id=MUNICIPALITY,
                campaign_id=one,
                case_id=case.case_id,
                household_id=case.household_id,
                state="ready",
                due_at=site.clock.now(),
            )
        )
    return one


def test_what_is_paid_between_claim_and_placing_is_not_dialled(site: Site, world: World, app) -> None:  # type: ignore[no-untyped-def]
    one, campaign = program(app, let_in(site)), queued(site, world)
    dealt = site.switchboard.deal(world.operator, [campaign])
    assert isinstance(dealt, Deal), dealt
    sent = one.post("payments", json={"rows": [money("N0000101"), money("N0000102")]})
    told = sent.json()
    assert (sent.status_code, told["counts"]["cases_paid"]) == (200, 1), told
    assert {(each["paid_off"], each["still"], each["call_id"]) for each in told["crossed"]} == {(True, "claimed", None)}
    with pytest.raises((DialRefusedError, RefusedError)):
        site.switchboard.dial(dealt, world.operator)
    with site.database.read() as conn:
        assert conn.execute(select(cases.c.status)).scalar_one() == "paid"


def test_a_call_that_crossed_a_payment_is_told_and_a_cancelled_payment_is_owed_again(
    site: Site,
    world: World,
    app,  # type: ignore[no-untyped-def]
) -> None:
    one, campaign = program(app, let_in(site)), queued(site, world)
    dealt = site.switchboard.deal(world.operator, [campaign])
    assert isinstance(dealt, Deal)
    call = site.switchboard.dial(dealt, world.operator)
    site.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    rows = [money("N0000101"), money("N0000102", "R8.11.25")]
    told = one.post("payments", json={"rows": rows}).json()
    assert [(each["call_id"], each["paid_on"]) for each in told["crossed"]] == [
        (call.call_id, "2026-11-23"),
        (None, "2026-11-25"),
    ]
    cancelled = money("N0000101", 取消区分="1", 収納データ基準日="2026-11-25")
    undone = one.post("payments", json={"rows": [cancelled]}).json()
    assert undone["counts"]["payments_cancelled"] == 1
    with site.database.read() as conn:
        assert sorted(conn.execute(select(arrears.c.unpaid)).scalars()) == [0, 12_000]
        assert conn.execute(select(cases.c.status)).scalar_one() == "open"


def test_the_command_line_tells_of_calls_that_crossed_a_payment(
    site: Site,
    world: World,
    tmp_path: Path,
    terminal: Callable[..., Said],  # noqa: F811
) -> None:
    dealt = site.switchboard.deal(world.operator, [queued(site, world)])
    assert isinstance(dealt, Deal)
    call = site.switchboard.dial(dealt, world.operator)
    site.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    file = tmp_path / "paid.csv"
    file.write_bytes(as_csv(money("N0000101"), money("N0000102", "R8.11.20")))
    said = terminal("ward01", "case", "import", str(file))
    assert said.code == 0
    assert said.out.count(f"通話 {call.call_id}（2026-11-24 10:00）  完納、いま通話中") == 2
