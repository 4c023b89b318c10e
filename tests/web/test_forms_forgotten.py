"""A browser writes what stands in the fields of a form into its profile, unless the form asks it not to."""

from __future__ import annotations

import re
from pathlib import Path

import callflow.console

TEMPLATES = Path(callflow.console.__file__).parent / "templates"
FORM = re.compile(r"<form\b.*?</form>", re.DOTALL)
TYPED = re.compile(r"<textarea\b|<input\b(?![^>]*\btype=)(?![^>]*\bautocomplete=)|<select\b")


def remembered(page: str) -> list[str]:
    """The heads of the forms that a browser would keep."""
    heads = [(form[: form.index(">") + 1], form) for form in FORM.findall(page)]
    named = set(re.findall(r'<textarea\b[^>]*\bform="(\w+)"', page))
    return [
        head
        for head, form in heads
        if 'method="post"' in head
        and 'autocomplete="off"' not in head
        and (TYPED.search(form) or named & set(re.findall(r'id="(\w+)"', head)))
    ]


def test_no_form_leaves_what_was_typed_in_the_browsers_profile() -> None:
    kept = {
        str(path.relative_to(TEMPLATES)): forms
        for path in TEMPLATES.rglob("*.html")
        if (forms := remembered(path.read_text(encoding="utf-8")))
    }
    assert kept == {}
