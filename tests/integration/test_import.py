"""Files in, cases out: the shared samples and their faults, on both databases."""

# ruff: noqa: SIM905  a row reads best as the file has it
from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from callflow.clock import SimulatedClock
from callflow.errors import InputError
from callflow.intake.importer import SILENT, ImportReport, _Run, import_file
from callflow.simulation.sample import FAULTS, generate, payments_of, spoilt, write
from models.database import Database
from models.ids import new_id
from models.tables import arrears, cases, households, import_arrears, imports, organisations, payments
from tests.world import account

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
MUNICIPALITY = 1
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the shared samples are not here")
HEAD = (
    "宛名番号,世帯番号,氏名,氏名カナ,生年月日,郵便番号,住所,電話番号1,電話番号2,配偶者氏名,擬制世帯主,支援措置区分,言語,"
    "通知書番号,科目コード,科目名,賦課年度,相当年度,期別,納期限,賦課額,収納額,未納額,督促状発送日,収納データ基準日"
).split(",")
ROW = dict(zip(HEAD, (
    "0090000001,0080000001,見本　太郎,ﾐﾎﾝ ﾀﾛｳ,S38.3.24,178-0033,見本町1-2-3,03-6659-0001,,,,,,"
    "N1,10,国民健康保険料,2026,2026,4,R8.9.30,6000,0,6000,2026-10-20,2026-11-20"
).split(","), strict=True))  # fmt: skip
PAID = {"宛名番号": "0090000001", "通知書番号": "N1", "科目コード": "10", "賦課年度": "2026", "期別": "4",
        "収納日": "R8.11.19", "収納額": "6,000", "取消区分": "", "収納データ基準日": "2026-11-24"}  # fmt: skip


class Office:
    """Writes lists into a folder and imports them."""

    def __init__(self, database: Database, clock: SimulatedClock, folder: Path) -> None:
        self.database, self._clock, self._folder, self._files = database, clock, folder, 0

    def take(self, path: Path, **options: bool) -> ImportReport:
        return import_file(
            self.database, path, municipality_id=MUNICIPALITY, actor_id=1, now=self._clock.now(), **options
        )

    def rows(self, *rows: dict[str, str], **options: bool) -> ImportReport:
        self._files += 1
        path = self._folder / f"list{self._files}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return self.take(path, **options)

    def unpaid(self) -> list[int]:
        with self.database.read() as conn:
            return list(conn.execute(select(arrears.c.unpaid).where(arrears.c.active).order_by(arrears.c.id)).scalars())

    def states(self) -> list[str]:
        with self.database.read() as conn:
            return list(conn.execute(select(cases.c.status).order_by(cases.c.id)).scalars())


@pytest.fixture
def office(database: Database, clock: SimulatedClock, tmp_path: Path) -> Office:
    with database.write() as conn:
        ward = new_id(conn, organisations, MUNICIPALITY)
        conn.execute(organisations.insert().values(municipality_id=MUNICIPALITY, id=ward, kind="ward", name="見本区"))
        account(conn, ward, "ward01", "見本 職一", "staff", clock.now())
    return Office(database, clock, tmp_path)


@needs_samples
def test_the_sample_lists_come_in_whole_and_only_once(office: Office) -> None:
    report = office.take(SAMPLES / "nhi_arrears_cp932.csv")
    assert (report.state, report.rows, report.bad_rows, report.quarantined) == ("active", 3647, [], [])
    assert report.counts["instalments_added"] == 3647
    again = office.take(SAMPLES / "nhi_arrears_cp932.csv")
    assert (again.state, again.changed) == ("unchanged", False)
    paid = office.take(SAMPLES / "payments_cp932.csv")
    assert (paid.counts["payments_added"], paid.counts["payments_cancelled"], len(paid.unmatched)) == (418, 17, 1) or (
        paid.counts["payments_added"] + len(paid.unmatched),
        paid.counts["payments_cancelled"],
    ) == (418, 17)
    with office.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(import_arrears)).scalar_one() == 0
        assert conn.execute(select(func.count()).select_from(households).where(households.c.protected)).scalar_one() > 0
    assert "paid" in office.states()


