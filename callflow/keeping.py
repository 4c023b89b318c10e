"""How long each class of what is kept is kept: the ward's rule, as data. What is erased of which rows stands in
`callflow.retention.classes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Chained = Literal["", "call", "audit"]
YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class Class:
    """One line of the rule. `erases`: what goes, in words. `default`, `least`: days. `source`: where the time comes
    from; [O] is our own judgement. `chained`: its rows stand in hash chains, of calls or of acts."""

    name: str
    ja: str
    erases: str
    default: int
    least: int
    source: str
    chained: Chained = ""


CLASSES: Final[tuple[Class, ...]] = (
    Class(
        "call_log",
        "通話の記録",
        "記録の内容（台詞・答え・入力）と、通話が残した文（交渉経過・連絡票・合図・コメント・折返しの電話番号）",
        5 * YEAR + 2,
        2 * YEAR,
        "地方税の時効5年・保険料の2年（債権区分の limitation_years より短くできない）",
        "call",
    ),
    Class(
        "access_log",
        "監査の記録",
        "行為の対象・目的・項目・端末。消去と持ち出しの記録は残す",
        5 * YEAR + 2,
        YEAR,
        "通話の記録と同じだけ残し、誰が見たかを証せるようにする [O]",
        "audit",
    ),
    Class(
        "living_reports",
        "生活状況報告書の内容",
        "返送された報告書の記入内容。請求・発送・返送・判断の日と結果は残す",
        5 * YEAR + 2,
        YEAR,
        "通話の記録と同じ [O]",
    ),
    Class(
        "follow_up",
        "通話の後の経過の文",
        "連絡票・報告書・約束・訪問の経過に職員が書いた文。日と結果は残す",
        5 * YEAR + 2,
        2 * YEAR,
        "通話の記録と同じ（limitation_years より短くできない）",
    ),
    Class(
        "callers",
        "区からの折返しの受付",
        "名乗った名前・電話番号・用件",
        YEAR,
        30,
        "用が済めば要らない [O]",
    ),
    Class(
        "memos",
        "通話中のメモ",
        "終わった通話に残ったメモ。ふつうは終わると同時に消える",
        30,
        1,
        "記録ではない [O]",
    ),
    Class(
        "imports",
        "取込の控え",
        "取り消しのための以前の値、終わった取込の報告",
        90,
        7,
        "取込の取り消しに要る間 [O]",
    ),
    Class(
        "training",
        "練習の成績",
        "練習の採点",
        YEAR,
        30,
        "受託者の従事者の記録。研修の評価に要る間 [O]",
    ),
    Class(
        "webhooks",
        "通知の控え",
        "届いた、または届かなかった通知",
        30,
        1,
        "再送に要る間 [O]",
    ),
    Class(
        "logins",
        "ログインの控え",
        "終わったセッションと、失敗の回数",
        YEAR,
        30,
        "不正なログインを調べるのに要る間 [O]",
    ),
)
BY_NAME: Final = {each.name: each for each in CLASSES}
EVIDENCE: Final = ("call_log", "follow_up")
"""What proves that the ward worked on a claim: never shorter than the longest limitation that is configured."""
