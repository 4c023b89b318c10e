"""The list of scripts, and one edition: lines, table, picture, findings, differences, a trial call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.responses import Response

from callflow.access.sessions import proved
from callflow.console.i18n import said
from callflow.console.pages.scripts import reading
from callflow.console.pages.scripts.editions import PROVER, Edition, edition, stored_version, versions
from callflow.console.readings import line_pieces
from callflow.console.visit import Visit
from callflow.drafts import STATES, Drafts
from callflow.errors import NotFoundError
from callflow.script.diagram import svg
from callflow.script.difference import differences
from callflow.script.talk import Taken
from callflow.settingwords import SETTING_WORDS, VALUE_WORDS
from callflow.shelf import script_of
from callflow.simulation import trial
from callflow.traffic import Traffic, traffic

VIEWS: Final = {
    "lines": said("台詞"),
    "table": said("表"),
    "picture": said("図"),
    "findings": said("検査"),
    "changes": said("違い"),
    "trial": said("試し通話"),
}
SHORTLY: Final = 1.0
"""Seconds that a page waits for a proof; then it says that it is on its way."""
NO_TRAFFIC: Final = Traffic(0, {})


def scripts_page(visit: Visit) -> Response:
    """Every script's newest version, and the drafts that wait."""
    m = visit.site.municipality_id
    with visit.site.database.read() as conn:
        found = versions(conn, m)
        waiting = Drafts(conn, m, visit.now).all() if _drafts(visit) else []
    newest = {each.name: each for each in reversed(found)}
    return visit.page(
        "scripts/list.html",
        scripts=sorted(newest.values(), key=lambda one: one.name),
        drafts=waiting,
        writes=_drafts(visit),
    )


def script_page(visit: Visit) -> Response:
    """The versions of one script."""
    name = visit.request.path_params["name"]
    with visit.site.database.read() as conn:
        found = versions(conn, visit.site.municipality_id, name)
    if not found:
        raise NotFoundError(f"台本 {name} はありません", mend="台本の一覧から選んでください")
    return visit.page("scripts/versions.html", title=found[0].title, name=name, versions=found)


def edition_page(visit: Visit, *, wrong: str = "") -> Response:
    """One edition, in the view that is asked for; `wrong`: why it was not approved a moment ago."""
    view = visit.query.get("view", "")
    view = view if view in VIEWS else "lines"
    site = visit.site
    with site.database.read() as conn:
        one = edition(visit, conn)
        counted = NO_TRAFFIC
        if one.version and view in ("lines", "table"):
            counted = traffic(conn, site.municipality_id, one.script.content_hash, visit.now)
        others = [each for each in versions(conn, site.municipality_id, one.script.name) if each.version != one.version]
    names = _VIEWS[view](visit, one, counted, [each.version for each in others])
    return visit.page(
        f"scripts/{view}.html",
        status=422 if wrong else 200,
        wrong=wrong,
        title=one.script.title,
        edition=one,
        script=one.script,
        views=VIEWS,
        view=view,
        counted=counted,
        readable=lambda source: reading.bits(one.script, source),
        ends=reading.TARGETS,
        states=STATES,
        approves="staff" in visit.who.roles,
        proved=proved(visit.who, visit.now),
        drafts=_drafts(visit),
        **names,
    )


def picture_file(visit: Visit) -> Response:
    """The picture as SVG, with the traffic of the last days on a published version's arrows."""
    site = visit.site
    with site.database.read() as conn:
        one = edition(visit, conn)
        ways = traffic(conn, site.municipality_id, one.script.content_hash, visit.now).ways if one.version else {}
    return Response(svg(one.script, ways), media_type="image/svg+xml")


Names = dict[str, Any]


def _lines(_visit: Visit, one: Edition, counted: Traffic, _others: list[int]) -> Names:
    return {
        "levels": reading.LEVELS,
        "own": reading.own_answers,
        "anywhere": reading.anywhere(one.script),
        "outcomes": reading.outcomes,
        "arrivals": reading.arrivals(one.script, counted.ways),
    }


def _table(_visit: Visit, one: Edition, counted: Traffic, _others: list[int]) -> Names:
    return {"rows": reading.table(one.script, counted.ways)}


def _picture(_visit: Visit, _one: Edition, _counted: Traffic, _others: list[int]) -> Names:
    return {}


def _findings(_visit: Visit, one: Edition, _counted: Traffic, _others: list[int]) -> Names:
    return {"report": PROVER.report(one.stored, SHORTLY)}


def _changes(visit: Visit, one: Edition, _counted: Traffic, others: list[int]) -> Names:
    """Against the version that is asked for; else the one before, and for a draft the newest."""
    asked = visit.query.get("with", "")
    earlier = [number for number in others if not one.version or number < one.version]
    other = int(asked) if asked.isdecimal() and int(asked) in others else next(iter(earlier), 0)
    found = []
    if other:
        with visit.site.database.read() as conn:
            stored = stored_version(conn, visit.site.municipality_id, one.script.name, other)
        found = differences(script_of(stored), one.script)
    return {"other": other, "others": others, "found": found, "kinds": reading.KINDS}


def _trial(visit: Visit, one: Edition, _counted: Traffic, _others: list[int]) -> Names:
    script, asked = one.script, dict(visit.query)
    start = trial.start_of(script, asked)
    path = [each for each in asked.get("path", "").split(",") if each]
    path += [asked["answer"]] if asked.get("answer") else []
    at = trial.walk(script, start, path, visit.site.config.desk(), visit.now)
    answers = [] if at.ended else list(script.states[at.talk.state].answers.values())
    return {
        "at": at,
        "start": start,
        "path": ",".join(path),
        "sentences": line_pieces(at.line, "試川　一郎", "タメシガワ イチロウ"),
        "answers": [(each, isinstance(trial.give(script, at.talk, each, start.holds), Taken)) for each in answers],
        "back": trial.BACK,
        "levels": reading.LEVELS,
        "setting_words": SETTING_WORDS,
        "value_words": VALUE_WORDS,
    }


_VIEWS: Final[dict[str, Callable[[Visit, Edition, Traffic, list[int]], Names]]] = {
    "lines": _lines,
    "table": _table,
    "picture": _picture,
    "findings": _findings,
    "changes": _changes,
    "trial": _trial,
}


def _drafts(visit: Visit) -> bool:
    """Whether this person writes and sees drafts."""
    return bool(visit.who.roles & {"supervisor", "staff"})
