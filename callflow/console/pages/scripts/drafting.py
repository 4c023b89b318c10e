"""Drafts: written from a version or from files, checked at once, approved by two of the ward's staff."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from callflow.access import sessions
from callflow.access.accounts import password_fits
from callflow.console.i18n import said
from callflow.console.pages.scripts.editions import PROVER, stored_version, versions
from callflow.console.pages.scripts.screens import edition_page
from callflow.console.visit import Visit
from callflow.drafts import Approved, Drafts
from callflow.errors import InputError, RefusedError, TryLaterError, Where
from callflow.script.faults import Fault, ScriptError
from callflow.script.reader import read
from callflow.shelf import script_of

FIELD = "file:"
MOST_FILES = 40
LARGEST = 512 * 1024
LONGEST_PROOF = 20.0
"""Seconds that an approval waits for its proof."""


def new(visit: Visit) -> Response:
    """The form, with the files of the version that it starts from."""
    name, _, number = visit.query.get("from", "").partition("/")
    sources: dict[str, str] = {}
    if name:
        with visit.site.database.read() as conn:
            wanted = int(number) if number.isdecimal() else 0
            sources = json.loads(stored_version(conn, visit.site.municipality_id, name, wanted))
    return _form(visit, sources, visit.query.get("from", ""))


def put(visit: Visit) -> Response:
    """What was sent becomes a draft if it can be read; else the form again, with every fault and nothing lost."""
    sources = sent(visit.form)
    if not sources:
        raise InputError(
            said("台本の文がありません。"),
            where=Where(field="files"),
            mend=said("ファイルを選ぶか、文を貼り付けてください。"),
        )
    try:
        script = read(Path(next(iter(sources))), sources=sources)
    except ScriptError as error:
        return _form(visit, sources, visit.typed("from"), error.faults, visit.typed("note"))
    site = visit.site

    def work(conn: Connection) -> int:
        for each in versions(conn, site.municipality_id, script.name):
            if each.hash == script.content_hash:
                raise RefusedError(
                    visit.say("第{version}版と同じ中身です。").format(version=each.version),
                    mend=said("文を直してから、もう一度出してください。"),
                )
        return Drafts(conn, site.municipality_id, visit.now).put(
            script, visit.typed("note")[:500], visit.who.account_id
        )

    draft = site.database.transact(work)
    PROVER.report(json.dumps(dict(script.sources), ensure_ascii=False), 0)
    return visit.go(f"/script-drafts/{draft}", view="findings", said="script-drafted")


def approve(visit: Visit) -> Response:
    """With the password again, or by the provider's word: for this act an open session is not enough."""
    site, who, m = visit.site, visit.who, visit.site.municipality_id
    with site.database.read() as conn:
        stored = sessions.stored_password(conn, m, who.login)
        draft = Drafts(conn, m, visit.now).get(visit.id())
    proved = sessions.proved(who, visit.now)
    fits = proved or password_fits(stored, str(visit.form.get("password", "")))
    denied = site.database.transact(lambda conn: sessions.confirm(conn, m, who, visit.now, fits=fits))
    if denied is not None:
        wait = said("しばらく待ってから、もう一度試してください。")
        mend = wait if denied.why == "wait" else said("もう一度入力してください。")
        return edition_page(visit, wrong=visit.say(said("パスワードが違うので、承認していません。")) + visit.say(mend))
    script, report = script_of(draft.sources), PROVER.report(draft.sources, LONGEST_PROOF)
    if report is None:
        raise TryLaterError(
            said("まだ検査しています。承認していません。"), mend=said("少し待ってからもう一度押してください。")
        )

    def work(conn: Connection) -> Approved:
        sessions.spend(conn, m, who)
        return Drafts(conn, m, visit.now).approve(draft.id, script, report, who.account_id)

    done = site.database.transact(work)
    if done.version:
        return visit.go(f"/scripts/{done.name}/{done.version}", said="script-published")
    return visit.go(f"/script-drafts/{draft.id}", said="script-approved")


def withdraw(visit: Visit) -> Response:
    m = visit.site.municipality_id
    visit.site.database.transact(lambda conn: Drafts(conn, m, visit.now).withdraw(visit.id(), visit.who.account_id))
    return visit.go("/scripts", said="script-withdrawn")


def sent(form: FormData) -> dict[str, str]:
    """The files of a form, main file first: what stands in its fields, and what was uploaded in their place.

    An uploaded file takes the place of the one of the same name, in whatever folder that stands. Raises InputError.
    """
    found: dict[str, str] = {}
    uploads: dict[str, str] = {}
    for key, value in form.multi_items():
        if isinstance(value, UploadFile):
            if value.filename:
                uploads[PurePosixPath(value.filename.replace("\\", "/")).name] = _text(value)
        elif key.startswith(FIELD) and value.strip():
            found[key.removeprefix(FIELD)] = value.replace("\r\n", "\n")
    for name, text in uploads.items():
        found[next((known for known in found if PurePosixPath(known).name == name), name)] = text
    if len(found) > MOST_FILES:
        raise InputError(said("ファイルが多すぎます。"), where=Where(field="files"))
    return _main_first(found)


def _main_first(sources: Mapping[str, str]) -> dict[str, str]:
    """The main file is the one that names its script."""
    main = [name for name, text in sources.items() if re.search(r"^script:", text, re.M)]
    return dict(sorted(sources.items(), key=lambda each: each[0] not in main))


def _text(upload: UploadFile) -> str:
    try:
        return upload.file.read().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InputError(
            said("UTF-8 ではないファイルがあります。"),
            where=Where(field="files"),
            mend=said("UTF-8 で保存し直してください。"),
        ) from None


def _form(
    visit: Visit, sources: Mapping[str, str], start: str, faults: tuple[Fault, ...] = (), note: str = ""
) -> Response:
    with visit.site.database.read() as conn:
        known = versions(conn, visit.site.municipality_id)
    return visit.page(
        "scripts/new.html",
        status=422 if faults else 200,
        sources=sources,
        start=start,
        faults=faults,
        note=note,
        versions=known,
        field=FIELD,
    )
