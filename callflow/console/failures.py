"""What a person reads when something fails: what happened, what is safe, what to do. Never a traceback, never data."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.responses import Response

from callflow.access.glass import SealedError
from callflow.console.i18n import said
from callflow.console.visit import Visit
from callflow.errors import CallflowError, InputError, NotFoundError, RefusedError, TryLaterError
from callflow.storage import in_words
from models.database import Fault, fault_of

log = structlog.get_logger("callflow.console")

SAFE = said("ここまでに保存された入力は失われていません。")
STATUS: tuple[tuple[type[CallflowError], int], ...] = (
    (InputError, 422),
    (NotFoundError, 404),
    (RefusedError, 409),
    (TryLaterError, 503),
)


def answer_to(visit: Visit, error: Exception) -> Response:
    """The page for an error. One that nobody foresaw is logged by its kind and place: its text may hold data."""
    if isinstance(error, SealedError):
        return visit.go("/glass", case=str(error.case_id))
    if isinstance(error, CallflowError):
        found = (status for kind, status in STATUS if isinstance(error, kind))
        return failure(visit, next(found, 403), error.what, error.mend)
    words = in_words(error)
    if isinstance(words, NotFoundError):
        return failure(visit, 404, words.what, words.mend)
    frames = [frame for frame in extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    log.error("failed", path=visit.route.path, kind=type(error).__name__, place=place)
    if words and isinstance(error, DBAPIError) and fault_of(error) is Fault.FULL:
        return failure(visit, 503, words.what, words.mend)
    if isinstance(error, DBAPIError):
        return failure(
            visit,
            503,
            said("データベースに届きません。"),
            said("電話はそのまま続け、少し待ってもう一度押してください。"),
        )
    return failure(
        visit, 500, said("思わぬ誤りが起きました。"), said("もう一度試し、続くときは管理者に時刻を伝えてください。")
    )


def failure(visit: Visit, status: int, what: str, mend: str) -> Response:
    """A page in the pattern of every error."""
    say = visit.say
    return visit.page(
        "failure.html", status=status, title=say("できませんでした"), what=say(what), safe=say(SAFE), mend=say(mend)
    )
