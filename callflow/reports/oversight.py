"""The pages on how the work is checked: inspections (C10), who does what (C11), the access log (C13), names (C14)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, select

from callflow.access.accounts import KIND_WORDS, ROLE_WORDS
from callflow.inspections import held as inspected
from callflow.reports import breaches
from callflow.reports.asking import Ask, counted, seconds_between, tokyo_day, tokyo_hour
from callflow.reports.figures import Chart, Column, Rate, Section, Series, Table, said
from callflow.reports.quality import drawn, scores
from callflow.reports.tally import total
from models.tables import (
    account_roles,
    accounts,
    audit_events,
    call_comments,
    calls,
    campaign_approvals,
    campaigns,
    dial_refusals,
    dial_stops,
    erased_tallies,
    follow_up_events,
    imports,
    negotiation_records,
    organisations,
    promises,
    script_versions,
    shifts,
    signals,
)
from scheduler.calendar import tokyo_date

_a, _c, _k, _o = audit_events.c, calls.c, accounts.c, organisations.c
EARLY, LATE = 8, 21
"""Hours outside which a look at a case is out of the ordinary; the widest hours in which anybody may be called."""

READ = "case:view"


def inspections(ask: Ask) -> Iterator[Section]:
    """C10: what was checked, what was found, and what happened that must not happen unseen."""
    yield drawn(ask)
    yield scores(ask)
    one = total(ask)
    broken = breaches.count(ask)
    s, d, r, f, m = signals.c, dial_stops.c, dial_refusals.c, call_comments.c, ask.municipality_id
    emergencies = (ask.of_these_calls(signals, s.at), s.kind == "emergency")
    unread = (ask.of_these_calls(signals, s.at), s.reviewed_at.is_(None))
    rows = [
        *broken.items(),
        (said("放棄呼"), one.abandoned),
        (said("未確定（確認が要る通話）"), _count(ask, calls, ask.these_calls(), _c.disposition == "UD")),
        (said("緊急の申出"), _count(ask, signals, *emergencies)),
        (said("まだ読まれていないシグナル"), _count(ask, signals, *unread)),
        (said("発信の直前に断られた架電"), _count(ask, dial_refusals, r.municipality_id == m, ask.within(r.at))),
        (said("全停止"), _count(ask, dial_stops, d.municipality_id == m, ask.within(d.since))),
        (said("再生して書かれたコメント"), _count(ask, call_comments, f.municipality_id == m, ask.within(f.at))),
    ]
    yield Section(
        said("警告と出来事"),
        said("期間に起きた数。規則に反する発信（はじめの三行）は0でなければならない。"),
        Table((Column(said("出来事"), "text"), Column(said("件数"))), rows),
    )
    h = shifts.c
    end = func.coalesce(h.ended_at, h.until)
    held = ask.one(
        select(func.count(), func.coalesce(func.sum(seconds_between(h.began_at, end)), 0.0)).where(
            h.municipality_id == m, ask.within(h.began_at)
        )
    )
    acts = _acts(ask, tuple(_CHECKS))
    yield Section(
        said("点検の記録"),
        said("業務責任者の勤務と、通話の再生・採点・承認の記録の数。"),
        Table(
            (Column(said("点検"), "text"), Column(said("件数"))),
            [
                (said("業務責任者の勤務"), held[0]),
                (said("業務責任者の勤務（時間）"), round(held[1] / 3600)),
                *((label, acts[verb]) for verb, label in _CHECKS.items()),
            ],
        ),
    )

    yield from _by_the_ward(ask)
    yield _exchanged(ask)


def _by_the_ward(ask: Ask) -> Iterator[Section]:
    """What staff found when they looked at the contractor's work: for the ward's own eyes."""
    if not ask.ward:
        return
    found = inspected(ask.conn, ask.municipality_id, ask.period.first, ask.period.last)
    yield Section(
        said("区の検査"),
        said("区の職員が記録した検査。期間は検査した日。"),
        Table(
            (
                *(Column(said("検査日"), "date"), Column(said("場所"), "text"), Column(said("結果"), "text")),
                Column(said("措置"), "text"),
            ),
            [(row.held_on, row.place, row.finding, row.measure or said("なし")) for row in found],
        ),
    )


def _exchanged(ask: Ask) -> Section:
    """The daily exchange of data between ward and contractor: lists in, files out, by whom, how many, which."""
    i = imports.c
    by = and_(_k.municipality_id == i.municipality_id, _k.id == i.actor_id)
    taken = ask.rows(
        select(i.activated_at, i.kind, _k.login, i.row_count, i.file_hash)
        .join(accounts, by)
        .where(i.municipality_id == ask.municipality_id, i.state == "active", ask.within(i.activated_at))
    )
    here = and_(_k.municipality_id == _a.municipality_id, _k.id == _a.actor_id)
    given = ask.rows(
        select(_a.at, _a.verb, _k.login, _a.fields)
        .join(accounts, here)
        .where(_a.municipality_id == ask.municipality_id, ask.within(_a.at), _a.verb.in_(list(_GIVEN)))
    )
    rows = [(row.activated_at, _TAKEN[row.kind], row.login, row.row_count, row.file_hash) for row in taken]
    for row in given:
        told = dict(part.split("=", 1) for part in row.fields.split(",") if "=" in part)
        count = told.get("rows", "")
        rows.append(
            (row.at, _GIVEN[row.verb], row.login, int(count) if count.isdecimal() else None, told.get("sha256"))
        )
    return Section(
        said("日々の受渡し"),
        said("区と受託者の間で受け渡したデータ: 取り込んだ名簿と、ファイルにしたもの。ハッシュはファイルの SHA-256。"),
        Table(
            (
                *(Column(said("日"), "date"), Column(said("受渡し"), "text"), Column(said("利用者"), "code")),
                *(Column(said("行")), Column(said("ハッシュ"), "code")),
            ),
            [(tokyo_date(at), *rest) for at, *rest in sorted(rows, key=lambda row: (row[0], row[1], str(row[4])))],
        ),
    )


_TAKEN: Final = {"arrears": said("滞納一覧の取込"), "payments": said("収納データの取込")}
_GIVEN: Final = {
    "report:export": said("報告のファイル"),
    "visit:export": said("訪問の一覧"),
    "evidence:export": said("世帯の経過の書類"),
    "report:print": said("生活状況報告書の封書"),
    "slip:print": said("連絡票の印刷"),
    "retention:return": said("契約の終わりの返還"),
}
_CHECKS: Final = {
    "call:open": said("通話の再生（目的を記録）"),
    "call:score": said("採点"),
    "call:comment": said("コメント"),
    "script:publish": said("台本の公開（二人）"),
}


def _count(ask: Ask, table: Any, *conditions: ColumnElement[bool]) -> int:
    return int(ask.one(select(func.count()).select_from(table).where(*conditions))[0])


def _acts(ask: Ask, verbs: tuple[str, ...]) -> Counter[str]:
    query = select(_a.verb, func.count()).where(
        _a.municipality_id == ask.municipality_id, ask.within(_a.at), _a.verb.in_(verbs)
    )
    return Counter(dict(map(tuple, ask.rows(query.group_by(_a.verb)))))


def by_organisation(ask: Ask) -> Iterator[Section]:
    """C11: every act with the organisation of whoever did it (R02)."""
    n, p, e, v, i, q = (
        *(negotiation_records.c, promises.c, follow_up_events.c),
        *(script_versions.c, imports.c, campaign_approvals.c),
    )
    corrects = n.corrects_id.is_not(None)
    in_calls = and_(_c.municipality_id == p.municipality_id, _c.id == p.call_id)
    counts: list[tuple[str, Any, ColumnElement[Any], ColumnElement[Any], tuple[ColumnElement[bool], ...]]] = [
        (said("架電"), calls, _c.operator_id, _c.opened_at, (_c.direction == "outbound", _c.attempt == 1)),
        (said("着信の応対"), calls, _c.operator_id, _c.opened_at, (_c.direction == "inbound",)),
        (said("交渉経過の記録"), negotiation_records, n.actor_id, n.at, (~corrects,)),
        (said("交渉経過の訂正"), negotiation_records, n.actor_id, n.at, (corrects,)),
        (said("連絡票への対応"), follow_up_events, e.actor_id, e.at, (e.thing == "slip",)),
        (said("報告書の処理"), follow_up_events, e.actor_id, e.at, (e.thing == "report",)),
        (said("約束の判定・確認"), follow_up_events, e.actor_id, e.at, (e.thing == "promise",)),
        (said("訪問の引継ぎ"), follow_up_events, e.actor_id, e.at, (e.thing == "visit",)),
        (said("架電計画の承認"), campaign_approvals, q.approved_by, q.approved_at, ()),
        (said("台本の承認"), script_versions, v.approved_by, v.published_at, ()),
        (said("名簿・収納の取込"), imports, i.actor_id, i.activated_at, (i.state == "active",)),
    ]
    names = {
        row.id: f"{row.name}（{KIND_WORDS[row.kind]}）"
        for row in ask.rows(select(_o.id, _o.name, _o.kind).where(_o.municipality_id == ask.municipality_id))
    }
    rows = []
    for label, table, actor, moment, more in counts:
        found = dict(ask.rows(_by_actor(ask, table, actor, moment, more)))
        rows.append((label, *(found.get(each, 0) for each in names), found.get(None, 0)))
    made = (
        select(_k.organisation_id, func.count())
        .select_from(promises)
        .join(calls, in_calls)
        .join(accounts, and_(_k.municipality_id == _c.municipality_id, _k.id == _c.operator_id))
        .where(p.municipality_id == ask.municipality_id, ask.within(p.made_at), p.state != "cancelled")
        .group_by(_k.organisation_id)
    )
    found = dict(ask.rows(made))
    rows.append((said("納付約束の受付"), *(found.get(each, 0) for each in names), 0))
    yield Section(
        said("組織ごとの行為"),
        said(
            "記録された行為を、した人の属する組織で数える。「自動」はプログラムがしたもの。単位は行為、期間は行為の日。"
        ),
        Table(
            (Column(said("行為"), "text"), *(Column(name) for name in names.values()), Column(said("自動"))),
            rows,
        ),
        Chart(
            "bars",
            said("組織ごとの行為"),
            [str(row[0]) for row in rows],
            [Series(name, [row[1 + place] for row in rows]) for place, name in enumerate(names.values())],
            said("件"),
        ),
    )


def _by_actor(
    ask: Ask, table: Any, actor: ColumnElement[Any], moment: ColumnElement[Any], more: tuple[ColumnElement[bool], ...]
) -> Any:
    return (
        select(_k.organisation_id, func.count())
        .select_from(table)
        .outerjoin(accounts, and_(_k.municipality_id == table.c.municipality_id, _k.id == actor))
        .where(table.c.municipality_id == ask.municipality_id, ask.within(moment), *more)
        .group_by(_k.organisation_id)
    )


def access(ask: Ask) -> Iterator[Section]:
    """C13: who looked at what: reads, reads without a call, out of hours, and what was exported."""
    own = and_(_a.municipality_id == ask.municipality_id, ask.within(_a.at))
    here = and_(_k.municipality_id == _a.municipality_id, _k.id == _a.actor_id)
    case = cast(func.nullif(func.substr(_a.object, len("case:") + 1), ""), BigInteger)  # empty: erased by rule
    called = select(_c.id).where(
        _c.municipality_id == ask.municipality_id,
        _c.case_id == case,
        _c.operator_id == _a.actor_id,
        tokyo_day(_c.opened_at) == tokyo_day(_a.at),
    )
    hour = tokyo_hour(_a.at)
    odd = (hour < EARLY) | (hour >= LATE)
    reads = ask.rows(
        select(_k.id, _k.login, _o.kind, func.count(), counted(~called.exists() & (_a.object != "")), counted(odd))
        .join(accounts, here)
        .join(organisations, and_(_o.municipality_id == _k.municipality_id, _o.id == _k.organisation_id))
        .where(own, _a.verb == READ)
        .group_by(_k.id, _k.login, _o.kind)
        .order_by(_k.login)
    )
    gone = _erased_looks(ask)
    yield Section(
        said("案件の閲覧"),
        said(
            "通話のない閲覧 = 同じ日にその案件との通話がない閲覧 ÷ 閲覧（受託者について見る。区の職員は通話をしない）。"
            "時間外 = 8時より前か21時以後。単位は閲覧の記録。"
        ),
        Table(
            (
                *(Column(said("利用者"), "code"), Column(said("組織"), "text"), Column(said("閲覧"))),
                *(Column(said("通話のない閲覧"), "rate"), Column(said("時間外"))),
            ),
            [
                (login, KIND_WORDS[kind], count, Rate(alone + gone.get(one, 0), count), late)
                for one, login, kind, count, alone, late in reads
            ],
        ),
    )
    number = func.count()
    verbs = ask.rows(select(_a.verb, number).where(own).group_by(_a.verb).order_by(number.desc(), _a.verb))
    yield Section(
        said("記録された行為"),
        said("監査の記録を行為ごとに数える。対象と値はここに出さない。"),
        Table((Column(said("行為"), "code"), Column(said("件数"))), [(verb, count) for verb, count in verbs]),
        Chart(
            "bars",
            said("記録された行為"),
            [verb for verb, _ in verbs[:15]],
            (Series(said("件数"), [count for _, count in verbs[:15]]),),
            said("件"),
        ),
    )
    exported = ask.rows(
        select(_a.at, _k.login, _a.object, _a.fields)
        .join(accounts, here)
        .where(own, _a.verb == "report:export")
        .order_by(_a.at)
    )
    yield Section(
        said("持ち出された報告"),
        said("ファイルにした報告の、日時・利用者・行数・ハッシュ。"),
        Table(
            (
                *(Column(said("日"), "date"), Column(said("利用者"), "code"), Column(said("報告"), "code")),
                Column(said("内容"), "code"),
            ),
            [(tokyo_date(at), login, thing, what) for at, login, thing, what in exported],
        ),
    )


def _erased_looks(ask: Ask) -> dict[int, int]:
    """By account, the looks without a call among the acts that were erased by rule, as they were counted then."""
    t, whole = erased_tallies.c, func.sum(erased_tallies.c.count)
    own = (t.municipality_id == ask.municipality_id, t.kind == "alone")
    within = (t.day >= ask.period.first, t.day <= ask.period.last)
    return dict(map(tuple, ask.rows(select(t.account_id, whole).where(*own, *within).group_by(t.account_id))))


def register(ask: Ask) -> Iterator[Section]:
    """C14: which company, with how many people, in which campaigns; and which words mean what."""
    r = account_roles.c
    people = ask.rows(
        select(_o.name, _o.kind, r.role, func.count(), counted(_k.disabled_at.is_(None)))
        .join(accounts, and_(_k.municipality_id == _o.municipality_id, _k.organisation_id == _o.id))
        .join(account_roles, and_(r.municipality_id == _k.municipality_id, r.account_id == _k.id))
        .where(_o.municipality_id == ask.municipality_id)
        .group_by(_o.kind, _o.name, r.role)
        .order_by(_o.kind, _o.name, r.role)
    )
    yield Section(
        said("組織と役割"),
        said("登録されている組織と、その役割ごとの利用者の数。時点は作成の時。"),
        Table(
            (
                *(Column(said("組織"), "text"), Column(said("区分"), "text"), Column(said("役割"), "text")),
                *(Column(said("利用者")), Column(said("有効"))),
            ),
            [(name, KIND_WORDS[kind], ROLE_WORDS[role], count, active) for name, kind, role, count, active in people],
        ),
    )
    g = campaigns.c
    planned = ask.rows(
        select(g.name, g.claim_type, _o.name.label("organisation"), g.created_at)
        .join(accounts, and_(_k.municipality_id == g.municipality_id, _k.id == g.created_by))
        .join(organisations, and_(_o.municipality_id == _k.municipality_id, _o.id == _k.organisation_id))
        .where(g.municipality_id == ask.municipality_id, ask.within(g.created_at))
        .order_by(g.id)
    )
    yield Section(
        said("委託された架電"),
        said("期間に計画されたキャンペーンと、計画した組織。"),
        Table(
            (
                *(Column(said("キャンペーン"), "text"), Column(said("債権区分"), "text")),
                *(Column(said("組織"), "text"), Column(said("日"), "date")),
            ),
            [
                (row.name, ask.config.claim(row.claim_type).name, row.organisation, tokyo_date(row.created_at))
                for row in planned
            ],
        ),
    )
    yield Section(
        said("用語"),
        said("この報告と画面で使う言葉。"),
        Table((Column(said("用語"), "text"), Column(said("意味"), "text")), WORDS),
    )


WORDS: Final = (
    (
        said("委託"),
        said(
            "区が契約により受託者に行わせること。区は受託者の個々の担当者を指揮しない。「外部委託」は同じ意味で、"
            "この製品では使わない。"
        ),
    ),
    (said("受託者"), said("電話による納付勧奨だけを行う会社。分納・減免・猶予・差押えは行わない。")),
    (said("業務責任者"), said("受託者の責任者。勤務していなければ架電は始まらない。")),
    (said("連絡票"), said("納付勧奨のほかの申出を受託者から区に引き継ぐもの。")),
    (said("生活状況報告書"), said("納付が困難な世帯に区が送り、返送を受けて職員が相談する書類。")),
    (said("シグナル"), said("通話の中で気づいた生活困窮の合図。")),
)
