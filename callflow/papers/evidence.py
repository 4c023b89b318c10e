"""A household's evidence (R11): every notice, call, consultation offer, slip, report, promise, visit and payment in one
document, with the proof of its calls. For the ward's staff, with a purpose; a protected household must be open.

What is proved is said with it: the calls' logs, by their chains and the signed anchors. Notices and payments are what
the imported lists say; what staff did afterwards is what they recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, or_, select

from callflow.access import verifier
from callflow.access.verifier import Leaf
from callflow.access.views import CaseView, Group, Viewer, see_cases
from callflow.config import Config
from callflow.errors import InputError, NotFoundError
from callflow.followup.history import Who
from callflow.papers import press
from callflow.papers.giving import Paper, hand_over, may_print, must_be_open, printer_of
from callflow.papers.happened import Entry, entries
from callflow.playback import Verdict, against_records, verify_call
from callflow.shelf import Shelf
from models.database import Database
from models.tables import call_events, calls, cases, debtors, households

GIVEN: Final = "evidence:export"
GROUPS: Final[tuple[Group, ...]] = ("party", "identity", "debt", "follow_up", "history")
Format = Literal["pdf", "json"]


@dataclass(frozen=True, slots=True)
class Proof:
    """What proves one call. `anchor`: the last that covers it, `anchored` of its `events`; `fault` empty: nothing is
    wrong."""

    call_id: int
    events: int
    head: str
    anchor: str
    anchored: int
    fault: str
    erased: str

    @property
    def verdict(self) -> str:
        if self.fault:
            return f"合いません: {self.fault}"
        return f"連鎖は無傷（規則 {self.erased} により内容は消去済み）" if self.erased else "証明できました"


@dataclass(frozen=True, slots=True)
class Evidence:
    """`doubt`: why the anchors could not be asked, or what is wrong with them."""

    household_id: int
    household_no: str
    entries: Sequence[Entry]
    proofs: Sequence[Proof]
    last_anchor: str
    last_anchor_hash: str
    doubt: str


def household_of(conn: Connection, m: int, given: str) -> int:
    """The household of a case, a 宛名番号 or a 世帯番号. Raises NotFoundError, InputError where several fit."""
    c, d, h = cases.c, debtors.c, households.c
    wanted = [d.addressee_no == given, h.external_no == given]
    if given.isascii() and given.isdigit() and len(given) < 10:
        wanted.append(c.id == int(given))
    query = (
        select(c.household_id)
        .join(debtors, (d.municipality_id == c.municipality_id) & (d.id == c.debtor_id))
        .join(households, (h.municipality_id == c.municipality_id) & (h.id == c.household_id))
        .where(c.municipality_id == m, or_(*wanted))
        .distinct()
    )
    found = conn.execute(query).scalars().all()
    if not found:
        raise NotFoundError("その案件・世帯はありません", mend="案件の番号、宛名番号か世帯番号を指定してください")
    if len(found) > 1:
        raise InputError("その番号の世帯がいくつもあります", mend="案件の番号を指定してください")
    return int(found[0])


def handed(
    database: Database,
    config: Config,
    shelf: Shelf,
    who: Who,
    viewer: Viewer,
    given: str,
    purpose: str,
    fmt: Format = "pdf",
) -> Paper:
    """The document of the household of `given`, on record. Raises as `household_of`, RefusedError, InputError;
    SealedError for a protected household that is not open; as `press.pdf`."""
    m = who.municipality_id
    with database.read() as conn:
        words, by = may_print(conn, who, purpose), printer_of(conn, who)
        household = household_of(conn, m, given.strip())
        c = cases.c
        own = select(c.id).where(c.municipality_id == m, c.household_id == household).order_by(c.id)
        case_ids = list(conn.execute(own).scalars())
        must_be_open(conn, who, case_ids)
    people = see_cases(database, m, viewer, case_ids, GROUPS, who.now, purpose=words)
    with database.read() as conn:
        found = gathered(conn, config, shelf, m, household)
    content = _pdf(found, people, config, who, by, words) if fmt == "pdf" else _json(found, people, who, words)
    kind = {"pdf": "application/pdf", "json": "application/json"}[fmt]
    paper = (f"evidence_household_{household}.{fmt}", kind, content, len(found.entries))
    return hand_over(database, who, GIVEN, f"household:{household}", words, paper)


def gathered(conn: Connection, config: Config, shelf: Shelf, m: int, household_id: int) -> Evidence:
    """All that is known of a household, with the verdict on each of its calls as of now."""
    k, h = calls.c, households.c
    query = select(k.id, k.event_count, k.head_hash).where(k.municipality_id == m, k.household_id == household_id)
    rows = conn.execute(query.order_by(k.id)).all()
    report, leaves = verifier.anchored(((m, row.id) for row in rows), config.audit.anchors)
    verdicts = against_records(conn, m, [verify_call(conn, shelf, m, row.id) for row in rows])
    proofs = [
        _proof(conn, m, row, verdict, leaves.get((m, row.id), [])) for row, verdict in zip(rows, verdicts, strict=True)
    ]
    number = conn.execute(select(h.external_no).where(h.municipality_id == m, h.id == household_id)).scalar_one()
    return Evidence(
        household_id,
        number,
        entries(conn, shelf, m, household_id),
        proofs,
        report.last_anchor.removesuffix(".json"),
        report.last_anchor_hash,
        report.doubt or "。".join(map(str, report.findings[:3])),
    )


def _proof(conn: Connection, m: int, row: Any, verdict: Verdict, leaves: Sequence[Leaf]) -> Proof:
    _, count, head, anchor = leaves[-1] if leaves else ((0, 0), 0, "", "")
    name, head_hash = anchor.removesuffix(".leaves"), (row.head_hash or b"").hex()
    fault = f"通番 {verdict.seq}: {verdict.fault}" if verdict.fault else ""
    if not fault and anchor and _hash_at(conn, m, row.id, count) != head:
        fault = f"錨 {name} の証した {count} 件と違います"
    return Proof(row.id, row.event_count, head_hash, name, count, fault, verdict.erased)


def _hash_at(conn: Connection, m: int, call_id: int, seq: int) -> str:
    """The head after so many events, as the log has it."""
    e = call_events.c
    query = select(e.hash).where(e.municipality_id == m, e.call_id == call_id, e.seq == seq)
    return (conn.execute(query).scalar() or b"").hex()


def _pdf(found: Evidence, people: Mapping[int, CaseView], config: Config, who: Who, by: str, purpose: str) -> bytes:
    claims = {each.claim_type: config.claim(each.claim_type).name for each in people.values()}
    html = press.rendered(
        "evidence_sheet.html",
        found=found,
        people=list(people.values()),
        claims=claims,
        ward=config.municipality.ward,
        purpose=purpose,
        by=by,
        now=who.now,
    )
    return press.document("evidence.html", "折衝経過の証拠書", [press.Sheet(f"世帯 {found.household_no}", html)])


def _json(found: Evidence, people: Mapping[int, CaseView], who: Who, purpose: str) -> bytes:
    data = {
        "household": found.household_no,
        "made_at": who.now.isoformat(),
        "purpose": purpose,
        "cases": [
            {"case": each.case_id, "claim_type": each.claim_type, "name": each.name, "kana": each.kana}
            for each in people.values()
        ],
        "entries": [asdict(each) for each in found.entries],
        "proofs": [asdict(each) | {"verdict": each.verdict} for each in found.proofs],
        "last_anchor": found.last_anchor,
        "last_anchor_hash": found.last_anchor_hash,
        "doubt": found.doubt,
    }
    return (json.dumps(data, ensure_ascii=False, indent=2, default=lambda value: value.isoformat()) + "\n").encode()
