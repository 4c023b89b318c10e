"""The contact policy's items in the words that people see, and what a campaign changes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from callflow.errors import InputError, Where
from scheduler.settings import Policy


@dataclass(frozen=True, slots=True)
class Item:
    """Its label and unit on Japanese screens, and both in English."""

    ja: str
    unit: str
    en: str


ITEMS: Final[Mapping[str, Item]] = {
    "attempts_per_day": Item("1日の架電", "回", "Attempts a day"),
    "attempts_per_7_days": Item("7日間の架電", "回", "Attempts in 7 days"),
    "attempts_per_campaign": Item("このキャンペーンの架電", "回", "Attempts in this campaign"),
    "no_answer_retry_minutes": Item("応答なしの後", "分", "After no answer, minutes"),
    "busy_retry_minutes": Item("話し中の後", "分", "After a busy line, minutes"),
    "busy_retries": Item("話し中で架け直す", "回", "Retries of a busy line"),
    "quiet_days": Item("ご本人と話した後", "日", "After talking to the right party, days"),
    "hang_up_unverified_days": Item("確認前に切られた後", "日", "Hung up before identification, days"),
    "hang_up_verified_days": Item("確認後に切られた後", "日", "Hung up after identification, days"),
    "refusal_days": Item("納付拒否の後", "日", "After a refusal, days"),
    "payment_claim_days": Item("納付済み申出の後", "日", "After a claim to have paid, days"),
    "follow_up_days": Item("ほかの者が先に対応する結果の後", "日", "Where somebody else acts first, days"),
    "machine_message_gap_hours": Item("留守電に伝言した後", "時間", "After a message on a machine, hours"),
    "machine_message_every_days": Item("留守電の伝言の間隔", "日", "Between messages on a machine, days"),
    "reminder_days": Item("督促状から初回の架電まで", "日", "From the reminder to the first call, days"),
    "payments_warn_business_days": Item("収納データの注意（営業日）", "日", "Payment data named as old, business days"),
    "payments_block_business_days": Item("収納データの限度（営業日）", "日", "Payment data too old, business days"),
    "promise_horizon_days": Item("納付約束の先の限度", "日", "Latest day of a promise, days"),
    "promise_grace_days": Item("納付約束の猶予", "日", "Grace of a promise, days"),
    "broken_promises_to_staff": Item("職員に引き継ぐ約束不履行", "回", "Broken promises, then staff"),
    "last_dial_minutes": Item("終わりの前に架けない", "分", "No dial before the end, minutes"),
    "ring_seconds": Item("呼び出す", "秒", "Rings for, seconds"),
    "abandoned_percent": Item("放棄呼の上限", "%", "Abandoned calls, percent"),
    "abandoned_gap_hours": Item("放棄呼の後", "時間", "After an abandoned call, hours"),
}
"""What a campaign may tighten on its form, in the form's order; the command line takes every item of the policy."""


@dataclass(frozen=True, slots=True)
class Change:
    """An item that a campaign has tighter than its claim type."""

    item: Item
    value: int
    usual: int


def changes_of(changed: Mapping[str, int], usual: Policy) -> list[Change]:
    """What is in effect of a campaign's changes: the tighter of the two, where it is tighter."""
    policy = usual.tightest(changed)
    pairs = {name: (getattr(policy, name), getattr(usual, name)) for name in changed}
    return [
        Change(ITEMS.get(name, Item(name, "", name)), now, before)
        for name, (now, before) in pairs.items()
        if now != before
    ]


def in_words(change: Change) -> str:
    item = change.item
    return f"{item.ja} {change.value}{item.unit}（ふだんは {change.usual}{item.unit}）"


def check(changed: Mapping[str, int], usual: Policy) -> None:
    """Raises InputError that names the item: one that does not exist, or that would be looser."""
    for name, value in changed.items():
        where = Where(field=f"policy_{name}")
        if not isinstance(getattr(usual, name, None), int):
            raise InputError(f"規則 {name} はありません", where=where, mend=f"使えるもの: {'、'.join(ITEMS)}")
        try:
            usual.tightened({name: value})
        except ValueError as error:
            item, before = ITEMS.get(name, Item(name, "", name)), getattr(usual, name)
            raise InputError(
                f"{item.ja}（{name}）の {value}{item.unit} は、ふだんの {before}{item.unit} より緩くなります",
                where=where,
                mend="キャンペーンでは厳しくすることだけができます",
            ) from error
