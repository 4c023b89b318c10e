"""What a second look at the talks found: the sample, its scorecards, and the signs of hardship that were missed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import and_, func, select, true

from callflow.quality import Rule, sample, talks_of
from callflow.reports.asking import Ask
from callflow.reports.figures import Column, Rate, Section, Table, said
from callflow.scorecard import CARD
from models.tables import calls, scorecards

_MISSED = "missed"
"""The line of the scorecard that says that no signal was missed."""


def latest_cards(ask: Ask) -> list[Mapping[str, str]]:
    """The scorecard that counts of each scored call of the period."""
    s, c = scorecards.c, calls.c
    latest = (
        select(func.max(s.id).label("id"))
        .where(s.municipality_id == ask.municipality_id)
        .group_by(s.call_id)
        .subquery()
    )
    query = (
        select(s.answers)
        .join(latest, latest.c.id == s.id)
        .join(calls, and_(c.municipality_id == s.municipality_id, c.id == s.call_id))
        .where(s.municipality_id == ask.municipality_id, ask.these_calls())
    )
    return [json.loads(row.answers) for row in ask.rows(query)]


def missed_signals(ask: Ask) -> Rate:
    """Talks in which the reviewer found a signal that nobody had raised ÷ talks that were reviewed for it."""
    answers = Counter(card.get(_MISSED, "") for card in latest_cards(ask))
    return Rate(answers["no"], answers["no"] + answers["yes"], interval=True)


def scores(ask: Ask) -> Section:
    """Line by line of the scorecard."""
    cards = latest_cards(ask)
    rows = []
    for line in CARD:
        answers = Counter(card.get(line.key, "") for card in cards)
        rows.append(
            (line.question, answers["yes"], answers["no"], Rate(answers["yes"], answers["yes"] + answers["no"]))
        )
    return Section(
        said("採点の結果"),
        said("採点した通話の最新の採点票。できた率 = はい ÷（はい + いいえ）。該当しないものは数えない。単位は通話。"),
        Table(
            (
                Column(said("項目"), "text"),
                Column(said("はい")),
                Column(said("いいえ")),
                Column(said("できた率"), "rate"),
            ),
            rows,
        ),
    )


def drawn(ask: Ask) -> Section:
    """How much of the sample was looked at."""
    rule = ask.config.quality
    talks = talks_of(ask.conn, ask.municipality_id, ask.period.since, ask.period.until, true())
    picked = sample(talks, Rule(rule.sample_percent, rule.sample_at_least, frozenset(rule.sample_always)))
    s = scorecards.c
    scored = {row.call_id for row in ask.rows(select(s.call_id).where(s.municipality_id == ask.municipality_id))}
    done = sum(each.talk.call_id in scored for each in picked)
    return Section(
        said("品質確認の抽出"),
        said("規則（割合・最低件数・必ず見る結果）で抽出した通話と、そのうち採点したもの。単位は通話。"),
        Table(
            (
                Column(said("話した通話")),
                Column(said("抽出")),
                Column(said("採点済み")),
                Column(said("採点率"), "rate"),
            ),
            [(len(talks), len(picked), done, Rate(done, len(picked)))],
        ),
    )
