"""`callflow case` and `callflow sample`, as a person types them."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    seen = [row["case"] for row in office("--as", "ward01", "case", "list", "--json").data]
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
