"""An operator at the desk with nothing but a keyboard: presses the button that shows a key, as the script does."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from tests.web.conftest import Browser


@dataclass
class Page(HTMLParser):
    """The forms of a page, and which button of which form each key presses."""

    forms: dict[str, dict[str, str]] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)
    keys: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, tuple[str, str]] = field(default_factory=dict)
    form: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = at.get("id") or f"form{len(self.forms)}"
            self.forms[self.form], self.actions[self.form] = {}, at.get("action", "")
        if tag == "a" and at.get("data-key"):
            self.links.setdefault(at["data-key"], at.get("href", ""))
        form = at.get("form") or self.form
        if tag == "input" and form and at.get("name"):
            if at.get("type") in ("radio", "checkbox") and "checked" not in at:
                return
            self.forms[form][at["name"]] = at.get("value", "")
        if tag == "button" and form:
            self.defaults.setdefault(form, (at.get("name", ""), at.get("value", "")))
            if at.get("data-key"):
                self.keys.setdefault(
                    at["data-key"], (form, at.get("name", ""), at.get("value", ""), at.get("formaction", ""))
                )

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = ""


class Desk:
    """`presses` counts keys that decide; what is typed into fields is not counted (experience.md, budgets)."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.presses = 0
        self.typed: dict[str, str] = {}
        self.look()

    def look(self) -> str:
        self.text = self.browser.see("/desk").text
        return self.text

    @property
    def page(self) -> Page:
        page = Page()
        page.feed(self.text)
        return page

    def type(self, **fields: str) -> None:
        """Into the fields of the answer form; names as in the form."""
        self.typed |= {name.replace("__", ":").replace("_dot_", "."): value for name, value in fields.items()}

    def press(self, key: str) -> str:
        page = self.page
        if key == "Enter" and "Enter" not in page.keys:
            form, (name, value), action = "answers", page.defaults["answers"], ""
        else:
            form, name, value, action = page.keys[key]
        sent = {**page.forms[form], **(self.typed if form == "answers" else {}), **({name: value} if name else {})}
        self.typed = {}
        self.presses += 1
        self.text = self.browser.post(
            action or page.actions[form], data=sent, headers={"origin": "http://testserver", "hx-request": "true"}
        ).text
        return self.text

    def play(self, *keys: str) -> str:
        for key in keys:
            self.press(key)
        return self.text
