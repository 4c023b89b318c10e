"""How a person wants the screens: keys, theme, size of the text (WCAG 2.1.4 and 1.4.4).

Only the program's own letters can be moved: those of a script are the script's, and the same for everybody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, delete, insert

from callflow.errors import InputError, Where
from models.tables import preferences

LETTERS: Final = {
    "q": "画面ロック",
    "a": "支援要請",
    "r": "メモを記録に移す",
    "t": "メモに書く",
    "z": "終了を取り消す",
    "b": "休憩",
    "i": "折り返しの電話を受ける",
    "c": "自分の電話をつなぐ",
    "v": "ブラウザーの電話をつなぐ",
    "x": "自分の電話を切る",
    "p": "責任者を電話に呼ぶ",
    "u": "責任者に引き継ぐ",
}
THEMES: Final = {"": "機器の設定に合わせる", "light": "明るい", "dark": "暗い"}
SIZES: Final = (100, 125, 150)  # percent


@dataclass(frozen=True, slots=True)
class Preferences:
    """`keys`: letter of the program → letter of this person, where it differs."""

    keys_off: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    theme: str = ""
    size: int = 100

    @property
    def pressed(self) -> str:
        """For the page: letter of this person → letter of the program, and "" for one that means nothing now."""
        left = {letter: "" for letter in self.keys if letter not in self.keys.values()}
        return json.dumps({**left, **{own: letter for letter, own in self.keys.items()}})


def moved(typed: Mapping[str, str], taken: Collection[str]) -> dict[str, str]:
    """The keys that somebody typed, checked. `taken`: the letters of the scripts in use.

    Raises InputError for what is no letter, one that a script uses, or one given twice.
    """
    wanted = {letter: (typed.get(letter, "").strip().lower() or letter) for letter in LETTERS}
    for letter, own in wanted.items():
        if not (len(own) == 1 and "a" <= own <= "z"):
            raise _wrong(letter, f"{own} は使えません", "英小文字を一つ書いてください")
        if own != letter and own in taken:
            raise _wrong(letter, f"{own} は台本の応答で使われています", "ほかの文字にしてください")
        same = [other for other, each in wanted.items() if each == own and other != letter]
        if same:
            raise _wrong(letter, f"{own} は「{LETTERS[same[0]]}」と重なっています", "ほかの文字にしてください")
    return {letter: own for letter, own in wanted.items() if own != letter}


def preferences_of(keys_off: bool | None, keys: str | None, theme: str | None, size: int | None) -> Preferences:
    """From the columns of a row that may not be there."""
    return Preferences(bool(keys_off), json.loads(keys or "{}"), theme or "", size or 100)


def keep(conn: Connection, municipality_id: int, account_id: int, wanted: Preferences) -> None:
    """Stores a person's own preferences."""
    p = preferences.c
    conn.execute(delete(preferences).where(p.municipality_id == municipality_id, p.account_id == account_id))
    own = {"municipality_id": municipality_id, "account_id": account_id}
    values = {"keys_off": wanted.keys_off, "keys": json.dumps(dict(wanted.keys)), "theme": wanted.theme}
    conn.execute(insert(preferences).values(**own, **values, size=wanted.size))


def _wrong(letter: str, what: str, mend: str) -> InputError:
    return InputError(what, where=Where(field=letter), mend=mend)
