"""The audit pack (C10, R66): one file with what shows how the work was checked, for whoever was not there.

It holds no names, numbers, addresses or texts of residents: calls stand by their numbers, people of the two
organisations by their logins. The same data at the same time make the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select, true

from callflow.access import verifier
from callflow.access.alarms import KIND_WORDS
from callflow.access.auditlog import audit
from callflow.clock import TOKYO
from callflow.errors import InputError, RefusedError, Where
from callflow.quality import Rule, sample, talks_of
from callflow.reports import catalogue, files
from callflow.reports.asking import Ask
from callflow.retention.certificates import digest
from callflow.scorecard import CARD
from models.database import Database
from models.tables import accounts, audit_alerts, erasures, scorecards

PACKED: Final = "audit:pack"
REPORTS: Final = ("c8", "c10", "c11", "c13")
LONGEST_PURPOSE: Final = 500
README: Final = """監査パック（委託の点検）

quality/sample.csv      品質確認で抽出した通話と、その採点（通話は番号、担当者はログイン名）
reports/c8.*            見落とした合図の割合（95%ウィルソン区間）
reports/c10.*           点検、警告と出来事、区の検査、日々の受渡し
reports/c11.*           組織ごとの行為
reports/c13.*           閲覧の記録
alarms.csv              閲覧の警告と、確かめた人
proof/verification.txt  記録の連鎖の検証（書いた側とは別のプログラム）
proof/anchors/          錨（署名した連鎖の頭）と公開鍵
erasures.json           消去の証明
manifest.json           各ファイルの SHA-256

住民の氏名・電話番号・住所・会話の内容は含みません。
"""


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack as it is given out."""

    name: str
    content: bytes
    files: int


def build(ask: Ask, database_url: str, anchors: Path) -> Pack:
    """The pack of a period, as one snapshot of the database shows it. Puts nothing on record: `give` does."""
    parts = dict(_parts(ask, database_url, anchors))
    manifest = {
        "period": str(ask.period),
        "made_at": ask.now.astimezone(UTC).isoformat(),
        "municipality": ask.config.municipality.code,
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted(parts.items())
        },
    }
    parts["manifest.json"] = _json(manifest)
    name = f"audit-pack_{ask.period.first}_{ask.period.last}.zip"
    return Pack(name, _zipped(parts, ask.now), len(parts))


def give(database: Database, ask: Ask, pack: Pack, roles: Iterable[str], purpose: str) -> None:
    """Puts on record that the pack leaves the program, before it does. Raises RefusedError, InputError."""
    if not {"staff", "auditor"} & set(roles):
        raise RefusedError("監査パックを作れるのは、区の職員と監査だけです", mend="必要な役割: staff、auditor")
    if not purpose.strip():
        raise InputError("目的がありません", where=Where(field="purpose"), mend="何のために要るかを書いてください")
    sha = hashlib.sha256(pack.content).hexdigest()
    what = f"{ask.period.first}/{ask.period.last},files={pack.files},sha256={sha}"
    words = purpose.strip()[:LONGEST_PURPOSE]
    m, now, by = ask.municipality_id, ask.now, ask.account_id
    database.transact(lambda conn: audit(conn, m, now, by, PACKED, "audit", purpose=words, fields=what))


def _parts(ask: Ask, database_url: str, anchors: Path) -> Iterator[tuple[str, bytes]]:
    yield "README.txt", README.encode()
    for name in REPORTS:
        report = catalogue.made(catalogue.named(name, ("staff",)), ask)
        yield f"reports/{name}.csv", files.csv_utf8(report)
        yield f"reports/{name}.json", files.as_json(report)
    yield "quality/sample.csv", _table(*_sample(ask))
    yield "alarms.csv", _table(*_alarms(ask))
    yield "erasures.json", _json(_erasures(ask))
    yield "proof/verification.txt", _proof(database_url, anchors)
    for path in sorted([*anchors.glob("[0-9]*.json"), *anchors.glob("*.pub")]):
        yield f"proof/anchors/{path.name}", path.read_bytes()


