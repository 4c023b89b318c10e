"""The documented script is said word for word: each quoted passage stands with its lines in the seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from callflow.script.lines import render
from callflow.script.model import Script
from callflow.script.reader import read

SCRIPTS = Path(__file__).parents[2] / "scripts"

DOCUMENTED = {
    "opening": "documented",
    "recording": "unrecorded",
    "other_instalments": "oldest_only",
    "closing_words": "as_printed",
}

# The blanks of the document (company, operator, debtor, year, month) are filled with invented values.
FACTS = {
    "ward": "練馬区",
    "company": "株式会社見本コール",
    "operator": "架電太郎",
    "desk_name": "こくほ整理係",
    "desk_phone": "03-0000-0000",
    "desk_hours": "平日9時から17時",
    "debtor": "見本花子",
    "claim_name": "国民健康保険料",
    "arrears": {
        "year": "令和7",
        "month": "7",
        "amount": 35700,
        "count": 1,
        "others": 0,
        "total": 35700,
        "spoken": "令和7年7月納期分",
    },
}

# Each passage, and where it stands: lines 289-290, 298-299, 309-312, 314-316, 318, 320-321.
SEED = {
    "greeting": (
        "こちらは練馬区から国民健康保険料事務の委託を受けた株式会社見本コールの架電太郎と申しますが、"
        "見本花子さまのお宅でしょうか？"
    ),
    "request": (
        "国民健康保険料のお支払いについてですが、令和7年7月納期分保険料の納付確認ができていません。"
        "お支払いいただけますか？"
    ),
    "hardship": (
        "区の職員と納付相談を行うことによって、お客様の生活状況に応じたお支払いをすることができます。"
        "そのためには、お客様の現在の生活状況を教えていただく必要があります。"
        "「生活状況報告書」を送付させていただきますので、記入のうえ返送してください。"
    ),
    "consult": (
        "また、一度、区の職員と相談していただく必要があります。"
        "平日にお客様からこくほ整理係まで連絡していただくか、"
        "こくほ整理係の職員から電話をさせていただきます。いかがいたしましょうか。"
    ),
    "hardship_end": "では、よろしく申し上げます。",
    "close": "ありがとうございます。今後とも国民健康保険料のお支払いをよろしくお願いいたします。",
}


TALK = """
    PP PX PD PR DD HS HC HR IN RF DA DQ CP AV EM DC MV LG HI GD LW DV NC OS CB
    TP CH WN VD VF HU0 HU1 AM0 AM1
"""
LINE = "NA BZ FX DN NW AB TF UD"


@pytest.fixture(scope="module")
def script() -> Script:
    return read(SCRIPTS / "nhi-premium.yaml")


@pytest.mark.parametrize("state", SEED)
def test_the_seed_is_said_word_for_word(script: Script, state: str) -> None:
    assert render(script, state, DOCUMENTED, FACTS) == SEED[state]


def test_the_documented_opening_is_the_default(script: Script) -> None:
    assert script.settings["opening"][0] == "documented"


def test_the_slip_of_the_document_is_mended_unless_asked_for(script: Script) -> None:
    default = {name: values[0] for name, values in script.settings.items()}
    assert render(script, "hardship_end", default, FACTS) == "では、よろしくお願い申し上げます。"


def test_other_instalments_are_named_by_default_between_the_two_documented_sentences(script: Script) -> None:
    default = {name: values[0] for name, values in script.settings.items()}
    owed = {**FACTS, "arrears": {**FACTS["arrears"], "count": 3, "others": 2, "total": 107100}}  # type: ignore[dict-item]
    said = render(script, "request", default, owed)
    assert said.endswith("ほかに2期分、合計107,100円ございます。お支払いいただけますか？")
    assert render(script, "request", default, FACTS) == SEED["request"]


def test_recording_is_announced_before_the_question_and_only_then(script: Script) -> None:
    asked = render(script, "verify_householder", DOCUMENTED, FACTS)
    announced = render(script, "verify_householder", {**DOCUMENTED, "recording": "recorded"}, FACTS)
    assert announced == "確認のためこの通話を録音しております。" + asked


def test_lines_that_the_ward_has_not_approved_are_marked_as_drafts(script: Script) -> None:
    drafted = {name for name, state in script.states.items() if state.draft}
    assert {"dv", "direct_debit", "no_date"} <= drafted
    assert drafted.isdisjoint(SEED)


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_script_has_the_outcomes_of_the_domain(path: Path) -> None:
    script = read(path)
    assert {code for code, one in script.dispositions.items() if one.source == "talk"} == set(TALK.split())
    assert {code for code, one in script.dispositions.items() if one.source == "line"} == set(LINE.split())


def test_attempt_contact_and_right_party_stand_as_in_the_domains_table() -> None:
    codes = read(SCRIPTS / "nhi-premium.yaml").dispositions
    silent = "NA BZ FX DN NW AM0 AM1 TF"
    assert {code for code, one in codes.items() if one.attempt == 0} == {"TF"}
    assert {code for code, one in codes.items() if one.contact == "0"} == set(silent.split())
    assert {code for code, one in codes.items() if one.contact == "log"} == {"UD"}
    always = "PP PX PD PR DD HS HC HR IN RF DA DQ HU1"
    by_log = "CB CP AV EM MV LG HI GD LW NC OS UD"
    assert {code for code, one in codes.items() if one.right_party == "yes"} == set(always.split())
    assert {code for code, one in codes.items() if one.right_party == "any"} == set(by_log.split())


def test_a_dead_number_and_a_fax_are_not_dialled_again() -> None:
    codes = read(SCRIPTS / "nhi-premium.yaml").dispositions
    assert {code for code, one in codes.items() if "number_invalid" in one.makes} == {"FX", "DN"}


def test_no_form_goes_to_an_address_that_must_not_get_one() -> None:
    codes = read(SCRIPTS / "nhi-premium.yaml").dispositions
    stopped = {code for code, one in codes.items() if "living_report" in one.cancels}
    assert stopped == {"DV", "DC", "GD", "LW"}
    assert stopped == {code for code, one in codes.items() if "suppress" in one.makes}
    assert min(codes[code].rank for code in stopped) > max(one.rank for c, one in codes.items() if c not in stopped)
