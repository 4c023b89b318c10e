"""The form by which an ended call is corrected: what would change is shown before it is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from callflow import calllog, replay
from callflow.console.visit import Visit
from callflow.corrections import Corrected, Request
from callflow.effects import EFFECT_LABELS, EFFECT_WORDS
from callflow.errors import InputError, RefusedError
from callflow.script.model import Field, Script

CORRECTED_FIELDS = ("promise.due", "promise.amount", "promise.place", "callback.at", "callback.phone")
"""What is mended most; everything else of a script by `callflow correct call --field`."""


def form_for(visit: Visit, call: Any, back: str, **shown: Any) -> Response:
    """The form of an ended call (a row of `calls`), which is sent to the page's own address; `back` leads from it."""
    with visit.site.database.read() as conn:
        script = _script(visit, conn, call.script_hash)
        told = replay.tell_all(script, calllog.read(conn, visit.site.municipality_id, call.id))
    ending = replay.corrected_ending(script, told, told.amendment)
    fields: Mapping[str, Field] = script.fields
    names: dict[str, Any] = {"status": 200, "wrong": "", "preview": None, **shown}
    return visit.page(
        "correct.html",
        call=call,
        at=visit.request.url.path,
        back=back,
        labels=labels_of(visit, call.script_hash),
        fields=[fields[name] for name in CORRECTED_FIELDS if name in fields],
        earned={name: EFFECT_WORDS[name] for name in sorted(ending.earned)},
        typed={name: visit.typed(name) for name in visit.form if name != "withdraw"},
        withdrawn=set(map(str, visit.form.getlist("withdraw"))),
        **names,
    )


def correct(visit: Visit, call: Any, back: str) -> Response:
    """Shows what a correction would do, or records it and goes `back`."""
    typed = {name: visit.typed(f"f:{name}") for name in CORRECTED_FIELDS if visit.typed(f"f:{name}")}
    withdraw = frozenset(str(name) for name in visit.form.getlist("withdraw"))
    request = Request(visit.typed("reason"), visit.typed("code"), typed, withdraw, visit.typed("note"))
    recorded = visit.typed("act") == "record"
    try:
        done = visit.site.corrections.correct(call.id, visit.who.account_id, request, dry_run=not recorded)
    except (InputError, RefusedError) as error:
        return form_for(visit, call, back, status=422, wrong=f"{error.what} {error.mend}".strip())
    if recorded:
        return visit.go(back, said="corrected")
    return form_for(visit, call, back, preview=_words(done, labels_of(visit, call.script_hash)))


def labels_of(visit: Visit, script_hash: str) -> dict[str, str]:
    """The outcomes of a script, by their codes."""
    with visit.site.database.read() as conn:
        return {code: each.name for code, each in _script(visit, conn, script_hash).dispositions.items()}


def _script(visit: Visit, conn: Connection, script_hash: str) -> Script:
    return visit.site.shelf.flow(conn, visit.site.municipality_id, script_hash).script


def _words(done: Corrected, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "before": f"{done.before} {labels.get(done.before, '')}".strip(),
        "after": f"{done.disposition} {labels.get(done.disposition, '')}".strip(),
        "gone": [EFFECT_LABELS[type(each).__name__] for each in done.withdrawn],
        "made": [EFFECT_LABELS[type(each).__name__] for each in done.made],
    }
