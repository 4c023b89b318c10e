"""Faults planted in a sound script: each must be found by its rule and at its line."""

# ruff: noqa: E501  each row of the table is one fault

from __future__ import annotations

import pytest

from callflow.script.faults import ScriptError
from callflow.script.proofs import prove
from tests.unit.script.example import changed, example, line_of, script

MATCH = "match:    {label: 一致, to: request, needs: [identity], only_if: identity_matches, verifies: householder}"
SPOUSE_MATCH = MATCH.replace("householder", "spouse")
TOLD = "told:   {label: 聞いた, to: read_back, needs: [promise.due, promise.amount, promise.place]}"
AGREED = (
    "yes:     {label: はい, to: close, needs: [promise.due, promise.amount, promise.place],"
    " does: [promise], settles: PP}"
)
NO_MATCH = (
    "no_match: {label: 不一致, to: same, needs: [identity], only_if: not identity_matches,"
    " at_most: 1, then: declined}\n      declines"
)

# rule, passage of the sound script, what stands there instead, a passage of the line to be named
PROVED = [
    ("debt_unverified", MATCH, MATCH.replace(", verifies: householder", ""), "  request:"),
    ("debt_unverified", "other:  {label: そのほか, to: third_party}", "other:  {label: そのほか, to: close}", "  close:"),
    ("debt_unverified", ", key: v, to: party, new_voice: true}", ", key: v, to: same, new_voice: true}", "  request:"),
    ("no_new_voice", ", key: v, to: party, new_voice: true}", ", key: v, to: party}", "  request:"),
    ("verifies_unchecked", MATCH, MATCH.replace("needs: [identity], only_if: identity_matches, ", ""), "match: "),
    ("verifies_unchecked", MATCH, MATCH.replace("only_if: identity_matches, ", ""), "match: "),
    ("verifies_unchecked", MATCH, MATCH.replace("needs: [identity], ", ""), "match: "),
    ("verifies_unchecked", MATCH, MATCH.replace("only_if: identity_matches", "only_if: not identity_matches"), "match: "),
    ("verifies_unchecked", MATCH, MATCH.replace("only_if: identity_matches", "only_if: spouse_may_hear"), "match: "),
    ("verifies_unchecked", MATCH, MATCH.replace("to: request, needs: [identity], only_if: identity_matches", "to: {identity_matches: request, else: close}, needs: [identity]"), "match: "),
    ("verifies_unchecked", "type: identity, reveals", "type: text, reveals", "match: "),
    ("verifies_unchecked", "yes:    {label: 本人, to: verify}", "yes:    {label: 本人, to: close, verifies: householder}", "yes:    {label: 本人"),
    ("verifies_unchecked", "new_voice: {label: 相手が代わった, key: v, to: party, new_voice: true}", "new_voice: {label: 相手が代わった, key: v, to: request, new_voice: true, verifies: spouse}", "new_voice:"),
    ("spouse_not_allowed", "{spouse_may_hear: verify_spouse, else: third_party}", "verify_spouse", SPOUSE_MATCH),
    ("above_level", "says: 大変失礼いたしました。", 'says: "大変失礼いたしました。{{ debtor }}さま。"', "{{ debtor }}さま。\""),
    ("above_level", "  {{ ward }}から委託を受けた", "  {{ ward }}の{{ claim_name }}で委託を受けた", "{{ claim_name }}で"),
    ("above_level", "says: お名前と生年月日を", "says: 期日は{{ promise.due }}です。お名前と生年月日を", "期日は"),
    ("word_above_level", "says: 大変失礼いたしました。", "says: 水道料金の件で大変失礼いたしました。", "水道料金の件で"),
    ("word_above_level", "さまご本人でいらっしゃいますか", "さまご本人の未 納の件です", "の未 納"),
    ("forbidden_word", "says: ありがとうございます。お支払い", "says: 差押になります。お支払い", "差押になります"),
    ("forbidden_word", "says: お名前と生年月日を", "says: 口座{{ '番' }}号をお聞かせください。生年月日を", "口座{{"),
    ("unreachable", "hardship: {label: 生活が苦しい, to: hardship}", "hardship: {label: 生活が苦しい, to: promise}", "  hardship:"),
    ("no_way_out", "done: {label: 終話, to: end}", "done: {label: 終話, to: same}", "  close:"),
    ("no_way_out", "done: {label: 続ける, to: close}", "done: {label: 続ける, to: hardship}", "  hardship:"),
    ("unsettled_end", "unsure: {label: 決まらない, to: close, settles: RF}", "unsure: {label: 決まらない, to: end}", "unsure"),
    ("no_return_line", "correct: {label: 訂正, to: promise}", "correct: {label: 訂正, to: resume}", "correct"),
    ("settles_unverified", "settles: VD", "settles: RF", "declines: {label: 答えない"),
    ("settles_verified", "refuses:  {label: 払わない, to: close, settles: RF}", "refuses:  {label: 払わない, to: close, settles: VD}", "refuses:"),
    ("duplicate_label", "{label: 訂正, to: promise}", "{label: はい, to: promise}", "correct:"),
    ("duplicate_label", "{label: 訂正, to: promise}", "{label: 切れた, to: promise}", "correct:"),
    ("duplicate_key", "{label: 訂正, to: promise}", "{label: 訂正, key: s, to: promise}", "correct:"),
    ("duplicate_key", "abusive:   {label: 暴言, key: b", "abusive:   {label: 暴言, key: e", "abusive:   "),
    ("unfilled_field", TOLD, "told:   {label: 聞いた, to: read_back}", "  read_back:"),
    ("unfilled_need", TOLD, TOLD.replace("promise.due, ", ""), "does: [promise], settles: PP}"),
    ("unfilled_effect", "{label: 決まらない, to: close, settles: RF}", "{label: 決まらない, to: close, does: [promise], settles: PP}", "unsure"),
    ("unfilled_effect", "needs: [signal.reason], ", "", "signal:    "),
    ("promise_not_pp", AGREED, AGREED.replace(", does: [promise]", ""), "settles: PP}"),
    ("promise_not_pp", AGREED, AGREED.replace("settles: PP", "settles: RF"), "does: [promise]"),
    ("effect_needs_party", "settles: VD", "does: [reissue]\n    settles: VD", "declines: {label: 答えない"),
    ("form_without_hardship", "    does: [hardship]\n    settles: HS\n", "    settles: RF\n", "  hardship:"),
    ("code_without_hardship", "refuses:  {label: 払わない, to: close, settles: RF}", "refuses:  {label: 払わない, to: close, settles: HS}", "refuses:"),
    ("form_not_cancelled", ", cancels: [living_report]", "", "  DV:"),
    ("debt_after_emergency", "done:        {label: 代わった, to: end}", "done:        {label: 代わった, to: close}", "  close:"),
    ("debt_after_emergency", "to: same, needs: [signal.reason], does: [signal]}", "to: same, needs: [signal.reason], does: [signal, emergency]}", None),
    ("no_then", "b, to: abusive, at_most: 1, then: abusive_end}", "b, to: abusive, at_most: 1}", "abusive:   "),
    ("uncounted_refusal", NO_MATCH, NO_MATCH.replace("needs: [identity], ", "").replace(", at_most: 1, then: declined", ""), "no_match"),
    ("unknown_name", "yes:    {label: 本人, to: verify}", "yes:    {label: 本人, to: verifi}", "verifi}"),
    ("unknown_name", "settles: VD", "settles: VX", "  declined:"),
    ("unknown_name", "asks: [identity]\n    answers:\n      match:    {label: 一致, to: request, needs: [identity], only_if: identity_matches, verifies: householder}", "asks: [identty]\n    answers:\n" + 6 * " " + MATCH, "  verify:"),
    ("unknown_name", "{ ward }}から水道", "{ wards }}から水道", "{{ wards }}"),
    ("unknown_name", "does: [number_invalid]", "does: [number_bad]", "  wrong_number:"),
    ("unknown_name", "{outbound: greeting}", "{outbound: greetings}", "starts:"),
    ("missing_code", "  HU1:", "  HU9:", "script:"),
    ("attribute", "{ ward }}から水道", "{ ward.upper() }}から水道", "{{ ward.upper"),
    ("attribute", "{ ward }}から水道", "{ ward.__class__ }}から水道", "{{ ward.__class__"),
    ("attribute", "{ ward }}から水道", "{ ward['x'] }}から水道", "{{ ward['x']"),
    ("template", "{ ward }}から水道", "{ ward から水道", "{{ ward から"),
    ("template", "{ ward }}から水道", "{ ward | upper }}から水道", "{{ ward | upper"),
    ("template", "{{ ward }}から水道", "{% for x in ward %}{% endfor %}から水道", "{% for"),
    ("start_does", "    reveals: {full: topic, short: name}\n", "    reveals: {full: topic, short: name}\n    settles: TP\n", "  greeting:"),
    ("line_code", "from: talk, rank: 12", "from: line, rank: 12", "  declined:"),
    ("word_above_level", "says: 大変失礼いたしました。", "says: \"{% if ward %}滞{% else %}怠{% endif %}納でした。\"", "滞{% else"),
    ("word_above_level", "says: 大変失礼いたしました。", "says: \"滞{% if ward == 'x' %}、{% endif %}納でした。\"", "滞{% if"),
    ("word_above_level", "says: 大変失礼いたしました。", "says: \"滞\\u200b納でした。\"", "    says: \"滞"),
    ("word_above_level", "{{ ward }}から委託を受けた{{ company }}の", "{{ ward }}から水道料金の委託を受けた{{ company }}の", "から水道料金の委託"),
    ("forbidden_word", "of: [コンビニエンスストア,", "of: [口座番号あて, コンビニエンスストア,", "promise.place }}"),
    ("empty_line", "says: 大変失礼いたしました。", "says: \"{# あとで書く #}\"", "{# あとで"),
    ("empty_line", "says: 大変失礼いたしました。", "says: \"{% if ward == 'x' %}失礼しました。{% endif %}\"", "失礼しました。{% endif"),
    ("template", "{ ward }}から水道", "{ ward if company }}から水道", "ward if company"),
    ("template", "{ ward }}から水道", "{ 'x' in ward }}から水道", "'x' in ward"),
    ("template", "arrears.amount | yen }}円の納付", "arrears.amount | yen(2) }}円の納付", "yen(2)"),
    ("not_a_number", "さまご本人でいらっしゃいますか", "さま{% if debtor > 3 %}方{% endif %}ご本人でいらっしゃいますか", "debtor > 3"),
    ("not_a_number", "arrears.month }}月分", "arrears.month | yen }}月分", "arrears.month | yen"),
    ("identity_said", "says: いつ、いくらを、", "says: '{{ identity }}さま'  # いつ、いくらを、", "{{ identity }}"),
    ("field_level", "to: today+30, reveals: debt}", "to: today+30, reveals: nothing}", "  promise.due:"),
    ("field_level", "type: identity, reveals: debt", "type: identity, reveals: name", "  identity:"),
    ("field_type", "type: date, from: today, to: today+30", "type: text", "  promise.due:"),
    ("field_type", "type: yen, from: 1", "type: text", "  promise.amount:"),
    ("outranked", "from: talk, rank: 90", "from: talk, rank: 50", "  EM:"),
    ("outranked", "from: talk, rank: 99", "from: talk, rank: 45", "  DV:"),
    ("not_suppressed", "makes: [suppress], ", "", "  DV:"),
    ("code_without_effect", "refuses:  {label: 払わない, to: close, settles: RF}", "refuses:  {label: 払わない, to: emergency}", "refuses:"),
    ("uncounted_refusal", NO_MATCH, NO_MATCH.replace(", at_most: 1, then: declined", ""), "no_match"),
    ("unknown_name", "    says: お電話を終了", "    may_say: [口座番]\n    says: お電話を終了", "  abusive_end:"),
    ("unknown_name", "r: yes}\n  EM:", "r: yes, cancels: [promise]}\n  EM:", "  PP:"),
    ("unknown_name", "r: yes}\n  EM:", "r: yes, makes: [emergency]}\n  EM:", "  PP:"),
    ("unknown_name", "only_if: not identity_matches, at_most: 1, then: declined}\n      declines", "only_if: not not identity_matches, at_most: 1, then: declined}\n      declines", "no_match"),
    ("debt_after_emergency", "not_here: [new_voice, abusive]\n    answers:\n      other_voice: {label: 相手が代わった, key: v, to: same, new_voice: true}", "answers:", "  request:"),
    ("debt_unverified", "at_most: 1, then: abusive_end}", "at_most: 1, then: close}", "  close:"),
    ("debt_unverified", "{outbound: greeting}", "{outbound: greeting, inbound: request}", "  request:"),
    ("no_return_line", "calmer:   {label: 落ち着いた, to: resume}", "calmer:   {label: 落ち着いた, to: resume, new_voice: true}", "calmer:"),
    ("unsettled_end", "    settles: WN\n    answers:\n      done: {label: 終える, to: end}", "    answers:\n      done: {label: 終える, to: end, settles: nothing}", "done:"),
    ("form_without_hardship", "says: いつ、いくらを、", "says: 生活状況報告書もお送りします。いつ、いくらを、", "  promise:"),
]  # fmt: skip

