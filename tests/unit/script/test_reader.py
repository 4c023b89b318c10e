"""Reading: from a folder, from stored sources, through inclusion; the schema and the page agree with the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from callflow.effects import EFFECT_NAMES
from callflow.errors import InputError, NotFoundError
from callflow.script import parts, screens
from callflow.script.faults import ScriptError
from callflow.script.lines import FACT_LEVELS, FILTERS
from callflow.script.model import BUILT_IN_CONDITIONS
from callflow.script.proofs.names import EFFECT_NEEDS
from callflow.script.reader import MAIN_KEYS, SHARED_KEYS, read
from tests.unit.script.example import FILE, ROOT, changed, example, script
from tests.unit.script.test_planted_faults import PROVED, READ

SCHEMA = json.loads((ROOT / "callflow" / "script" / "script.schema.json").read_text(encoding="utf-8"))
SHIPPED = sorted((ROOT / "scripts").glob("*.yaml"))
FILES = sorted((ROOT / "scripts").rglob("*.yaml"))
IN_THE_SCHEMA_TOO = {"unknown_key", "missing_key", "unknown_word", "no_else", "shape", "hang_up", "bound", "field_name"}
SEEN_ONLY_TOGETHER = ("from: today+30, to: today", "  promise: {", "\n")
"""Faults that lie between two places, or in what all files lack: a schema looks at one place at a time."""


def plain(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_published_version_is_read_from_its_sources_alone(path: Path) -> None:
    first = read(path)
    again = read(Path(next(iter(first.sources))), sources=dict(reversed(first.sources.items())))
    assert again.content_hash == first.content_hash
    assert again == first


def test_one_changed_word_is_another_content() -> None:
    assert script(example()).content_hash != script(changed("大変失礼いたしました", "失礼いたしました")).content_hash


def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(example().encode("utf-8"))
    plain_hash = read(tmp_path / FILE).content_hash
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbf" + example().replace("\n", "\r\n").encode("utf-8"))
    assert read(tmp_path / FILE).content_hash == plain_hash


def test_an_included_file_is_found_beside_the_file_that_includes_it(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / FILE).write_text(
        changed("claim_type:", "include: [shared/a.yaml, shared/b.yaml]\nclaim_type:"), "utf-8"
    )
    (tmp_path / "shared" / "a.yaml").write_text("include: [b.yaml]\nnever_say: {debt: [延滞]}\n", "utf-8")
    (tmp_path / "shared" / "b.yaml").write_text("never_say: {debt: [督促]}\n", "utf-8")
    found = read(tmp_path / FILE)
    assert list(found.sources) == [FILE, "shared/a.yaml", "shared/b.yaml"]
    assert found.never_say["debt"][-2:] == ("延滞", "督促")


def test_a_missing_script_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read(tmp_path / "none.yaml")


def test_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(example().encode("cp932"))
    with pytest.raises(InputError, match="UTF-8"):
        read(tmp_path / FILE)


@pytest.mark.parametrize(
    "text", ["", "- a\n", "a: [", "script: &a {b: *a}\n", "[" * 5_000, "script: !!python/none x\n", "? [a]\n: b\n"]
)
def test_nonsense_is_a_fault_not_a_crash(text: str) -> None:
    with pytest.raises(ScriptError):
        script(text)


@pytest.mark.parametrize("escaped", [r'"\ud800"', r'"督促\udfff状"'])
def test_half_a_character_is_a_fault_at_its_place(escaped: str) -> None:
    with pytest.raises(ScriptError, match="文字参照") as fault:
        script(example().replace("title: ", f"title: {escaped} # ", 1))
    assert f":{example().split('title: ')[0].count(chr(10)) + 1}:" in str(fault.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_schema_accepts_what_ships(path: Path) -> None:
    jsonschema.validate(plain(path.read_text(encoding="utf-8")), SCHEMA)


def test_the_schema_accepts_the_example() -> None:
    jsonschema.validate(plain(example()), SCHEMA)


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        (rule, old, new)
        for rule, old, new, _ in READ
        if rule in IN_THE_SCHEMA_TOO and new and not new.startswith(SEEN_ONLY_TOGETHER)
    ],
)
def test_the_schema_refuses_wrong_shapes_too(rule: str, old: str, new: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain(changed(old, new)), SCHEMA)


def test_the_schema_knows_the_keys_that_the_reader_knows() -> None:
    assert set(SCHEMA["properties"]) == {*MAIN_KEYS, *SHARED_KEYS}
    for name, keys in (
        ("state", screens.STATE_KEYS),
        ("answer", parts.ANSWER_KEYS),
        ("field", parts.FIELD_KEYS),
        ("disposition", parts.DISPOSITION_KEYS),
    ):
        assert set(SCHEMA["$defs"][name]["properties"]) == set(keys)


def test_effects_are_those_that_a_call_can_cause() -> None:
    assert set(EFFECT_NEEDS) == set(SCHEMA["$defs"]["effect"]["enum"]) == EFFECT_NAMES


def test_the_page_names_everything() -> None:
    page = (ROOT / "docs" / "call-script.md").read_text(encoding="utf-8")
    keys = {*MAIN_KEYS, *SHARED_KEYS, *screens.STATE_KEYS, *parts.ANSWER_KEYS, *parts.FIELD_KEYS}
    rules = {rule for rule, *_ in PROVED}
    keys |= set(parts.FIELD_TYPES)
    for word in (*keys, *rules, *parts.DISPOSITION_KEYS, *FACT_LEVELS, *FILTERS, *BUILT_IN_CONDITIONS, *EFFECT_NEEDS):
        assert f"`{word}`" in page, word
