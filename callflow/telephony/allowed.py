"""Which numbers may be dialled at all: an allow-list in code, against toll fraud. No setting widens it. Pure."""

from __future__ import annotations

import re

_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_JAPAN = "+81"
_NOT_SUBSCRIBERS = {
    "990": "情報料のかかる番号（0990）",
    "570": "通話料が上乗せされる番号（0570）",
    "180": "情報案内の番号（0180）",
    "170": "伝言の番号（0170）",
    "120": "着信課金の番号（0120）",
    "910": "公専接続の番号（0910）",
}
_TEN_DIGITS = re.compile(r"[5-9]0[1-9][0-9]{7}", re.ASCII)  # 050, 060, 070, 080, 090
_GEOGRAPHIC = re.compile(r"(?!1[1-9]0)[1-9][1-9][0-9]{7}", re.ASCII)  # no area code has the form 01x0


def why_not(e164: str) -> str | None:
    """Why `e164` may never be dialled, in words; None when it may.

    Allowed are Japanese land lines, mobile and IP numbers in full (`+81…`). Whatever else there is — 110, 119 and
    the other short codes, 0570, 0990, free-phone, international — is refused because it is not in the list.
    """
    if not _E164.fullmatch(e164):
        return "国番号を含む完全な電話番号ではありません"
    if not e164.startswith(_JAPAN):
        return "日本国外の番号です"
    national = e164.removeprefix(_JAPAN)
    if national[:3] in _NOT_SUBSCRIBERS and len(national) == 9:
        return _NOT_SUBSCRIBERS[national[:3]]
    if _TEN_DIGITS.fullmatch(national) or _GEOGRAPHIC.fullmatch(national):
        return None
    return "固定・携帯・IP電話の番号ではありません"
