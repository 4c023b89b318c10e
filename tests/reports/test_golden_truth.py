"""Golden truth: a stretch of simulated days whose own ledger knows every outcome, promise, payment, signal, slip and
living report; the reports must say exactly that.

The ledger hears what the engine acknowledged to the operators at each call's end, decides itself who pays and which
forms come back, and never looks at the tables that the reports read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from callflow.clock import TOKYO
from callflow.effects import CancelLivingReport, MakePromise, RaiseContactSlip, RequestLivingReport
from callflow.followup import promises as judged
from callflow.followup import reports as forms
from callflow.followup.history import Who
from callflow.followup.terms import rules_of
from callflow.intake.importer import import_file
from callflow.reports import aftermath, catalogue
from callflow.reports.asking import Ask
from callflow.reports.figures import Period, Rate
from callflow.reports.tally import total
from callflow.simulation.room import Room
from callflow.simulation.sample import write
from callflow.standing import Closed
from models.database import Database
from models.tables import arrears, cases, debtors, promise_arrears, promises, shifts
from scheduler.calendar import tokyo_date, tokyo_midnight
from tests.conftest import START
from tests.shift import Shift, begin

NO_CONTACT = {"NA", "BZ", "FX", "DN", "NW", "AM0", "AM1", "TF"}
GRACE = 10
TO_STAFF = 2
"""The policy's days of grace, and with which broken promise a case goes to the ward's staff, as a slip."""


@dataclass
class Promised:
    """What was said, and what the ledger will let happen: `share` of the amount comes in on the due day."""

    case_id: int
    amount: int
    due: date
    share: float
    state: str = "open"
    paid: int = 0


@dataclass
class Ledger:
    outcomes: Counter[str] = field(default_factory=Counter)
    hard_cases: set[int] = field(default_factory=set)
    signalled: set[int] = field(default_factory=set)
    slips: int = 0
    promised: list[Promised] = field(default_factory=list)
    form_open: set[int] = field(default_factory=set)  # households
    forms: int = 0
    forms_sent: int = 0
    forms_back: int = 0
    forms_cancelled: int = 0

    def closed(self, case_id: int, household: int, code: str, effects: Any) -> None:
        self.outcomes[code] += 1
        if code in ("HS", "HC", "HR"):
            self.hard_cases.add(case_id)
        for effect in effects:
            match effect:
                case MakePromise():
                    self._promise(case_id, effect)
                case RaiseContactSlip():
                    self.slips += 1
                case RequestLivingReport() if household not in self.form_open:
                    self.form_open.add(household)
                    self.forms += 1
                case CancelLivingReport() if household in self.form_open:
                    self.form_open.remove(household)
                    self.forms_cancelled += 1

    def _promise(self, case_id: int, said: MakePromise) -> None:
        for each in self.promised:
            if each.case_id == case_id and each.state == "open":
                each.state = "replaced"
        share = (1.0, 0.5, 0.0)[len(self.promised) % 3]
        self.promised.append(Promised(case_id, said.amount, date.fromisoformat(said.due_on), share))

    def judge(self, today: date) -> None:
        """The ledger's own verdicts, from its own decisions."""
        for each in self.promised:
            if each.state == "open" and each.paid >= each.amount:
                each.state = "kept"
            elif each.state == "open" and today > each.due + timedelta(days=GRACE):
                each.state = "partial" if each.paid else "broken"
                broken = [one for one in self.promised if (one.case_id, one.state) == (each.case_id, "broken")]
                self.slips += each.state == "broken" and len(broken) >= TO_STAFF


def listen(room: Room, ledger: Ledger) -> None:
    """Lets the ledger hear each end of a call, and each signal that was taken."""
    close, end_line, signal = room.calls.close, room.calls.end_line, room.calls.signal
    with room.database.read() as conn:
        c = cases.c
        households = {row.id: row.household_id for row in conn.execute(select(c.id, c.household_id))}
    of_call: dict[int, int] = {}

    def heard(done: Closed | None) -> Closed | None:
        if done is not None:
            ledger.closed(done.case_id, households[done.case_id], done.disposition, done.effects)
            if done.call_id in of_call:
                ledger.signalled.add(done.case_id)
        return done

    def closing(*args: Any, **kw: Any) -> Closed | None:
        return heard(close(*args, **kw))

    def ending(*args: Any, **kw: Any) -> Closed | None:
        return heard(end_line(*args, **kw))

    def signalling(call_id: int, *args: Any) -> Any:
        standing = signal(call_id, *args)
        if not standing.refused:
            of_call[call_id] = call_id
        return standing

    room.calls.close, room.calls.end_line = closing, ending  # type: ignore[method-assign, assignment]
    room.calls.signal = signalling  # type: ignore[method-assign]