@needs_samples
def test_each_planted_fault_is_named_once_and_nothing_comes_in(office: Office) -> None:
    report = office.take(SAMPLES / "bad_rows_utf8.csv")
    found = sorted((row.line, row.field) for row in (*report.bad_rows, *report.quarantined))
    assert found == [
        (2, "生年月日"), (3, "電話番号1"), (4, "賦課年度"), (5, "納期限"), (6, "賦課額"),
        (7, "未納額"), (8, "氏名"), (9, "宛名番号"), (23, ""), (24, ""),
    ]  # fmt: skip
    assert (report.state, report.bad_row_count, office.unpaid()) == ("refused", 9, [])
    assert all(row.reason and row.mend for row in report.bad_rows)


@needs_samples
def test_bad_rows_are_left_out_when_that_is_asked_for(office: Office) -> None:
    report = office.take(SAMPLES / "bad_rows_utf8.csv", allow_bad_rows=True)
    assert (report.state, len(office.unpaid())) == ("active", 23 - 9)


def test_invented_lists_do_the_same_where_the_shared_samples_are_not(office: Office, tmp_path: Path) -> None:
    day, later = date(2026, 11, 20), date(2026, 11, 24)
    wrong, good, paid = (tmp_path / f"{name}.csv" for name in ("wrong", "good", "paid"))
    rows = write(wrong, spoilt(generate(20, 1, day), "utf-8"), encoding="utf-8")
    report = office.take(wrong)
    found = sorted((row.line, row.field) for row in (*report.bad_rows, *report.quarantined))
    planted = [(line, column) for line, (column, _) in enumerate(FAULTS, start=2)]
    assert found == [*planted, *((line, "") for line in range(rows - 1, rows + 2))]
    assert (report.state, report.quarantined != [], office.unpaid()) == ("refused", True, [])
    assert office.take(wrong, allow_bad_rows=True).state == "active"
    lines = write(good, generate(40, 2, day), encoding="cp932")
    assert (office.take(good).rows, office.take(good).state) == (lines, "unchanged")
    count = write(paid, payments_of(generate(40, 2, day), 2, later), encoding="cp932", payments=True)
    counts = office.take(paid)
    assert counts.counts["payments_added"] + counts.counts["payments_cancelled"] + len(counts.unmatched) == count
    assert len(counts.unmatched) >= 1


def test_a_new_list_is_in_the_statistics_by_which_its_campaign_is_planned(office: Office) -> None:
    """Without them PostgreSQL joined 200,000 new cases to their instalments one by one: minutes in place of seconds."""
    if office.database.is_sqlite:
        pytest.skip("SQLite plans without statistics")
    office.rows(ROW)
    with office.database.read() as conn:
        tables = "('cases', 'arrears', 'debtors', 'households', 'debtor_phones', 'phone_numbers')"
        counted = conn.exec_driver_sql(f"SELECT relname, reltuples FROM pg_class WHERE relname IN {tables}")
        assert {count for _, count in counted} == {1.0}


def test_a_dry_run_writes_nothing(office: Office) -> None:
    assert office.rows(ROW, dry_run=True).state == "checked"
    with office.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(imports)).scalar_one() == 0


def test_a_full_list_deactivates_what_it_no_longer_names(office: Office) -> None:
    other = ROW | {"通知書番号": "N2", "期別": "5"}
    office.rows(ROW, other)
    report = office.rows(ROW, full=True)
    assert (report.counts["instalments_vanished"], office.unpaid()) == (1, [6000])


def test_a_differential_list_changes_only_what_it_names(office: Office) -> None:
    office.rows(ROW, ROW | {"通知書番号": "N2", "期別": "5"})
    report = office.rows(ROW | {"収納額": "1000", "未納額": "5000", "収納データ基準日": "2026-11-21"})
    assert (dict(report.counts), office.unpaid()) == ({"instalments_changed": 1, "cases_changed": 1}, [5000, 6000])


def test_a_payment_clears_and_its_cancellation_brings_the_debt_back(office: Office) -> None:
    office.rows(ROW)
    office.rows(PAID)
    assert (office.unpaid(), office.states()) == ([0], ["paid"])
    report = office.rows(PAID, PAID | {"取消区分": "1"})
    assert (dict(report.counts), office.unpaid(), office.states()) == ({"payments_cancelled": 1}, [6000], ["open"])
    later = {"収納データ基準日": "2026-11-25"}
    assert not office.rows(PAID | later, PAID | later | {"取消区分": "1"}).counts["payments_added"]
    office.rows(PAID | {"収納データ基準日": "2026-11-26"})
    assert (office.unpaid(), office.states()) == ([0], ["paid"])