READ = [
    ("duplicate_key", "      correct: {label: 訂正, to: promise}", "      yes: {label: 訂正, to: promise}", "yes: {label: 訂正"),
    ("duplicate_key", "  close:\n    reveals: debt\n", "  close:\n    reveals: debt\n    reveals: debt\n", None),
    ("unknown_key", "    settles: VD", "    setles: VD", "setles"),
    ("missing_key", "correct: {label: 訂正, to: promise}", "correct: {label: 訂正}", "correct"),
    ("unknown_word", "  verify:\n    reveals: nothing", "  verify:\n    reveals: nothin", "nothin\n"),
    ("no_else", "{spouse_may_hear: verify_spouse, else: third_party}", "{spouse_may_hear: verify_spouse}", "spouse_may_hear: verify_spouse"),
    ("shape", "at_most: 1, then: abusive_end", "at_most: some, then: abusive_end", "at_most: some"),
    ("variant", "      short: |", "      shirt: |", "shirt"),
    ("variant", "  verify:\n    reveals: nothing", "  verify:\n    reveals: {}", "reveals: {}"),
    ("hang_up", "not_here: [new_voice, abusive]", "not_here: [new_voice, abusive, hang_up]", "hang_up]"),
    ("unknown_name", "not_here: [new_voice, abusive]", "not_here: [new_voice, abusiv]", "abusiv]"),
    ("duplicate_answer", "      other_voice: {label", "      signal: {label", "      signal: {label"),
    ("hang_up", "  hang_up:   {label: 切れた, key: h, to: end}\n", "", "script:"),
    ("hang_up", "key: h, to: end}", "key: h, to: close}", "hang_up:"),
    ("hang_up", "key: h, to: end}", "key: h, to: end, needs: [signal.reason]}", "hang_up:"),
    ("hang_up", "key: h, to: end}", "key: h, to: end, only_if: verified}", "hang_up:"),
    ("hang_up", "key: h, to: end}", "key: h, to: end, settles: AV}", "hang_up:"),
    ("bound", "from: today, to: today+30", "from: todday, to: today+30", "todday"),
    ("bound", "from: today, to: today+30", "from: today+30, to: today", "to: today,"),
    ("bound", "type: yen, from: 1", "type: yen, from: いち", "いち"),
    ("bound", "type: text, max: 200", "type: text, of: [仕事, 病気]", "of: [仕事"),
    ("bound", "from: today, to: today+30", "max: 5", "max: 5"),
    ("bound", "of: [コンビニエンスストア, 金融機関, 窓口]", "of: []", "of: []"),
    ("shape", "type: text, max: 200", "type: text, max: 0", "max: 0"),
    ("shape", "at_most: 1, then: abusive_end", "at_most: 0, then: abusive_end", "at_most: 0"),
    ("shape", "script: water-fee", "script: ../water-fee", "script: .."),
    ("field_name", "  signal.reason:  {", "  debtor.name: {label: 名, type: text, reveals: nothing}\n  signal.reason:  {", "  debtor.name"),
    ("field_name", "  signal.reason:  {", "  promise: {label: 名, type: text, reveals: debt}\n  signal.reason:  {", "  promise: {"),
    ("field_name", "  signal.reason:  {", "  promise-x: {label: 名, type: text, reveals: debt}\n  signal.reason:  {", "  promise-x"),
    ("unknown_name", "identity_matches: screen}", "identity_matches: call}", "identity_matches: call"),
    ("unknown_name", "spouse_may_hear: call", "spouse_may_here: call", "spouse_may_here: call"),
    ("collision", "spouse_may_hear: call", "spouse_may_hear: call, verified: screen", "verified: screen"),
    ("missing_key", "type: choice, of: [コンビニエンスストア, 金融機関, 窓口]", "type: choices", "  promise.place"),
    ("yaml", "states:\n", "states: [\n", None),
    ("include", "claim_type: water_fee\n", "claim_type: water_fee\ninclude: [shared/none.yaml]\n", "include"),
    ("include", "claim_type: water_fee\n", "claim_type: water_fee\ninclude: [../secret.yaml]\n", "include"),
]  # fmt: skip


