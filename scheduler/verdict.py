"""The answer to "may this case be called now", and the words that people see. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Reason(Enum):
    """Why a call is refused, in the words that people see."""

    DISASTER_STOP = ("災害等による全停止中です", "all dialling is stopped")
    CAMPAIGN_NOT_RUNNING = ("キャンペーンが稼働していません", "the campaign is not running")
    NO_SUPERVISOR = ("業務責任者が不在です", "no supervisor is on shift")
    CALENDAR_UNKNOWN = ("祝日データのない年です", "there is no holiday data for this year")
    OFFICE_CLOSED = ("閉庁日です", "the office is closed on this day")
    NOT_A_CALLING_DAY = ("架電日ではありません", "not one of the calling days")
    OUT_OF_HOURS = ("架電時間外です", "outside calling hours")
    NOTHING_OWED = ("未納がありません", "nothing is owed")
    CASE_CLOSED = ("案件が終了しています", "the case is closed")
    STAFF_IN_CHARGE = ("区職員が対応中です", "ward staff are in charge")
    PROTECTED = ("架電できない世帯です", "the household may not be called")
    SUPPRESSED = ("架電停止中です", "calls to this case are suspended")
    CORPORATE = ("法人には架電しません", "a company is not called")
    HELD_OUT = ("効果測定の対照群です", "held out of this campaign to measure its effect")
    EXPIRED = ("時効完成予定日を過ぎています（推定を含む）", "past the estimated limitation date")
    NO_REMINDER = ("督促状の発送が確認できません", "no reminder was sent")
    REMINDER_RECENT = ("督促状の発送から日が浅いです", "the reminder was sent too recently")
    PAYMENTS_UNKNOWN = ("収納データの基準日がありません", "the payment data has no date")
    PAYMENTS_STALE = ("収納データが古すぎます", "the payment data is too old")
    NUMBER_UNUSABLE = ("使える電話番号がありません", "no usable number")
    LIVE_CALL = ("通話中または結果確認中です", "a call is live or under review")
    DAY_CAP = ("本日の架電回数の上限です", "limit of attempts for the day")
    WEEK_CAP = ("直近7日間の架電回数の上限です", "limit of attempts in 7 days")
    CAMPAIGN_CAP = ("キャンペーンの架電回数の上限です", "limit of attempts in the campaign")
    BUSY_RETRY = ("話し中のため間隔を置いています", "waiting after a busy line")
    NO_ANSWER_RETRY = ("不応答のため間隔を置いています", "waiting after no answer")
    ANOTHER_BAND = ("別の時間帯に架け直します", "to be tried in another part of the day")
    FAULT_RETRY = ("当方障害のため間隔を置いています", "waiting after a fault of ours")
    MACHINE_MESSAGE = ("留守電に伝言済みです", "a message was left")
    ABANDONED = ("放棄呼のため間隔を置いています", "waiting after an abandoned call")
    QUIET = ("ご本人との通話後の間隔です", "quiet time after talking to the right party")
    HANG_UP = ("切断後の間隔です", "waiting after a hang-up")
    REFUSAL = ("納付拒否後の間隔です", "waiting after a refusal")
    PAYMENT_CLAIMED = ("納付済み申出の確認中です", "a payment is being checked")
    ANOTHER_DAY = ("別の日に架け直します", "to be called another day")
    FOLLOW_UP = ("文書・職員・責任者の対応待ちです", "someone else acts first")
    CALLBACK_LATER = ("再架電の約束の時刻前です", "a call was asked for at a later time")
    PROMISE_OPEN = ("納付約束の期限と猶予の前です", "a promise to pay is open")
    PROMISES_BROKEN = ("約束不履行が重なり区職員の対応です", "promises broke too often: staff act")

    def __init__(self, ja: str, en: str) -> None:
        self.ja = ja
        self.en = en

    @property
    def code(self) -> str:
        """As stored in `dial_refusals.reasons`."""
        return self.name.lower()


class Notice(Enum):
    """What to mind in a call that is allowed."""

    PAYMENTS_AGEING = ("収納データが新しくありません", "the payment data is not fresh")
    LIVE_OPERATOR_ONLY = ("有人対応のみ（前回放棄呼）", "live operator only: the last call was abandoned")

    def __init__(self, ja: str, en: str) -> None:
        self.ja = ja
        self.en = en


@dataclass(frozen=True, slots=True)
class Block:
    """One reason, and the moment before which it certainly holds; None: time alone does not end it."""

    reason: Reason
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """All that forbids the call now; `earliest` (UTC): when the same facts first allow it, None: never."""

    blocks: tuple[Block, ...]
    earliest: datetime | None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(block.reason for block in self.blocks)