def test_payments_in_many_batches_are_joined_to_their_instalments_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callflow.intake.settling.BATCH", 2)
    office.rows(*(ROW | {"通知書番号": f"N{n}", "宛名番号": f"00100{n:05}"} for n in range(7)))
    paid = [PAID | {"通知書番号": f"N{n}", "収納額": str(yen)} for n in range(7) for yen in (1_000, 5_000)]
    asked: list[str] = []
    event.listen(office.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    report = office.rows(*paid)
    assert (dict(report.counts), office.unpaid()) == ({"payments_added": 14, "cases_paid": 7}, [0] * 7)
    assert sum("JOIN import_payments" in each and "GROUP BY" in each for each in asked) == 1


def test_payments_that_came_before_their_list_count_once_it_is_there(office: Office, tmp_path: Path) -> None:
    early = office.rows(PAID, PAID | {"通知書番号": "N7"})
    assert (early.state, len(early.unmatched), office.unpaid()) == ("active", 2, [])
    office.rows(ROW)
    again = office.take(tmp_path / "list1.csv")
    assert (again.state, len(again.unmatched), office.unpaid()) == ("active", 1, [0])
    assert office.take(tmp_path / "list1.csv").state == "unchanged"
    office.rows(ROW | {"通知書番号": "N7"})
    assert (office.take(tmp_path / "list1.csv").unmatched, office.unpaid()) == ([], [0, 0])
    assert office.take(tmp_path / "list1.csv").rows == 0  # nothing is left of it that could fit


def test_a_payment_that_the_next_list_does_not_know_yet_still_counts(office: Office) -> None:
    office.rows(ROW)
    office.rows(PAID | {"収納額": "2,000"})
    office.rows(ROW | {"住所": "見本町9-9-9"})
    assert office.unpaid() == [4000]
    with office.database.read() as conn:
        assert conn.execute(select(cases.c.payments_as_of)).scalar_one() == date(2026, 11, 24)
        assert conn.execute(select(func.count()).select_from(payments)).scalar_one() == 1


def test_one_household_with_two_claims_is_one_household_and_one_number(office: Office) -> None:
    report = office.rows(ROW, ROW | {"科目コード": "40", "科目名": "介護保険料"})
    added = ("households_added", "debtors_added", "phone_numbers_added", "cases_added")
    assert {name: report.counts[name] for name in added} == {
        "households_added": 1, "debtors_added": 1, "phone_numbers_added": 1, "cases_added": 2,
    }  # fmt: skip


def test_a_case_that_paid_nothing_is_also_known_to_be_right_as_of_the_payments_day(office: Office) -> None:
    office.rows(ROW, ROW | {"宛名番号": "0090000002", "世帯番号": "0080000002", "通知書番号": "N9"})
    office.rows(PAID)
    with office.database.read() as conn:
        assert set(conn.execute(select(cases.c.payments_as_of)).scalars()) == {date(2026, 11, 24)}


def test_a_list_taken_as_differential_can_come_again_as_full(office: Office, tmp_path: Path) -> None:
    office.rows(ROW | {"通知書番号": "N2", "期別": "5"})
    office.rows(ROW)
    again = office.take(tmp_path / "list2.csv", full=True)
    assert (again.state, again.counts["instalments_vanished"], office.unpaid()) == ("active", 1, [6000])
    assert office.take(tmp_path / "list2.csv", full=True).state == "unchanged"


def test_a_full_list_is_not_taken_without_its_bad_rows(office: Office) -> None:
    """A row that was left out would look as if it had vanished."""
    office.rows(ROW)
    with pytest.raises(InputError):
        office.rows(ROW | {"未納額": "-1"}, full=True, allow_bad_rows=True)
    assert office.unpaid() == [6000]


def test_what_a_killed_import_left_goes_with_a_later_one(
    office: Office, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(_Run, "end", lambda _run: None)  # nothing runs any more in a killed process
        killed.setattr(_Run, "activate", lambda _run, _now, *, full: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            office.rows(ROW)
    assert (_staged(office), office.unpaid()) == (1, [])
    clock.advance(SILENT)
    office.rows(ROW | {"通知書番号": "N2"})
    assert _staged(office) == 1  # it might still be at work
    clock.advance(timedelta(seconds=1))
    assert office.rows(ROW).state == "active"
    assert (_staged(office), len(office.unpaid())) == (0, 2)


def _staged(office: Office) -> int:
    with office.database.read() as conn:
        return conn.execute(select(func.count()).select_from(import_arrears)).scalar_one()