def pay(shift: Shift, database: Database, ledger: Ledger, day: date, folder: Path) -> None:
    """What falls due on the day comes in by a file, as far as the ledger lets it."""
    due = {each.case_id: each for each in ledger.promised if each.due == day and each.state == "open" and each.share}
    p, a, d, k = promises.c, arrears.c, debtors.c, cases.c
    rows = []
    with database.write() as conn:
        conn.execute(update(cases).where(k.municipality_id == shift.municipality_id).values(payments_as_of=day))
        for case_id, each in due.items():
            left = each.paid = int(each.amount * each.share)
            found = conn.execute(
                select(a.notice_no, a.levy_year, a.instalment, promise_arrears.c.amount, d.addressee_no)
                .join(promise_arrears, promise_arrears.c.arrear_id == a.id)
                .join(promises, p.id == promise_arrears.c.promise_id)
                .join(cases, k.id == a.case_id)
                .join(debtors, d.id == k.debtor_id)
                .where(p.case_id == case_id, p.due_on == day, p.state == "open")
                .order_by(a.due_on)
            )
            for notice, year, instalment, amount, addressee in found:
                part = min(left, amount)
                left -= part
                words = (addressee, notice, "10", str(year), str(instalment), day.isoformat(), str(part), "")
                names = ("宛名番号", "通知書番号", "科目コード", "賦課年度", "期別", "収納日", "収納額", "取消区分")
                rows += [dict(zip(names, words, strict=True)) | {"収納データ基準日": day.isoformat()}] if part else []
    if rows:
        file = folder / f"paid-{day}.csv"
        write(file, rows, encoding="cp932", payments=True)
        by = shift.people["ward01"]
        import_file(database, file, municipality_id=shift.municipality_id, actor_id=by, now=shift.clock.now())


def post(shift: Shift, database: Database, ledger: Ledger) -> None:
    """Staff send the forms with an odd number, and every second of them comes back at the next look."""
    who = Who(shift.municipality_id, shift.people["ward01"], shift.clock.now())
    with database.write() as conn:
        r = forms.living_reports.c
        out = conn.execute(select(r.id, r.household_id).where(r.state == "sent")).all()
        for row in out:
            if row.id % 4 == 1:
                forms.returned(conn, who, row.id)
                ledger.forms_back += 1
                ledger.form_open.remove(row.household_id)
        chosen = [one for one in forms.waiting(conn, shift.municipality_id) if one % 2]
        ledger.forms_sent += len(forms.send(conn, who, chosen, rules_of(shift.config))) if chosen else 0


def simulate(database: Database, folder: Path, households: int, days: int) -> tuple[Shift, Ledger]:
    shift = begin(database, folder, households=households)
    with database.write() as conn:
        conn.execute(update(shifts).values(until=START + timedelta(days=days + 30)))
    room, ledger = shift.room(database), Ledger()
    listen(room, ledger)
    for number in range(days):
        morning = START + timedelta(days=number)
        if morning > shift.clock.now():
            shift.clock.advance_to(morning)
        room.run(morning + timedelta(hours=1))
        _evening(shift, database, ledger, folder)
    for day in sorted({each.due for each in ledger.promised} | {tokyo_date(START) + timedelta(days=days + 30)}):
        if day > tokyo_date(shift.clock.now()):  # the promises run out
            shift.clock.advance_to(tokyo_midnight(day) + timedelta(hours=17))
            _evening(shift, database, ledger, folder)
    return shift, ledger


def _evening(shift: Shift, database: Database, ledger: Ledger, folder: Path) -> None:
    today = tokyo_date(shift.clock.now())
    pay(shift, database, ledger, today, folder)
    post(shift, database, ledger)
    judged.judge_due(database, shift.municipality_id, shift.clock.now(), rules_of(shift.config))
    ledger.judge(today)


def asked(shift: Shift, conn: Any) -> Ask:
    whole = Period(START.astimezone(TOKYO).date(), tokyo_date(shift.clock.now()))
    now: datetime = shift.clock.now()
    return Ask(conn, shift.municipality_id, whole, now, shift.config, "ward", shift.people["ward01"])


@pytest.mark.parametrize(
    ("households", "days"), [(26, 1), pytest.param(1_500, 365, marks=[pytest.mark.deep, pytest.mark.timeout(7_000)])]
)
def test_the_reports_are_the_ledgers(empty_database: Database, tmp_path: Path, households: int, days: int) -> None:
    shift, ledger = simulate(empty_database, tmp_path, households, days)
    with empty_database.read() as conn:
        ask = asked(shift, conn)
        one = total(ask)
        outcomes = catalogue.made(catalogue.BY_NAME["outcomes"], ask).sections[0].table.rows
        funnel = {str(row[0]): row[1] for row in catalogue.made(catalogue.BY_NAME["c8"], ask).sections[0].table.rows}
        sheet = catalogue.made(catalogue.BY_NAME["c3"], ask).sections[0].table.rows[0]
        made: Counter[str] = sum(aftermath.promise_states(ask).values(), Counter())
        slips = aftermath.slip_times(ask).raised.total()
        found = aftermath.LivingReports(ask)
    assert {row[0]: row[2] for row in outcomes} == dict(ledger.outcomes)
    contacts = sum(count for code, count in ledger.outcomes.items() if code not in NO_CONTACT)
    assert one.answer_rate == Rate(contacts, ledger.outcomes.total() - ledger.outcomes["TF"])
    assert funnel["シグナルのあった案件"] == len(ledger.signalled)
    assert funnel["生活困窮の結果（HS・HC・HR）の案件"] == len(ledger.hard_cases)
    said = Counter(each.state for each in ledger.promised)
    assert {state: made[state] for state in ("open", "kept", "partial", "broken", "replaced")} == {
        state: said[state] for state in ("open", "kept", "partial", "broken", "replaced")
    }
    assert (made["made"], made["yen"]) == (len(ledger.promised), sum(each.amount for each in ledger.promised))
    assert min(said["kept"], said["partial"], said["broken"], ledger.forms, len(ledger.signalled)) > 0, ledger
    assert slips == ledger.slips
    assert (len(found), len(found.sent)) == (ledger.forms, ledger.forms_sent)
    assert found.return_rate == Rate(ledger.forms_back, ledger.forms_sent)
    assert (sheet[0], sheet[2], sheet[5]) == (ledger.forms, ledger.forms_sent, 0)
