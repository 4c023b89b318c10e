"""What calls stand on: the configuration, the calendar of the coming year, and published scripts that still prove."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from callflow.clock import TOKYO
from callflow.doctor.findings import Finding, Surroundings, ok, problem, unknown, warning
from callflow.errors import CallflowError
from callflow.script.proofs import prove
from callflow.shelf import Shelf
from callflow.telephony.asterisk import settings as asterisk
from callflow.telephony.relay import settings as relay
from models.tables import campaigns, script_versions
from scheduler.calendar import japanese_holidays

FAR = 366  # days


def configuration(around: Surroundings) -> Iterator[Finding]:
    overruns = list(around.config.overruns())
    for claim, over in overruns:
        words = f"{claim}: {over.fiscal_year}年度の架電日 {over.listed} 日は予算の {over.budget} 日を超えています"
        yield warning(words, "callflow config propose で組み直してください")
    if around.config.disaster_stop:
        yield warning(
            "災害停止中で、すべての架電を止めています", "終わったら policy.disaster_stop を false に戻してください"
        )
    elif not overruns:
        yield ok(f"{around.config_path} に誤りはありません")


def holidays(around: Surroundings) -> Iterator[Finding]:
    """The coming year; a year that the library does not know opens no day."""
    year = around.now.astimezone(TOKYO).year
    missing = [each for each in (year, year + 1) if japanese_holidays(each) is None]
    if missing:
        words = f"{'、'.join(map(str, missing))}年の祝日が分からず、その年は架電しません"
        yield problem(words, "callflow を新しい版に上げてください（holidays ライブラリー）", years=missing)
    else:
        yield ok(f"{year}年と{year + 1}年の祝日が分かります")


def telephone(around: Surroundings) -> Iterator[Finding]:
    """What the configured telephone must know, secrets among it; whether it answers is asked by its own check."""
    kind = around.config.telephony.phone
    try:
        if kind == "twilio":
            from callflow.telephony.twilio import settings as twilio  # noqa: PLC0415  its library is slow to load
            from callflow.telephony.twilio.softphone import softphone_of  # noqa: PLC0415

            twilio.account_of(around.config.twilio)
            softphone_of(around.config.twilio)
        elif kind == "asterisk":
            asterisk.pbx_of(around.config).tls()
        elif kind == "relay":
            relay.line_of(around.config)
    except CallflowError as error:
        yield problem(f"発信できません（{kind}）: {error.where} {error.what}", error.mend)
        return
    yield ok(f"発信の設定がそろっています（{kind}）" if kind != "manual" else "卓上電話で発信します")


def calling_days(around: Surroundings) -> Iterator[Finding]:
    """Listed days run out; closed days are those of somebody's last year."""
    today = around.now.astimezone(TOKYO).date()
    closed = around.config.closed_days
    stale = closed and max(closed) < today
    if stale:
        yield warning("closed_days はすべて過ぎた日です", "今年度と来年度の閉庁日を書いてください")
    empty = []
    for claim_type in around.config.claim_types:
        if around.config.calendar_for(claim_type).next_opening(around.now) is None:
            empty.append(str(claim_type))
    if empty:
        words = f"この先の架電日がない債権区分: {'、'.join(empty)}"
        running = _running(around, empty)
        mend = "callflow config propose で日を決め、claim_types に書いてください"
        yield (
            problem(words, mend, claim_types=empty)
            if running
            else unknown(f"{words}（架電中のものはありません）", mend)
        )
    elif not stale:
        yield ok("どの債権区分にも、この先の架電日があります")


def _running(around: Surroundings, claim_types: list[str]) -> bool:
    c = campaigns.c
    with around.database.read() as conn:
        return conn.execute(select(c.id).where(c.state == "running", c.claim_type.in_(claim_types))).first() is not None


def scripts(around: Surroundings) -> Iterator[Finding]:
    """The newest version of each script and those of campaigns that are not over: whole, and proved once more."""
    s, c = script_versions.c, campaigns.c
    newest = select(s.municipality_id, s.name, func.max(s.version).label("version")).group_by(s.municipality_id, s.name)
    latest = newest.subquery()
    in_use = select(c.script_hash).where(c.state != "stopped")
    query = (
        select(s.municipality_id, s.name, s.version, s.hash)
        .outerjoin(
            latest,
            (latest.c.municipality_id == s.municipality_id)
            & (latest.c.name == s.name)
            & (latest.c.version == s.version),
        )
        .where(latest.c.name.is_not(None) | s.hash.in_(in_use))
        .order_by(s.municipality_id, s.name, s.version)
    )
    bad, shelf = 0, Shelf()
    with around.database.read() as conn:
        rows = conn.execute(query).all()
        for row in rows:
            try:
                report = prove(shelf.flow(conn, row.municipality_id, row.hash).script)
                fault = str(report.findings[0]) if report.findings else ""
            except CallflowError as error:
                fault = str(error.what)
            if fault:
                bad += 1
                mend = "callflow script check で直し、新しい版を公開してください"
                yield problem(f"台本 {row.name} 版 {row.version}: {fault}", mend, script=row.name, version=row.version)
    if not rows:
        yield warning("公開された台本がありません", "callflow script publish で公開してください")
    elif not bad:
        yield ok(f"公開された台本 {len(rows)} 件は、いまも検査に合格します", count=len(rows))
