"""What a person reads when the database cannot be used, or what was typed fits no row: each with what to do."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from callflow.errors import CallflowError, NotFoundError, TryLaterError
from models.database import Fault, fault_of

_WORDS: dict[Fault, tuple[str, str]] = {
    Fault.BUSY: ("データベースが混んでいて、書き込めませんでした", "少し待って、もう一度実行してください"),
    Fault.GONE: (
        "データベースにつながりません",
        "サーバーが動いているか、callflow config show の database.url が正しいかを確かめてください",
    ),
    Fault.FULL: (
        "データベースに書き込めません（ディスクの空きがないか、入出力の誤りです）。架電を止めました",
        "空きを作るかディスクを直し、callflow doctor で確かめてから再開してください。記録済みの内容は失われていません",
    ),
}


def in_words(error: Exception) -> CallflowError | None:
    """The error in words; None where the database itself is well.

    NotFoundError for a number or a day that is larger than any that is kept: whoever typed it meant none of them.
    """
    fault = fault_of(error) if isinstance(error, DBAPIError) else Fault.OTHER
    if fault is Fault.RANGE or isinstance(error, OverflowError):
        return NotFoundError("そのような番号・日付のものはありません", mend="番号と日付の桁を確かめてください")
    if fault not in _WORDS:
        return None
    what, mend = _WORDS[fault]
    kind = CallflowError if fault is Fault.FULL else TryLaterError
    return kind(what, mend=mend)
