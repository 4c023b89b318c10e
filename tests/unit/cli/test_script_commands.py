"""`callflow script`: checking, showing, comparing, drawing and publishing."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

from callflow.script.model import Script
from callflow.script.proofs import Report, prove
from tests.unit.cli.conftest import PASSWORDS, ROOT, Type

SCRIPT = ROOT / "scripts" / "nursery-fee.yaml"
BOTH = f"{PASSWORDS['ward01']}\n{PASSWORDS['ward02']}\n"
PUBLISH = ("--as", "ward01", "script", "publish", str(SCRIPT), "--second", "ward02", "--password-stdin")


@cache
def _proofs() -> dict[str, Report]:
    return {}


@pytest.fixture(autouse=True)
def _each_script_is_proved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def prove_once(script: Script) -> Report:
        return _proofs().setdefault(script.content_hash, _proofs().get(script.content_hash) or prove(script))

    monkeypatch.setattr("callflow.cli.script.prove", prove_once)


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """A copy of the scripts that a test may change."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    return tmp_path / "scripts" / SCRIPT.name


def test_a_proved_script_tells_how_far_the_search_went(type_: Type) -> None:
    said = type_("script", "check", str(SCRIPT))
    assert said.code == 0
    assert "証明できました" in said.out
    assert "調べた状態" in said.out


def test_a_fault_fails_and_is_told_with_its_place(type_: Type, draft: Path) -> None:
    text = draft.read_text().replace("to: child}", "to: chlid}")
    draft.write_text(text)
    said = type_("script", "check", str(draft), str(SCRIPT), "--json")
    assert said.code == 1
    broken, fine = said.data
    assert broken["findings"][0]["line"] == text[: text.index("chlid")].count("\n") + 1
    assert "child" in broken["findings"][0]["mend"]
    assert fine["findings"] == []


def test_a_file_that_is_no_script_fails_the_check_and_others_are_still_checked(type_: Type, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("script: [")
    said = type_("script", "check", str(tmp_path / "x.yaml"), str(SCRIPT))
    assert said.code == 1
    assert "x.yaml:1" in said.out
    assert "証明できました" in said.out
    said = type_("script", "check", "none.yaml", str(SCRIPT))
    assert said.code == 1
    assert "none.yaml: 読めません" in said.out
    assert "証明できました" in said.out


def test_a_missing_file_is_not_found(type_: Type) -> None:
    assert type_("script", "check", "none.yaml").code == 3


def test_a_line_is_shown_with_its_answers(type_: Type) -> None:
    said = type_("script", "show", str(SCRIPT), "--state", "relation")
    assert "恐れ入りますが、{{ debtor }}さまとのご関係" in said.out
    assert "子ども → child" in said.out
    assert type_("script", "show", str(SCRIPT), "--state", "relatoin").code == 1


def test_two_scripts_are_compared_sentence_by_sentence(type_: Type, draft: Path) -> None:
    draft.write_text(draft.read_text().replace("ご関係をお伺い", "ご関係を伺"))
    said = type_("script", "diff", str(SCRIPT), str(draft), "--json")
    assert [(each["state"], each["kind"]) for each in said.data] == [("relation", "sentence")]
    assert "違いはありません" in type_("script", "diff", str(SCRIPT), str(SCRIPT)).out


def test_a_diagram_is_written_to_a_file(type_: Type, tmp_path: Path) -> None:
    target = tmp_path / "script.svg"
    said = type_("script", "diagram", str(SCRIPT), "--format", "svg", "-o", str(target))
    assert (said.code, said.out) == (0, "")
    assert target.read_text().startswith("<svg")
    assert type_("script", "diagram", str(SCRIPT)).out.startswith("stateDiagram-v2")
    assert type_("script", "diagram", str(SCRIPT), "--format", "png").code == 1


def test_two_of_the_wards_staff_publish_together(office: Type) -> None:
    said = office(*PUBLISH, stdin=BOTH)
    assert (said.code, "第1版を公開しました" in said.out) == (0, True)
    assert office(*PUBLISH, stdin=BOTH).out.startswith("nursery-fee 第1版")  # the same content is the same version
    [version] = office("script", "list", "--json").data
    assert (version["name"], version["version"]) == ("nursery-fee", 1)
    assert version["published_at"] == "2026-11-24T10:00:00+09:00"


def test_a_dry_run_publishes_nothing(office: Type) -> None:
    assert office(*PUBLISH, "--dry-run", stdin=BOTH).code == 0
    assert office("script", "list", "--json").data == []


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("--as", "ward01", "--second", "ward01"), BOTH, "別の二人"),
        (("--as", "op01", "--second", "ward02"), BOTH, "権限がありません"),
        (("--as", "ward01", "--second", "lead01"), BOTH, "区職員ではありません"),
        (("--as", "ward01", "--second", "admin01"), BOTH, "区職員ではありません"),
        (("--as", "ward01", "--second", "ward02"), f"{PASSWORDS['ward01']}\nwrong\n", "ward02 のパスワードが違います"),
        (("--as", "ward01", "--second", "ward02"), f"wrong\n{PASSWORDS['ward02']}\n", "ward01 のパスワードが違います"),
        (("--as", "ward01", "--second", "ward02"), "", "パスワードが違います"),
        (("--as", "ward01", "--second", "ward03"), BOTH, "パスワードが決まっていません"),
    ],
)
def test_nobody_publishes_alone_or_in_anothers_name(
    office: Type, words: tuple[str, ...], stdin: str, said: str
) -> None:
    office("--as", "admin01", "user", "add", "ward03", "--name", "見本三郎", "--role", "staff")
    answer = office("script", "publish", str(SCRIPT), "--password-stdin", *words, stdin=stdin)
    assert (answer.code, said in answer.err) == (5, True)
    assert office("script", "list", "--json").data == []


