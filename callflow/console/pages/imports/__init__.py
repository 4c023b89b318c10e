"""The import wizard of the ward's staff: file, columns, check, confirmation, result; and taking an import back."""

from __future__ import annotations

from callflow.console.i18n import said
from callflow.console.pages.imports import steps
from callflow.console.routes import Route, allow

STAFF = allow("staff")
IMPORT = said("取り込み")
LARGEST = 200 * 1024 * 1024

SAID = {
    "import-confirmed": said("確定しました。取り込みを始めます。"),
    "import-dropped": said("このファイルはやめました。何も取り込んでいません。"),
    "import-taken-back": said("取り込みを取り消しました。取り込む前の状態に戻りました。"),
}

ROUTES = (
    Route("GET", "/import", steps.start_page, STAFF, IMPORT, menu=True, aside=True),
    Route("POST", "/import", steps.receive, STAFF, IMPORT, largest=LARGEST),
    Route("GET", "/import/{id}", steps.upload_page, STAFF, IMPORT),
    Route("GET", "/import/{id}/faults.csv", steps.faults_file, STAFF, said("誤りの一覧")),
    Route("POST", "/import/{id}/confirm", steps.confirm, STAFF, IMPORT),
    Route("POST", "/import/{id}/drop", steps.drop, STAFF, IMPORT),
    Route("POST", "/imports/{id}/take-back", steps.undo, STAFF, IMPORT),
)
