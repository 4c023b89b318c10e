"""A resident calls back (R28): found by an exact number, or by full kana and birth date; never by browsing.

A search has one answer or none, is on record without its words, and is counted: so many an hour and operator. What the
contractor may not see (protected households, cases of no campaign, cases in the hands of staff) answers like what is
not there; then the ward calls back, told only what was typed. A call that is opened stands at the script's `inbound`
state with nobody verified, and uses up no attempt.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, null, or_, select

from callflow.access.auditlog import audit
from callflow.access.views import FOUND, FOUND_FOR
from callflow.calls import Calls
from callflow.clock import Clock
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from callflow.intake.phones import parse_phone
from callflow.script.fields import parse_date
from callflow.shelf import Shelf
from callflow.standing import Opening, Standing
from callflow.typed import chosen_settings
from models.database import Database
from models.tables import (
    accounts,
    arrears,
    audit_events,
    calls,
    campaigns,
    cases,
    debtor_phones,
    debtors,
    holds_operator,
    households,
    is_live,
    phone_numbers,
    queue_entries,
    suppressions,
)

NOT_FOUND = "not_found"
"""The answer of the `inbound` state for a caller who is not found."""

AT_WORK = ("running", "paused")
"""The states of a campaign whose cases residents may call back about."""

HOUR = timedelta(hours=1)
_SMALL = str.maketrans("ァィゥェォッャュョヮヵヶ", "アイウエオツヤユヨワカケ")
_DASHES = str.maketrans(dict.fromkeys("-‐‑‒–—―−～~", "ー"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed: a whole number, or a full name in kana and the day of birth. A number that several people share
    needs the name besides."""

    phone: str = ""
    kana: str = ""
    born: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The one case that the caller means."""

    case_id: int


@dataclass(frozen=True, slots=True)
class NotFound:
    """Nobody, or nobody whom the contractor may see. `shared`: several people have the number, the name decides."""

    shared: bool = False


@dataclass(frozen=True, slots=True)
class _Wanted:
    e164: str
    kana: str
    born: date | None

    @property
    def fields(self) -> str:
        """What the record says was asked by: names of fields, never values."""
        given = {"phone": self.e164, "kana": self.kana, "birth_date": self.born}
        return ",".join(name for name, value in given.items() if value)


class Inbound:
    """The calls of residents who call back, in one municipality. Safe to share between threads and processes."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calls_desk: Calls,
        shelf: Shelf,
        municipality_id: int,
        *,
        area_code: str,
        searches_per_hour: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calls = calls_desk
        self._shelf = shelf
        self._municipality_id = municipality_id
        self._area_code = area_code
        self._cap = searches_per_hour

    def find(self, operator_id: int, asked: Asked) -> Found | NotFound:
        """The one case meant. Raises InputError for what cannot be read, RefusedError past the hour's searches."""
        wanted = _read(asked, self._area_code)

        def work(conn: Connection) -> Found | NotFound:
            now = self._clock.now()
            self._count(conn, operator_id, now)
            people = _people(conn, self._municipality_id, wanted)
            meant = _cases(conn, self._municipality_id, [row.debtor_id for row in people], now)
            shared = len({row.debtor_id for row in meant}) > 1
            thing, by = "case:none", ""
            if meant and not shared:
                number = next(row.number_id for row in people if row.debtor_id == meant[0].debtor_id)
                thing, by = f"case:{meant[0].id}", f"number:{number}" if number is not None else ""
            audit(conn, self._municipality_id, now, operator_id, FOUND, thing, purpose=by, fields=wanted.fields)
            return Found(meant[0].id) if meant and not shared else NotFound(shared)

        return self._database.transact(work)

    def open(self, operator_id: int, case_id: int) -> Standing:
        """Opens the call of a case that this operator found just now, and begins at the script's `inbound` state.

        Raises NotFoundError for any other case, RefusedError where the case, its household or the operator is in a
        call, or the script has no beginning for residents who call back.
        """
        now = self._clock.now()
        with self._database.read() as conn:
            number_id = self._number_found(conn, operator_id, case_id, now)
            campaign = _campaign_of(conn, self._municipality_id, case_id)
            script = self._shelf.flow(conn, self._municipality_id, campaign.script_hash).script
        if "inbound" not in script.starts:
            mend = "台本の starts に inbound を書いて公開してください"
            raise RefusedError("この台本には、折り返しを受ける始まりがありません", mend=mend)
        opening = Opening(
            case_id=case_id,
            operator_id=operator_id,
            script_hash=campaign.script_hash,
            settings=json.loads(campaign.settings),
            number_id=number_id,
            direction="inbound",
        )
        call_id = self._calls.open(opening, allow=lambda conn: self._allow(conn, opening))
        return self._calls.begin(call_id, operator_id)

    def line_for_strangers(self) -> str:
        """What the script of the work at hand says to a caller who is not found; empty where none has such a line."""
        g = campaigns.c
        hashes = (
            select(g.script_hash).where(g.municipality_id == self._municipality_id, g.state.in_(AT_WORK)).distinct()
        )
        with self._database.read() as conn:
            for script_hash in conn.execute(hashes.distinct()).scalars().all():
                script = self._shelf.flow(conn, self._municipality_id, script_hash).script
                start = script.states.get(script.starts.get("inbound", ""))
                answer = start.answers.get(NOT_FOUND) if start else None
                if answer and (state := script.states.get(next(iter(answer.to.values)))):
                    return state.says.pick(chosen_settings(script, {})).strip()
        return ""

    def _count(self, conn: Connection, operator_id: int, now: datetime) -> None:
        """One search more of this hour's; their account is locked, so that two terminals count alike."""
        mine = (accounts.c.municipality_id == self._municipality_id, accounts.c.id == operator_id)
        conn.execute(select(accounts.c.id).where(*mine).with_for_update(key_share=True))
        a = audit_events.c
        lately = (a.municipality_id == self._municipality_id, a.at > now - HOUR)
        searched = (*lately, a.actor_id == operator_id, a.verb == FOUND)
        if conn.execute(select(func.count()).select_from(audit_events).where(*searched)).scalar_one() >= self._cap:
            mend = "区から折り返す旨を伝え、「区からの折返し」に記録してください"
            raise RefusedError(f"検索は1時間に{self._cap}回までです", mend=mend)

    def _number_found(self, conn: Connection, operator_id: int, case_id: int, now: datetime) -> int | None:
        """The number by which this operator found the case just now. Raises NotFoundError if they did not."""
        a = audit_events.c
        row = conn.execute(
            select(a.purpose)
            .where(
                a.municipality_id == self._municipality_id,
                a.at > now - FOUND_FOR,
                a.actor_id == operator_id,
                a.verb == FOUND,
                a.object == f"case:{case_id}",
            )
            .order_by(a.id.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            raise NotFoundError("検索の結果は古くなっています", mend="もう一度検索してください")
        return int(row.purpose.removeprefix("number:")) if row.purpose else None

    def _allow(self, conn: Connection, opening: Opening) -> None:
        """Inside the transaction that opens the call: still one that may be seen, and nobody in a call with it."""
        c, m = calls.c, self._municipality_id
        about = cases.c.municipality_id == m, cases.c.id == opening.case_id
        case = conn.execute(select(cases.c.debtor_id, cases.c.household_id).where(*about)).one()
        if opening.case_id not in [row.id for row in _cases(conn, m, [case.debtor_id], self._clock.now())]:
            raise NotFoundError("この案件は受けられなくなりました", mend="区から折り返す旨を伝えてください")
        same = [c.household_id == case.household_id, and_(c.operator_id == opening.operator_id, holds_operator)]
        if opening.number_id is not None:
            same.append(c.number_id == opening.number_id)
        live = conn.execute(select(calls).where(c.municipality_id == m, is_live, or_(*same)).limit(1)).one_or_none()
        if live is not None:
            what, mend = _in_the_way(live, opening.operator_id)
            raise RefusedError(what, mend=mend)


def folded_kana(text: str) -> str:
    """Kana as they are compared: width, the two kana, small letters, dashes and blanks alike."""
    plain = unicodedata.normalize("NFKC", text)
    katakana = "".join(chr(ord(one) + 0x60) if "ぁ" <= one <= "ゖ" else one for one in plain)
    return "".join(katakana.translate(_SMALL).translate(_DASHES).replace("・", "").split())


def _read(asked: Asked, area_code: str) -> _Wanted:
    e164, kana = "", folded_kana(asked.kana)
    if asked.phone.strip():
        phone = parse_phone(asked.phone, area_code)
        if phone.e164 is None or phone.note:
            reason = phone.reason or "番号のほかの文字があります"
            raise InputError(reason, where=Where(field="phone"), mend="市外局番から、番号全体を入れてください")
        e164 = phone.e164
    born = parse_date(unicodedata.normalize("NFKC", asked.born).strip()) if asked.born.strip() else None
    if asked.born.strip() and (born is None or born.year < 100):
        raise InputError("生年月日として読めません", where=Where(field="born"), mend="例: S40.1.2、1965-01-02")
    if not e164 and not (kana and born):
        raise InputError(
            "電話番号全体か、フルネームのカナと生年月日が要ります",
            where=Where(field="phone"),
            mend="一部だけでは探せません",
        )
    return _Wanted(e164, kana, born)


def _people(conn: Connection, municipality_id: int, wanted: _Wanted) -> list[Row[Any]]:
    """The debtors with that number (not one that proved wrong), or born on that day, whose name reads so."""
    d, p, n = debtors.c, debtor_phones.c, phone_numbers.c
    query = select(d.id.label("debtor_id"), d.kana, null().label("number_id"))
    if wanted.e164:
        query = (
            select(d.id.label("debtor_id"), d.kana, n.id.label("number_id"))
            .join(debtor_phones, and_(p.municipality_id == d.municipality_id, p.debtor_id == d.id))
            .join(phone_numbers, and_(n.municipality_id == p.municipality_id, n.id == p.number_id))
            .where(n.municipality_id == municipality_id, n.e164 == wanted.e164, n.status != "wrong")
        )
    query = query.where(d.municipality_id == municipality_id)
    if wanted.born is not None:
        query = query.where(d.birth_date == wanted.born)
    return [row for row in conn.execute(query) if not wanted.kana or folded_kana(row.kana) == wanted.kana]


def _cases(conn: Connection, municipality_id: int, debtor_ids: list[int], now: datetime) -> list[Row[Any]]:
    """The cases of these people that an operator may talk about, the last called first."""
    c, h, d, s, k = cases.c, households.c, debtors.c, suppressions.c, calls.c
    here = c.municipality_id == municipality_id
    called = select(func.max(k.opened_at)).where(k.municipality_id == municipality_id, k.case_id == c.id)
    stopped = exists().where(
        s.municipality_id == municipality_id,
        or_(s.case_id == c.id, s.household_id == c.household_id),
        s.lifted_at.is_(None),
        or_(s.until.is_(None), s.until > now),
    )
    owed = exists().where(
        arrears.c.municipality_id == municipality_id, arrears.c.case_id == c.id, arrears.c.active, arrears.c.unpaid > 0
    )
    query = (
        select(c.id, c.debtor_id, called.scalar_subquery().label("called"))
        .join(households, and_(h.municipality_id == c.municipality_id, h.id == c.household_id))
        .join(debtors, and_(d.municipality_id == c.municipality_id, d.id == c.debtor_id))
        .where(here, c.debtor_id.in_(debtor_ids), c.status == "open", ~h.protected, ~d.is_corporate, owed, ~stopped)
        .where(exists(_in_campaigns(municipality_id).where(queue_entries.c.case_id == c.id)))
    )
    rows: list[Row[Any]] = list(conn.execute(query))
    return sorted(rows, key=lambda row: (-row.called.timestamp() if row.called else 0.0, row.id))


def _in_campaigns(municipality_id: int) -> Any:
    """Places in the queues of campaigns that are not over: what the operators work on."""
    q, g = queue_entries.c, campaigns.c
    return (
        select(q.case_id, g.script_hash, g.settings, g.state, g.id)
        .join(campaigns, and_(g.municipality_id == q.municipality_id, g.id == q.campaign_id))
        .where(q.municipality_id == municipality_id, g.state.in_(AT_WORK))
    )


def _campaign_of(conn: Connection, municipality_id: int, case_id: int) -> Row[Any]:
    """The campaign whose script and settings the call is held by: a running one, the newest."""
    g = campaigns.c
    found = _in_campaigns(municipality_id).where(queue_entries.c.case_id == case_id)
    row: Row[Any] | None = conn.execute(found.order_by(g.state.desc(), g.id.desc()).limit(1)).one_or_none()
    if row is None:
        raise NotFoundError("この案件は受けられなくなりました", mend="区から折り返す旨を伝えてください")
    return row


def _in_the_way(live: Row[Any], operator_id: int) -> tuple[str, str]:
    """What is wrong and how to mend it, where a call is live already."""
    if live.line_state == "needs_review":
        what = "この世帯への発信がどうなったか、まだ分かっていません"
        return what, "業務責任者に確認待ちを解消してもらってください"
    if live.operator_id == operator_id:
        return "まだ終わっていない通話があります", "いまの通話を終えてから受けてください"
    if live.direction == "inbound":
        return "この世帯の電話を、ほかの担当者が受けています", "その担当者か業務責任者に取り次いでください"
    return "この世帯へ、ほかの担当者がいま電話をかけています", "その担当者か業務責任者に取り次いでください"