def test_the_example_is_sound() -> None:
    report = prove(script(example()))
    assert report.findings == ()
    assert report.proved


@pytest.mark.parametrize(("rule", "old", "new", "passage"), PROVED)
def test_the_proofs_find_it(rule: str, old: str, new: str, passage: str | None) -> None:
    text = changed(old, new)
    found = prove(script(text)).findings
    assert rule in {finding.rule for finding in found}, [str(finding) for finding in found]
    if passage:
        lines = {finding.mark.line for finding in found if finding.rule == rule}
        assert line_of(text, passage) in lines, [str(finding) for finding in found]


@pytest.mark.parametrize(("rule", "old", "new", "passage"), READ)
def test_the_reader_finds_it(rule: str, old: str, new: str, passage: str | None) -> None:
    text = changed(old, new)
    with pytest.raises(ScriptError) as caught:
        script(text)
    faults = [fault for fault in caught.value.faults if fault.rule == rule]
    assert faults, str(caught.value)
    if passage:
        assert line_of(text, passage) in {fault.mark.line for fault in faults}, str(caught.value)


def test_a_wrong_number_that_is_dialled_again_is_found() -> None:
    kept = changed("    does: [number_invalid]\n", "")
    assert prove(script(kept)).findings == (), "the code itself makes it"
    (found,) = prove(script(kept.replace(", makes: [number_invalid]", ""))).findings
    assert (found.rule, found.talk) == ("code_without_effect", ("番号違い",))


