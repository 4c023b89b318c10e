"""Scripts: read, drawn, proved, compared, tried out; drafted, and published by two of the ward's staff."""

from __future__ import annotations

from callflow.console.i18n import said
from callflow.console.pages.scripts import drafting, screens
from callflow.console.routes import Route, allow

READS = allow("operator", "supervisor", "staff", "auditor")
DRAFTS = allow("supervisor", "staff")
SCRIPT = said("台本")
DRAFT = said("台本の下書き")

SAID = {
    "script-drafted": said("下書きを出しました。検査の結果を確かめてください。"),
    "script-approved": said("承認しました。もう一人の区職員が承認すると公開されます。"),
    "script-published": said("公開しました。この版は変わりません。始まっている通話は前の版のまま続きます。"),
    "script-withdrawn": said("下書きを取り下げました。"),
}

ROUTES = (
    Route("GET", "/scripts", screens.scripts_page, READS, SCRIPT, menu=True, aside=True),
    Route("GET", "/scripts/{name}", screens.script_page, READS, SCRIPT),
    Route("GET", "/scripts/{name}/{version}", screens.edition_page, READS, SCRIPT),
    Route("GET", "/scripts/{name}/{version}/picture.svg", screens.picture_file, READS, SCRIPT),
    Route("GET", "/script-drafts/new", drafting.new, DRAFTS, DRAFT),
    Route("POST", "/script-drafts/new", drafting.put, DRAFTS, DRAFT, largest=drafting.LARGEST),
    Route("GET", "/script-drafts/{id}", screens.edition_page, DRAFTS, DRAFT),
    Route("GET", "/script-drafts/{id}/picture.svg", screens.picture_file, DRAFTS, DRAFT),
    Route("POST", "/script-drafts/{id}/approve", drafting.approve, allow("staff"), DRAFT),
    Route("POST", "/script-drafts/{id}/withdraw", drafting.withdraw, DRAFTS, DRAFT),
)