def _sample(ask: Ask) -> tuple[Sequence[str], list[Sequence[Any]]]:
    """The talks that the policy draws, with the scorecard that counts of each."""
    rule = ask.config.quality
    talks = talks_of(ask.conn, ask.municipality_id, ask.period.since, ask.period.until, true())
    picked = sample(talks, Rule(rule.sample_percent, rule.sample_at_least, frozenset(rule.sample_always)))
    s = scorecards.c
    cards: dict[int, Mapping[str, str]] = {}
    for row in ask.rows(select(s.call_id, s.answers).where(s.municipality_id == ask.municipality_id).order_by(s.id)):
        cards[row.call_id] = json.loads(row.answers)
    people = _logins(ask)
    heads = ("通話", "日時", "担当者", "結果", "抽出の理由", "採点", *(line.question for line in CARD))
    return heads, [
        (
            each.talk.call_id,
            _moment(each.talk.opened_at),
            people[each.talk.operator_id],
            each.talk.disposition,
            _WHY[each.why],
            "済" if each.talk.call_id in cards else "未",
            *(_ANSWERS[cards.get(each.talk.call_id, {}).get(line.key, "")] for line in CARD),
        )
        for each in picked
    ]


_WHY: Final = {"outcome": "必ず見る結果", "share": "割合", "least": "最低件数"}
_ANSWERS: Final = {"": "", "yes": "はい", "no": "いいえ", "none": "該当しない"}


def _alarms(ask: Ask) -> tuple[Sequence[str], list[Sequence[Any]]]:
    t, people = audit_alerts.c, _logins(ask)
    own = (t.municipality_id == ask.municipality_id, t.day >= ask.period.first, t.day <= ask.period.last)
    heads = ("日", "警告", "利用者", "件数", "最初", "最後", "確かめた人", "確かめた日時")
    return heads, [
        (
            row.day.isoformat(),
            KIND_WORDS[row.kind],
            people[row.account_id],
            row.count,
            _moment(row.first_at),
            _moment(row.last_at),
            people.get(row.seen_by, ""),
            _moment(row.seen_at) if row.seen_at else "",
        )
        for row in ask.rows(select(audit_alerts).where(*own).order_by(t.day, t.id))
    ]


def _erasures(ask: Ask) -> list[dict[str, Any]]:
    e = erasures.c
    done = select(e.certificate).where(
        e.municipality_id == ask.municipality_id, e.state == "done", ask.within(e.ended_at)
    )
    found = [json.loads(row.certificate) for row in ask.rows(done.order_by(e.id))]
    return [{**body, "sha256_of_certificate": digest(body)} for body in found]


def _proof(database_url: str, anchors: Path) -> bytes:
    """What the separate verifier says, without how long it took."""
    try:
        connection = verifier.connect(database_url)
    except verifier.CannotTell as no:
        report = verifier.Report(doubt=str(no))
    else:
        report = verifier.verify(connection, anchors)
        connection.close()
    verdict = {0: "破れはありません", 1: f"破れ {report.found:,} 件", 2: f"判断できません: {report.doubt}"}
    lines = [
        verdict[report.exit_code],
        f"通話 {report.calls:,} 件、記録 {report.events:,} 件、監査 {report.acts:,} 件、消去済み {report.erased:,} 件",
        f"錨 {report.anchors:,} 件、最後の錨 {report.last_anchor or 'なし'} {report.last_anchor_hash}",
        *(str(finding) for finding in report.findings),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _logins(ask: Ask) -> dict[Any, str]:
    a = accounts.c
    return dict(map(tuple, ask.rows(select(a.id, a.login).where(a.municipality_id == ask.municipality_id))))


def _moment(at: datetime) -> str:
    return f"{at.astimezone(TOKYO):%Y-%m-%d %H:%M}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows([files.harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def _zipped(parts: Mapping[str, bytes], now: datetime) -> bytes:
    """In the order of the names and with one time, so that the same parts make the same file."""
    made = now.astimezone(TOKYO).timetuple()[:6]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in sorted(parts.items()):
            entry = zipfile.ZipInfo(name, made)
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, content)
    return out.getvalue()