def test_each_fault_is_told_once_with_the_shortest_talk() -> None:
    text = changed(MATCH, MATCH.replace(", verifies: householder", ""))
    found = [finding for finding in prove(script(text)).findings if finding.rule == "debt_unverified"]
    assert [(finding.cause, finding.talk) for finding in found] == [("request", ("はい", "本人", "一致"))]


LATE = (
    "match:    {label: 一致, to: agreed, needs: [identity], only_if: identity_matches}",
    """
  agreed:
    reveals: nothing
    says: ありがとうございます。
    answers:
      goes_on: {label: 続ける, to: request, verifies: householder}

  verify_spouse:
""",
)


def test_a_check_before_the_answer_that_verifies_is_enough() -> None:
    text = changed(MATCH, LATE[0]).replace("\n  verify_spouse:\n", LATE[1])
    assert [str(finding) for finding in prove(script(text)).findings] == []


@pytest.mark.parametrize(
    ("old", "new", "talk"),
    [
        (
            "other:  {label: そのほか, to: third_party}",
            "other:  {label: そのほか, to: agreed}",
            ("はい", "そのほか", "続ける"),
        ),
        (
            "key: v, to: party, new_voice: true}",
            "key: v, to: agreed, new_voice: true}",
            ("相手が代わった", "続ける"),
        ),
        (
            "declines: {label: 答えない, to: declined}",
            "declines: {label: 答えない, to: agreed}",
            ("はい", "本人", "答えない", "続ける"),
        ),
    ],
)
def test_a_way_around_the_check_is_told_in_words(old: str, new: str, talk: tuple[str, ...]) -> None:
    text = changed(MATCH, LATE[0]).replace("\n  verify_spouse:\n", LATE[1])
    assert text.count(old) == 1
    found = prove(script(text.replace(old, new))).findings
    assert [(f.cause, f.talk) for f in found if f.rule == "verifies_unchecked"] == [("agreed.goes_on", talk)]


def test_a_name_in_a_shared_file_must_not_be_taken_twice() -> None:
    shared = "states:\n  close: {reveals: nothing, says: はい。, answers: {done: {label: 終える, to: end}}}\n"
    text = changed("claim_type: water_fee\n", "claim_type: water_fee\ninclude: [more.yaml]\n")
    with pytest.raises(ScriptError) as caught:
        script(text, more__yaml=shared)
    (fault,) = caught.value.faults
    assert (fault.rule, fault.mark.file, fault.mark.line) == ("collision", "more.yaml", 2)


def test_every_fault_of_a_file_is_told_at_once() -> None:
    text = changed("    settles: VD", "    setles: VD").replace("correct: {label: 訂正,", "correct: {lable: 訂正,")
    with pytest.raises(ScriptError) as caught:
        script(text)
    assert [fault.rule for fault in caught.value.faults] == ["unknown_key", "missing_key", "unknown_key"]
    assert "settles のことですか" in str(caught.value)