def test_a_disabled_colleague_approves_nothing(office: Type) -> None:
    office("--as", "admin01", "user", "disable", "ward02")
    said = office(*PUBLISH, stdin=BOTH)
    assert (said.code, "区職員ではありません" in said.err) == (5, True)


def test_what_is_not_proved_is_not_published(office: Type, draft: Path) -> None:
    draft.write_text(
        draft.read_text().replace(
            "reveals: name\n    says: |\n      恐れ入りますが",
            "reveals: name\n    says: |\n      滞納の件で、恐れ入りますが",
        )
    )
    words = tuple(str(draft) if word == str(SCRIPT) else word for word in PUBLISH)
    said = office(*words, stdin=BOTH)
    assert (said.code, "検査に合格していません" in said.err) == (1, True)


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 3, "がありません"),
        (b"", 1, "script.yaml:1:1: ファイルが空です"),
        (b"\x00\xff\xfe", 1, "UTF-8 ではありません"),
        ("title: 台本".encode("cp932"), 1, "UTF-8 ではありません"),
        (b"script: x\ntitle: a\x00b\n", 1, "script.yaml:2:9: 文字 U+0000"),
        (b"a: " + b"[" * 5000, 1, "入れ子が深すぎます"),
        (b"script: x\n\ttitle: t\n", 1, "script.yaml:2:1: YAML"),
        (b"script: x\nscript: y\n", 1, "script.yaml:2:1: 同じキー script が二度"),
        (b"script: x\n---\nscript: y\n", 1, "script.yaml:2:1: YAML"),
        (b"script: *nobody\n", 1, "script.yaml:1:9: YAML"),
        (b"- a\n", 1, "（1件）"),
    ],
)
def test_a_file_that_is_no_script_is_told_by_its_place(
    type_: Type, tmp_path: Path, content: bytes | None, code: int, words: str
) -> None:
    file = tmp_path / "script.yaml"
    if content is not None:
        file.write_bytes(content)
    said = type_("script", "check", str(file))
    assert (said.code, words in said.out + said.err) == (code, True), said


def test_a_folder_is_told_from_a_missing_file(type_: Type, tmp_path: Path) -> None:
    said = type_("script", "check", str(tmp_path))
    assert (said.code, "フォルダーです" in said.err) == (1, True)
