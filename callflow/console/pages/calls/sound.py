"""The sound of a call, for whoever may replay it: each request is on record before its first byte."""

from __future__ import annotations

import re
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from callflow.access import replays
from callflow.access.auditlog import audit
from callflow.console.pages.calls.lists import viewer_of
from callflow.console.visit import Visit
from callflow.errors import NotFoundError
from callflow.recordings import shelf, vault
from callflow.recordings.settings import keys_from

LONGEST_PART: Final = 1024 * 1024
"""Bytes of one answer to a browser that asks for a part."""

PLAYED: Final = "recording:play"
_RANGE: Final = re.compile(r"bytes=(\d{1,12})-(\d{0,12})", re.ASCII)


def sound(visit: Visit) -> Response:
    """The sound, or the part of it that the browser asks for."""
    site, m, call_id = visit.site, visit.site.municipality_id, visit.id()
    viewer = viewer_of(visit)
    with site.database.read() as conn:
        replays.call_for(conn, m, viewer, call_id)
        row = next((each for each in shelf.of_call(conn, m, call_id) if each.id == visit.id("recording")), None)
    if row is None:
        raise NotFoundError("この録音はありません")
    purpose = replays.see_call(site.database, m, viewer, call_id, visit.now)
    site.database.transact(
        lambda conn: audit(conn, m, visit.now, viewer.account_id, PLAYED, f"call:{call_id}", purpose=purpose)
    )
    return _answer(visit, row)


def _answer(visit: Visit, row: Any) -> Response:
    part = part_of(visit.request.headers.get("range", ""), row.size)
    headers = {"Accept-Ranges": "bytes", "Content-Disposition": "inline"}
    if part is None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{row.size}"})
    first, last, partial = part
    given = visit.site.config.recordings
    path, name, keys = shelf.path_of(given.folder, row), shelf.name_of(row), keys_from(given)
    pieces = vault.read(path, name, row.size, keys, first, last)
    begin = next(pieces, b"")  # what is damaged is said in words, not in the middle of the sound
    headers["Content-Length"] = str(last - first + 1)
    if partial:
        headers["Content-Range"] = f"bytes {first}-{last}/{row.size}"

    def stream() -> Any:
        yield begin
        yield from pieces

    return StreamingResponse(stream(), 206 if partial else 200, headers, "audio/mpeg")


def part_of(asked: str, size: int) -> tuple[int, int, bool] | None:
    """First and last byte of what is asked for, and whether that is a part; None: there is no such part. Pure."""
    found = _RANGE.fullmatch(asked)
    if found is None:
        return 0, max(0, size - 1), False
    first = int(found[1])
    last = min(int(found[2]) if found[2] else size - 1, size - 1, first + LONGEST_PART - 1)
    return (first, last, True) if first <= last else None
