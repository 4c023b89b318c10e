"""Every report: its name, its words, whom it is for, and how it is made. A report that does not stand here is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

from sqlalchemy import select

from callflow.errors import NotFoundError, RefusedError
from callflow.reports import aftermath, calling, council, effect, kpis, oversight, sending
from callflow.reports.asking import Ask
from callflow.reports.figures import Report, Section, said
from models.tables import campaigns

Maker = Callable[[Ask], Iterable[Section]]
Usual = Literal["day", "month"]

BOTH: Final = frozenset({"supervisor", "staff", "auditor"})
WARD: Final = frozenset({"staff", "auditor"})
SUPERVISOR: Final = frozenset({"supervisor"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One report. `question`: the council's; `number`: under which it stands in domain.md. `usual`: the period where
    none is asked for: today, or this month until today."""

    name: str
    title: str
    make: Maker
    roles: frozenset[str] = BOTH
    usual: Usual = "month"
    number: str = ""
    question: str = ""


def _daily(ask: Ask) -> Iterator[Section]:
    yield kpis.section(ask)
    yield from calling.daily(ask)
    yield from aftermath.slips(ask)


def _monthly(ask: Ask) -> Iterator[Section]:
    yield kpis.section(ask)
    yield calling.by_month(ask)
    yield calling.by_day(ask)
    yield from calling.by_campaign(ask)
    yield calling.outcomes(ask)
    yield from aftermath.handed_over(ask)
    yield from aftermath.kept(ask)


def _outcomes(ask: Ask) -> Iterator[Section]:
    yield calling.outcomes(ask)


KINDS: Final = (
    Kind("daily", said("日報"), _daily, usual="day"),
    Kind("monthly", said("月報"), _monthly),
    Kind("campaigns", said("キャンペーン別"), calling.by_campaign),
    Kind("bands", said("時間帯と曜日の応答率"), calling.bands),
    Kind("outcomes", said("結果の内訳"), _outcomes),
    Kind("operators", said("担当者別"), calling.operators, SUPERVISOR),
    Kind("handed-over", said("連絡票と報告書"), aftermath.handed_over),
    Kind("promises", said("守られた約束"), aftermath.kept),
    Kind(
        "c1", said("報告書の未提出"), council.not_submitted, number="C1", question=said("報告書を提出しない人の割合は")
    ),
    Kind("c2", said("報告書の返送"), council.returned, number="C2", question=said("返送の状況は")),
    Kind("c3", said("送付の漏れ"), sending.omissions, number="C3", question=said("送付に漏れはないか")),
    Kind(
        "c4",
        said("未返送への対応"),
        council.after_silence,
        number="C4",
        question=said("返送がないとき、その後どうするか"),
    ),
    Kind("c5", said("対応までの期間"), council.waiting_times, number="C5", question=said("どれだけの期間の後か")),
    Kind(
        "c6",
        said("台本外の通話"),
        council.off_script,
        number="C6",
        question=said("マニュアルで対応できない通話はどれだけか"),
    ),
    Kind(
        "c7",
        said("納付が遅れた理由"),
        council.reasons,
        number="C7",
        question=said("約3割が払えないというが、最初の電話はそれでよいか"),
    ),
    Kind(
        "c8",
        said("隠れた生活困窮"),
        council.hidden_hardship,
        number="C8",
        question=said("26件のほかにもいるのではないか"),
    ),
    Kind(
        "c9",
        said("気づく力の変化"),
        council.detection,
        number="C9",
        question=said("職員が立ち会わないと、気づきにくくならないか"),
    ),
    Kind(
        "c10",
        said("点検と日々のやりとり"),
        oversight.inspections,
        number="C10",
        question=said("どのような点検と日々のやりとりがあるか"),
    ),
    Kind(
        "c11",
        said("誰が何をするか"),
        oversight.by_organisation,
        number="C11",
        question=said("区と受託者のどちらが何をするのか"),
    ),
    Kind(
        "c13", said("開始後の監査"), oversight.access, WARD, number="C13", question=said("始まった後の監査はどう行うか")
    ),
    Kind(
        "c14",
        said("会社と用語"),
        oversight.register,
        number="C14",
        question=said("どの会社か、言葉（委託・外部委託）の意味は"),
    ),
    Kind("c16", said("収納への効果"), effect.effect, number="C16", question=said("収納は良くなったか")),
)
BY_NAME: Final = {kind.name: kind for kind in KINDS}


def named(name: str, roles: Iterable[str]) -> Kind:
    """The report of a name that one of these roles may see. Raises NotFoundError, RefusedError."""
    kind = BY_NAME.get(name.lower())
    if kind is None:
        near = get_close_matches(name, BY_NAME, n=1)
        hint = f"{near[0]} のことですか。" if near else ""
        raise NotFoundError(f"報告 {name} はありません", mend=f"{hint}callflow report list で一覧を確かめられます")
    if not kind.roles & set(roles):
        raise RefusedError(
            f"{kind.title} を見る権限がありません", mend=f"見られる役割: {'、'.join(sorted(kind.roles))}"
        )
    return kind


def made(kind: Kind, ask: Ask) -> Report:
    """The report, as it stands now. Raises NotFoundError for a campaign that is not there."""
    campaign = ""
    if ask.campaign_id is not None:
        k = campaigns.c
        query = select(k.name).where(k.municipality_id == ask.municipality_id, k.id == ask.campaign_id)
        found = ask.conn.execute(query).scalar()
        if found is None:
            raise NotFoundError(f"キャンペーン {ask.campaign_id} はありません", mend="callflow campaign list")
        campaign = str(found)
    return Report(kind.name, kind.title, kind.question, ask.period, campaign, ask.now, tuple(kind.make(ask)))
