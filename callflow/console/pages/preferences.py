"""One's own preferences: other letters for the program's keys or none, theme, size of the text."""

from __future__ import annotations

from sqlalchemy import select
from starlette.responses import Response

from callflow.access.preferences import LETTERS, SIZES, THEMES, Preferences, keep, moved
from callflow.console.i18n import said
from callflow.console.routes import SIGNED_IN, Route
from callflow.console.visit import Visit
from callflow.errors import InputError
from models.tables import campaigns

SAID = {"kept": said("画面の設定を保存しました。")}


def preferences_page(visit: Visit, wrong: str = "") -> Response:
    held = visit.who.preferences
    typed = {letter: visit.typed(letter) or held.keys.get(letter, letter) for letter in LETTERS}
    return visit.page(
        "preferences.html",
        status=422 if wrong else 200,
        held=held,
        typed=typed,
        letters=LETTERS,
        themes=THEMES,
        sizes=SIZES,
        wrong=wrong,
        taken=sorted(_taken(visit)),
    )


def change(visit: Visit) -> Response:
    site, theme, size = visit.site, visit.typed("theme"), visit.typed("size")
    try:
        keys = moved({letter: visit.typed(letter) for letter in LETTERS}, _taken(visit))
        if theme not in THEMES or size not in map(str, SIZES):
            raise InputError(said("選べない値です"), mend=said("画面を開き直して選んでください"))
    except InputError as error:
        return preferences_page(visit, " ".join(visit.say(words) for words in (error.what, error.mend) if words))
    wanted = Preferences(visit.typed("keys_off") == "1", keys, theme, int(size))
    site.database.transact(lambda conn: keep(conn, site.municipality_id, visit.who.account_id, wanted))
    return visit.go("/preferences", said="kept")


def _taken(visit: Visit) -> set[str]:
    """The letters of the scripts of all campaigns that are not over."""
    site, c = visit.site, campaigns.c
    with site.database.read() as conn:
        hashes = conn.execute(
            select(c.script_hash).where(c.municipality_id == site.municipality_id, c.state != "stopped").distinct()
        ).scalars()
        scripts = [site.shelf.flow(conn, site.municipality_id, each).script for each in list(hashes)]
    return {answer.key for script in scripts for state in script.states.values() for answer in state.answers.values()}


ROUTES = (
    Route("GET", "/preferences", preferences_page, SIGNED_IN, said("画面の設定")),
    Route("POST", "/preferences", change, SIGNED_IN, said("画面の設定")),
)
