"""Every word of a screen is in the English catalogue, no template holds words outside it, and no entry is left over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes
from jinja2.ext import babel_extract

from callflow.access import accounts, alarms
from callflow.access.preferences import LETTERS, THEMES
from callflow.access.replays import PURPOSES
from callflow.campaigns import MODE_WORDS, STATE_WORDS
from callflow.console import i18n
from callflow.effects import EFFECT_LABELS, EFFECT_WORDS
from callflow.explanation import QUEUE_WORDS
from callflow.followup import acts, balance, history, signals, slip_lists, statement, visits
from callflow.incidents import CAUSE_WORDS
from callflow.keeping import CLASSES
from callflow.outcomes import OUTCOMES
from callflow.radar import Need
from callflow.retention import requests
from callflow.reviews import FINDINGS
from callflow.scorecard import CARD
from callflow.settingwords import SETTING_WORDS, VALUE_WORDS
from callflow.standstill import ENDS

ROOT = Path(__file__).parents[2]
CONSOLE = Path(i18n.__file__).parent
TEMPLATES = sorted((CONSOLE / "templates").rglob("*.html"))
SOURCES = sorted([*CONSOLE.rglob("*.py"), *(CONSOLE.parent / "reports").glob("*.py")])
FOLLOW_UP = {
    *(act.label for table in acts.ACTS.values() for act in table.values()),
    *(words for table in acts.STATES.values() for words in table.values()),
    *(acts.DECISIONS | acts.VISIT_REASONS | acts.VISIT_RESULTS | history.OTHER_ACTS).values(),
    *(slip_lists.URGENCIES | slip_lists.CONSULTATIONS | slip_lists.REASONS).values(),
    *(signals.KINDS | balance.GAPS | visits.PROMISE_STATES).values(),
    *(section.label for section in statement.SECTIONS),
    *(field.label for field in statement.FIELDS.values()),
}
BORROWED = {
    *accounts.ROLE_WORDS.values(),
    *accounts.KIND_WORDS.values(),
    *alarms.KIND_WORDS.values(),
    *(EFFECT_LABELS | EFFECT_WORDS).values(),
    *LETTERS.values(),
    *THEMES.values(),
    *PURPOSES.values(),
    *(line.question for line in CARD),
    *(need.value for need in Need),
    *STATE_WORDS.values(),
    *MODE_WORDS.values(),
    *ENDS.values(),
    *(SETTING_WORDS | VALUE_WORDS).values(),
    *CAUSE_WORDS.values(),
    *QUEUE_WORDS.values(),
    *FOLLOW_UP,
    *OUTCOMES.values(),
    *FINDINGS.values(),
    *(each.ja for each in CLASSES),
    *(each.erases for each in CLASSES),
    *requests.STATES.values(),
}
"""Words that screens take from elsewhere in the program and translate where they show them."""
NAMES = {"English", "日本語", "callflow"}


def used() -> Iterator[tuple[str, str]]:
    """Every text that is translated, and the file where it stands."""
    for file in TEMPLATES:
        with file.open("rb") as stream:
            for _line, _function, message, _comments in babel_extract(stream, ("_",), (), {"encoding": "utf-8"}):
                if message is not None:
                    yield str(message), file.name
    for file in SOURCES:
        with file.open("rb") as stream:
            for _line, message, _comments, _context in extract(
                "python", stream, {"say": None, "said": None, "_": None}
            ):
                yield str(message), file.name


def catalogue() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted((CONSOLE / "locale" / "en").glob("*.po")):
        with file.open(encoding="utf-8") as stream:
            for message in read_po(stream, locale="en"):
                if message.id:
                    assert not message.fuzzy, f"{file.name}: {message.id}"
                    assert str(message.id) not in found, f"{file.name}: {message.id} is in two catalogues"
                    found[str(message.id)] = str(message.string)
    return found


def test_every_text_has_its_english() -> None:
    known = catalogue()
    missing = {text: file for text, file in used() if not known.get(text)} | {
        text: "the program" for text in BORROWED if not known.get(text)
    }
    assert not missing, "\n".join(f"{file}: {text}" for text, file in missing.items())


def test_english_keeps_every_place_holder() -> None:
    for text, english in catalogue().items():
        assert sorted(re.findall(r"\{\w*\}", text)) == sorted(re.findall(r"\{\w*\}", english)), text


def test_no_translation_is_left_over() -> None:
    texts = {text for text, _file in used()} | BORROWED
    assert set(catalogue()) <= texts, set(catalogue()) - texts


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(CONSOLE / "templates")))
def test_a_template_holds_no_words_of_its_own(file: Path) -> None:
    tree = Environment(autoescape=True, extensions=[]).parse(file.read_text(encoding="utf-8"))
    markup = "".join(node.data for node in tree.find_all(nodes.TemplateData))
    words = re.sub(r"<kbd>\w+</kbd>|<[^>]*>|&\w+;|<[^>]*$", " ", markup)
    for name in NAMES:
        words = words.replace(name, "")
    assert not re.search(r"[^\W\d_]", words), re.findall(r"[^\W\d_]+", words)
    spoken = re.findall(r'(?:alt|title|aria-label|placeholder)="([^"]*[^\W\d_][^"]*)"', markup)
    assert not spoken, spoken
    for node in tree.find_all(nodes.Output):
        for inner in node.nodes:
            if isinstance(inner, nodes.Const):
                assert not re.search(r"[^\W\d_]", str(inner.value)), inner.value


def test_outcomes_are_called_what_the_shared_scripts_call_them() -> None:
    shared = yaml.safe_load((ROOT / "scripts/shared/dispositions.yaml").read_text(encoding="utf-8"))["dispositions"]
    assert {code: each["name"] for code, each in shared.items()} == OUTCOMES
