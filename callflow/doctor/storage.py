"""The database: can it be reached, is it this program's, does it keep what it says, and is its work going on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, text

from callflow.backup.postgresql import ASIDE, programs, server_version
from callflow.clock import SystemClock
from callflow.doctor.findings import Finding, Surroundings, ago, ok, problem, warning
from callflow.tallies import astray
from callflow.work import Duty, LastRun, is_late, last_runs
from models.migrate import HEAD, current
from models.tables import calls, is_live, municipalities, queue_entries

LATE = timedelta(minutes=10)
CLOCKS_APART, CLOCKS_FAR_APART = timedelta(seconds=2), timedelta(seconds=60)
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "server_encoding": "UTF8"}


def reachable(around: Surroundings) -> Iterator[Finding]:
    """Connection, and the version of the tables."""
    found = current(around.database)
    if found == HEAD:
        yield ok(f"つながります。表は版 {HEAD}", version=found)
    elif found is None:
        yield problem("つながりますが、表がありません", "callflow init を実行してください")
    else:
        yield problem(
            f"表は版 {found}、このプログラムには {HEAD} が要ります",
            "callflow db upgrade を実行してください",
            version=found,
        )


def durability(around: Surroundings) -> Iterator[Finding]:
    """What is told as saved must survive a crash."""
    database = around.database
    with database.read() as conn:
        if database.is_sqlite:
            mode, level = (conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous"))
            wrong = [
                f"{name}={found}"
                for name, found, want in (("journal_mode", mode, "wal"), ("synchronous", level, 2))
                if found != want
            ]
            mend = "ネットワーク上のファイルシステムに置いていないか確かめてください"
        else:
            told = {name: str(conn.execute(text(f"SHOW {name}")).scalar()) for name in DURABLE}
            wrong = [
                f"{name}={told[name]}" for name, want in DURABLE.items() if told[name] not in (want, "remote_apply")
            ]
            mend = "postgresql.conf を直して、再起動してください"
    if wrong:
        yield problem(f"書き込みが確実に残らない設定です: {'、'.join(wrong)}", mend)
    else:
        yield ok("書き込みは、停電でも残る設定です")


def clocks(around: Surroundings) -> Iterator[Finding]:
    """This host's clock against the server's. One host has one clock."""
    if around.database.is_sqlite:
        yield ok("データベースと同じ時計です")
        return
    clock = SystemClock()
    with around.database.read() as conn:
        conn.execute(text("SELECT 1"))
        before = clock.now()
        server: datetime = conn.execute(text("SELECT clock_timestamp()")).scalar_one()
        after = clock.now()
    apart = abs(server - (before + (after - before) / 2))
    words = f"データベースの時計との差 {apart.total_seconds():.2f} 秒"
    mend = "両方の機械で NTP（chrony など）を動かしてください"
    if apart > CLOCKS_FAR_APART:
        yield problem(words, mend, seconds=apart.total_seconds())
    elif apart > CLOCKS_APART:
        yield warning(words, mend, seconds=apart.total_seconds())
    else:
        yield ok(words, seconds=apart.total_seconds())


def backup_programs(around: Surroundings) -> Iterator[Finding]:
    """Whether a backup could be taken, and whether a restore was cut short."""
    if around.database.is_sqlite:
        yield ok("控えに、ほかのプログラムは要りません")
        return
    with around.database.read() as conn:
        tool = programs(server_version(conn)).dump
        left = conn.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": ASIDE}).first()
    if left:
        yield problem("途中で切れた restore の跡があります", "callflow restore をもう一度実行してください")
    yield ok(f"控えは {tool} で取れます")


def work(around: Surroundings) -> Iterator[Finding]:
    """The duties of the configured municipality, each by its own rhythm (`callflow.work.is_late`)."""
    with around.database.read() as conn:
        municipality_id = _municipality_id(conn, around)
        runs = last_runs(conn, municipality_id) if municipality_id is not None else []
    if not any(last for _, last in runs):
        yield warning("定期処理が一度も動いていません", "callflow work を動かしてください（callflow-work.service）")
        return
    late = [(duty, last) for duty, last in runs if is_late(duty, last, around.now)]
    for duty, last in late:
        yield _late(duty, last, around.now)
    if not late:
        yield ok(f"定期処理 {len(runs)} 件が動いています", jobs=[duty.name for duty, _ in runs])


def _late(duty: Duty, last: LastRun | None, now: datetime) -> Finding:
    what = f"定期処理 {duty.name}（{duty.ja}）"
    facts = {"job": duty.name, "last": last.fire_time.isoformat() if last else None}
    if last is None:
        return problem(f"{what}は一度も動いていません", "callflow work を新しい版で動かし直してください", **facts)
    passed = ago(now - last.fire_time)
    if last.finished_at is None:
        mend = "callflow work の記録（journalctl -u callflow-work）を見てください"
        return warning(f"{what}は {passed}前に始まり、終わっていません", mend, **facts)
    mend = "callflow work が動いているか確かめてください（systemctl status callflow-work）"
    return problem(f"{what}は {passed}前から動いていません", mend, **facts)


def queue(around: Surroundings) -> Iterator[Finding]:
    """What is held too long, by count only."""
    q, c = queue_entries.c, calls.c
    late = around.now - LATE
    looked = {
        "貸出の期限を過ぎた待ち行列": (
            select(func.count()).select_from(queue_entries).where(q.state == "claimed", q.lease_until < late),
            "callflow work を動かしてください（期限切れを戻します）",
        ),
        "発信中のまま動かない通話": (
            select(func.count()).select_from(calls).where(is_live, c.line_state == "placing", c.opened_at < late),
            "電話の設備を確かめ、callflow correct review で調べてください",
        ),
        "人の確認を待つ通話": (
            select(func.count()).select_from(calls).where(is_live, c.line_state == "needs_review"),
            "callflow correct review で調べ、callflow correct resolve で終わらせてください",
        ),
    }
    with around.database.read() as conn:
        counted = {what: int(conn.execute(query).scalar_one()) for what, (query, _) in looked.items()}
    for what, count in counted.items():
        if count:
            yield warning(f"{what}が {count:,} 件あります", looked[what][1], count=count)
    if not any(counted.values()):
        yield ok("待ち行列と通話に、滞りはありません")


def tallies(around: Surroundings) -> Iterator[Finding]:
    """Whether the counts of outcomes are those of the calls, counted one by one."""
    with around.database.read() as conn:
        municipality_id = _municipality_id(conn, around)
        found = astray(conn, municipality_id) if municipality_id is not None else {}
    for (campaign, code), by in found.items():
        words = f"キャンペーン {campaign} の {code} の件数が、通話と {by:+,} 件違います"
        yield problem(words, "callflow db recount を実行してください", campaign=campaign, disposition=code, by=by)
    if not found:
        yield ok("結果ごとの件数は、通話と合っています")


def municipality(around: Surroundings) -> Iterator[Finding]:
    """Whether the configured municipality is in the database."""
    code = around.config.municipality.code
    with around.database.read() as conn:
        found = _municipality_id(conn, around)
    if found is None:
        yield problem(f"自治体 {code} が登録されていません", "callflow init を実行してください")
    else:
        yield ok(f"自治体 {code} が登録されています")


def _municipality_id(conn: Connection, around: Surroundings) -> int | None:
    code = around.config.municipality.code
    return conn.execute(select(municipalities.c.id).where(municipalities.c.code == code)).scalar()
