"""`callflow case` and `callflow sample`, as a person types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from callflow.errors import CallflowError
from callflow.simulation.sample import FAULTS
from models.database import Database
from models.tables import audit_events, households
from tests.unit.cli.conftest import Type


@pytest.fixture
def list_file(office: Type, tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    assert office("sample", "--households", "5", "--out", str(path)).code == 0
    return path


@pytest.mark.parametrize("login", ["op01", "lead01", "admin01"])
def test_only_the_wards_staff_imports_lists_and_reads_them(office: Type, list_file: Path, login: str) -> None:
    for words in (("import", str(list_file)), ("list",), ("show", "1")):
        refused = office("--as", login, "case", *words)
        assert (refused.code, refused.out) == (5, "")


def test_a_list_comes_in_and_its_cases_can_be_seen(office: Type, list_file: Path) -> None:
    report = office("--as", "ward01", "case", "import", str(list_file), "--json")
    assert (report.code, report.data["state"], report.data["counts"]["cases_added"]) == (0, "active", 5)
    seen = [row["case"] for row in office("--as", "ward01", "case", "list", "--json").data if not row["protected"]]
    assert office("--as", "ward01", "case", "show", str(seen[0])).code == 0
    assert office("--as", "ward01", "case", "show", "99").code == 3


def test_bad_rows_are_told_by_place_and_by_the_exit_code(office: Type, list_file: Path) -> None:
    text = list_file.read_bytes().decode("cp932").replace("国民健康保険料,20", "国民健康保険料,二〇", 1)
    list_file.write_bytes(text.encode("cp932"))
    refused = office("--as", "ward01", "case", "import", str(list_file))
    assert (refused.code, "2 行 17 列 賦課年度" in refused.out) == (1, True)
    assert office("--as", "ward01", "case", "list", "--json").data == []
    assert office("--as", "ward01", "case", "import", str(list_file), "--allow-bad-rows").code == 6


def test_a_number_without_an_area_code_gets_the_configured_one(
    office: Type, list_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLFLOW_IMPORT__DEFAULT_AREA_CODE", "")
    header, first, *_ = list_file.read_bytes().decode("cp932").splitlines()
    cells = first.split(",")
    cells[header.split(",").index("電話番号1")] = "4160-5311"
    list_file.write_bytes("\r\n".join([header, ",".join(cells)]).encode("cp932"))
    report = office("--as", "ward01", "case", "import", str(list_file), "--json").data
    assert [row["field"] for row in report["quarantined"]] == ["電話番号1"]


def stored(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/callflow.sqlite")


def test_who_has_seen_a_case_is_on_record(office: Type, list_file: Path, tmp_path: Path) -> None:
    office("--as", "ward01", "case", "import", str(list_file))
    seen = [row["case"] for row in office("--as", "ward01", "case", "list", "--json").data]
    office("case", "show", str(seen[-1]), "--as", "ward01")
    with stored(tmp_path).read() as conn:
        query = select(audit_events.c.verb, audit_events.c.object).where(audit_events.c.verb.like("case:%"))
        events = [tuple(row) for row in conn.execute(query.order_by(audit_events.c.id))]
    assert [event for event in events if event[0] != "case:import"] == [
        *(("case:list", f"case:{case}") for case in seen),
        ("case:show", f"case:{seen[-1]}"),
    ]


def test_nothing_is_shown_that_could_not_be_put_on_record(
    office: Type, list_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office("--as", "ward01", "case", "import", str(list_file))

    def fails(*_given: object, **_named: object) -> None:
        raise CallflowError("記録できません")

    monkeypatch.setattr("callflow.cli.case.audit", fails)
    for words in (("list",), ("show", "5")):
        refused = office("--as", "ward01", "case", *words)
        assert (refused.code, refused.out) == (1, "")


def test_the_ward_sees_who_is_protected_and_opens_it_only_with_a_reason(
    office: Type, list_file: Path, tmp_path: Path
) -> None:
    office("--as", "ward01", "case", "import", str(list_file))
    with stored(tmp_path).write() as conn:
        conn.execute(update(households).where(households.c.id == 1).values(protected=True))
    shown = office("--as", "ward01", "case", "list", "--json").data
    assert [row["protected"] for row in shown].count(True) == 1
    (hidden,) = (row for row in shown if row["protected"])
    assert (hidden["addressee_no"], hidden["unpaid"]) == ("", None)
    assert "（閉じてあります）" in office("--as", "ward01", "case", "list").out
    case = str(hidden["case"])
    sealed = office("--as", "ward01", "case", "show", case)
    assert (sealed.code, sealed.out) == (5, "")
    assert office("--as", "ward01", "glass", "break", case, "--reason", "窓口に本人が来ている").code == 0
    assert "支援措置" in office("--as", "ward01", "case", "show", case).out
    (seen,) = (row for row in office("--as", "ward01", "case", "list", "--json").data if row["protected"])
    assert seen["addressee_no"]
    assert seen["unpaid"] > 0


@pytest.mark.parametrize("encoding", ["cp932", "utf-8-sig"])
def test_every_fault_of_a_faulty_sample_is_found_and_nothing_else(office: Type, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "faulty.csv"
    words = ("--households", "3", "--faulty", "--encoding", encoding)
    assert office("sample", "--out", str(path), *words).code == 0
    report = office("--as", "ward01", "case", "import", str(path), "--dry-run", "--json").data
    found = [(row["field"], row["value"]) for row in report["bad_rows"] + report["quarantined"]]
    meant = [(column, value.strip()) for column, value in FAULTS if encoding != "cp932" or "\U000e0100" not in value]
    assert len(found) == len(meant) + 3  # a row twice, a short one, a long one
    assert set(meant) <= set(found)


def test_two_lists_of_one_seed_are_of_households_with_two_debts(office: Type, tmp_path: Path) -> None:
    for number, more in enumerate(((), ("--claim-type", "long_term_care"))):
        path = tmp_path / f"{number}.csv"
        assert office("sample", "--households", "4", "--out", str(path), *more).code == 0
        report = office("--as", "ward01", "case", "import", str(path), "--json").data
    assert report["shared"]["households_with_several_claims"] == 4
