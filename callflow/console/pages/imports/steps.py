"""The steps of an import. Its row holds where it stands, so that a reload, or another machine, finds the same step."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.responses import Response

from callflow.access.auditlog import audit
from callflow.console.i18n import said
from callflow.console.visit import Visit
from callflow.errors import InputError, RefusedError, Where
from callflow.intake.takeback import recent, take_back, why_not
from callflow.intake.uploads import SHOWN, Upload, Uploads
from callflow.reports.files import harmless

KINDS: Final = {"arrears": said("滞納一覧"), "payments": said("収納")}
STATES: Final = {
    "waiting": said("確認中"),
    "checked": said("確定を待っています"),
    "confirmed": said("取り込み中"),
    "done": said("取り込みました"),
    "failed": said("読めません"),
    "dropped": said("やめました"),
}
STEPS: Final = (said("ファイル"), said("列と確認"), said("確定"), said("結果"))
AT: Final = {"waiting": 2, "checked": 2, "failed": 2, "confirmed": 3, "done": 4, "dropped": 4}
FAULTS: Final = {"bad_rows": said("誤り"), "quarantined": said("架電しない番号"), "unmatched": said("合わない収納")}
PAGE: Final = 50
"""Faults on the page; all that are kept stand in the list to download."""
COUNTED: Final = {
    "households": said("世帯"),
    "debtors": said("宛名"),
    "phone_numbers": said("電話番号"),
    "phones": said("宛名の電話番号"),
    "cases": said("案件"),
    "instalments": said("期別"),
    "payments": said("収納"),
    "promises": said("約束"),
}
VERBS: Final = {
    "added": said("追加"),
    "changed": said("変更"),
    "removed": said("削除"),
    "vanished": said("一覧から消えた"),
    "cancelled": said("取消"),
    "paid": said("完納"),
    "judged": said("判定"),
}


def start_page(visit: Visit) -> Response:
    """The form for a file, what is on its way, and what was taken in."""
    m = visit.site.municipality_id
    with visit.site.database.read() as conn:
        done = recent(conn, m)
        first = next((one.id for one in done if one.taken_back_at is None), 0)
        why = why_not(conn, m, first) if first else None
    return visit.page(
        "imports/start.html",
        open=_desk(visit).open(),
        done=done,
        first=first,
        why=why,
        kinds=KINDS,
        states=STATES,
        steps=STEPS,
        at=1,
    )


def receive(visit: Visit) -> Response:
    """Keeps what was sent and has it checked."""
    file, mapping = (visit.form.get(name) for name in ("file", "mapping"))
    if not isinstance(file, UploadFile) or not file.filename:
        raise InputError(
            said("ファイルがありません。"), where=Where(field="file"), mend=said("CSV のファイルを選んでください。")
        )
    given = mapping.file if isinstance(mapping, UploadFile) and mapping.filename else None
    full = visit.typed("full") == "1"
    one = _desk(visit).receive(file.filename, file.file, given, full=full, by=visit.who.account_id, now=visit.now)
    return visit.go(f"/import/{one}")


def upload_page(visit: Visit) -> Response:
    """One file at its step. That values of faulty rows are shown is on record first."""
    one = _desk(visit).get(visit.id())
    shown = {name: one.report.get(name, [])[:PAGE] for name in FAULTS}
    if any(shown.values()):
        _on_record(visit, one, "import:read-faults", said("取り込みの誤りを直す"))
    return visit.page(
        "imports/upload.html",
        one=one,
        report=one.report,
        shown=shown,
        faults=FAULTS,
        kinds=KINDS,
        states=STATES,
        steps=STEPS,
        at=AT[one.state],
        counts=_counts(one.report.get("counts", {})),
        kept=SHOWN,
    )


def faults_file(visit: Visit) -> Response:
    """Every fault that is kept, as CSV that a spreadsheet opens and takes no formula from."""
    one = _desk(visit).get(visit.id())
    rows = [(words, row) for name, words in FAULTS.items() for row in one.report.get(name, [])]
    if not rows:
        raise RefusedError(said("誤りの一覧はありません。"), mend=said("取り込みの画面に戻ってください。"))
    text = StringIO()
    writer = csv.writer(text)
    headings = (said("種類"), said("行"), said("列"), said("項目"), said("値"), said("理由"), said("直し方"))
    writer.writerow([visit.say(each) for each in headings])
    for words, row in rows:
        told = (row["field"], row["value"], row["reason"], row["mend"])
        writer.writerow([visit.say(words), row["line"], row["column"] or "", *(harmless(str(each)) for each in told)])
    _on_record(visit, one, "import:export-faults", said("取り込みの誤りを直す"))
    name = f"import-{one.id}-faults.csv"
    return Response(
        text.getvalue().encode("utf-8-sig"),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def confirm(visit: Visit) -> Response:
    one = visit.id()
    _desk(visit).confirm(one, visit.who.account_id, without_bad_rows=visit.typed("without_bad_rows") == "1")
    return visit.go(f"/import/{one}", said="import-confirmed")


def drop(visit: Visit) -> Response:
    _desk(visit).drop(visit.id())
    return visit.go("/import", said="import-dropped")


def undo(visit: Visit) -> Response:
    """Takes the import of that number back; so it is confirmed."""
    if visit.typed("sure") != "1":
        raise RefusedError(
            said("まだ取り消していません。"),
            mend=said("取り消すことを確かめる欄にしるしを付けて、もう一度押してください。"),
        )
    site = visit.site
    take_back(site.database, site.municipality_id, visit.id(), visit.now, visit.who.account_id)
    return visit.go("/import", said="import-taken-back")


def _desk(visit: Visit) -> Uploads:
    return Uploads(visit.site.database, visit.site.municipality_id, visit.site.config)


def _on_record(visit: Visit, one: Upload, verb: str, purpose: str) -> None:
    fields = ",".join(
        dict.fromkeys(row["field"] for name in FAULTS for row in one.report.get(name, []) if row["field"])
    )
    site, who = visit.site, visit.who.account_id
    site.database.transact(
        lambda conn: audit(
            conn, site.municipality_id, visit.now, who, verb, f"upload:{one.id}", purpose=purpose, fields=fields
        )
    )


def _counts(counts: dict[str, Any]) -> list[tuple[str, str, int]]:
    """What, what became of it, and how many."""
    found = []
    for key, count in counts.items():
        what, _, verb = key.rpartition("_")
        found.append((COUNTED[what], VERBS[verb], int(count)))
    return found
