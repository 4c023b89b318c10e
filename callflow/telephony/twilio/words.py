"""Twilio's words in ours: statuses, machines, and the numbers of its errors. Pure.

Source: Twilio's call resource and its list of errors and warnings (2026).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from callflow.line import LineEventKind
from callflow.telephony.port import PhoneBusyError, PlacementRefusedError

KIND_OF_STATUS: Final[dict[str, LineEventKind]] = {
    "queued": "placed",
    "initiated": "placed",
    "ringing": "ringing",
    "in-progress": "answered",
    "completed": "ended",  # only of a call that was answered
    "busy": "busy",
    "no-answer": "no_answer",
    "canceled": "no_answer",  # nobody but us cancels
    "failed": "failed",
}

KIND_OF_SIP: Final[dict[str, LineEventKind]] = {
    "404": "invalid_number",  # not found
    "410": "invalid_number",  # gone
    "484": "invalid_number",  # address incomplete
    "604": "invalid_number",  # does not exist anywhere
    "408": "unreachable",
    "480": "unreachable",  # temporarily unavailable
    "486": "busy",
    "600": "busy",
    "433": "no_answer",  # anonymity disallowed: a rejected call is nobody who answered
    "603": "no_answer",  # declined
    "607": "no_answer",  # unwanted
    "608": "no_answer",  # rejected
}
"""What the network's last word makes of a call that `failed`; any other is a fault of ours or theirs."""

KIND_OF_ANSWERER: Final[dict[str, LineEventKind | None]] = {
    "human": "answered",
    "machine_start": "machine",
    "machine_end_beep": "machine",
    "machine_end_silence": "machine",
    "machine_end_other": "machine",
    "fax": "fax",
    "unknown": None,
}

BACK_OFF: Final = timedelta(seconds=5)
LONGEST_BACK_OFF: Final = timedelta(minutes=5)

_NO_SUCH_NUMBER: Final = frozenset({13223, 13224, 21211, 21214, 21217, 21401, 21421})
_TOO_MANY: Final = frozenset({10004, 20429})
_OURS: Final[dict[int, str]] = {
    10001: "アカウントが使えません",
    20003: "認証に失敗しました",
    20005: "アカウントが使えません",
    21203: "アカウントの発信が止められています",
    21210: "発信元の番号が確認されていません",
    21212: "発信元の番号が正しくありません",
    21213: "発信元の番号がありません",
    21215: "発信先の地域が許可されていません",
    21216: "この番号への発信は止められています",
    21219: "試用のアカウントでは、確認していない番号に発信できません",
    13227: "発信先の地域が許可されていません",
    32203: "この番号への発信は止められています",
}


def kind_of_end(status: str, sip: str = "") -> LineEventKind:
    """What a status amounts to, and the network's answer where it failed. Raises KeyError for no status of Twilio's."""
    return KIND_OF_SIP.get(sip, "failed") if status == "failed" else KIND_OF_STATUS[status]


def refusal(http_status: int, code: int, retry_after: str = "") -> PlacementRefusedError | PhoneBusyError:
    """What a refused placement (4xx) is to us; its own text is left out, it may hold the number."""
    if http_status == 429 or code in _TOO_MANY:
        return PhoneBusyError(f"Twilio が込み合っています（{code or http_status}）", pause=pause_of(retry_after))
    if code in _NO_SUCH_NUMBER:
        return PlacementRefusedError(f"使われていない番号です（Twilio {code}）", disposition="DN")
    what = _OURS.get(code, "Twilio が発信を断りました")
    return PlacementRefusedError(
        f"{what}（Twilio {code or http_status}）", mend="callflow twilio check で確かめられます"
    )


def pause_of(retry_after: str) -> timedelta:
    """The pause that was asked for, in whole seconds; our own where it is not said, never above the longest."""
    asked = timedelta(seconds=int(retry_after)) if retry_after.isascii() and retry_after.isdigit() else BACK_OFF
    return min(max(asked, timedelta(seconds=1)), LONGEST_BACK_OFF) if len(retry_after) < 9 else LONGEST_BACK_OFF
