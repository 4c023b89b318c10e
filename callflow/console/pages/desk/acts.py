"""What an operator does at the desk. Each act names the call and the step that the screen showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, update
from starlette.responses import Response

from callflow import attendance
from callflow.calllog import by_operator
from callflow.clock import TOKYO
from callflow.console import typed as keys
from callflow.console.pages.desk.place import (
    Dialling,
    Preview,
    Talking,
    is_progressive,
    place_of,
    running_campaigns,
    talk_in,
)
from callflow.console.pages.desk.screens import BREAKS, is_at, show, show_talk, talk_parts, why_nothing
from callflow.console.pages.desk.talk import CHECK, fields_of, identity_answers
from callflow.console.visit import Visit
from callflow.errors import InputError, RefusedError
from callflow.script.model import Script
from callflow.standing import Standing
from callflow.switchboard import DialRefusedError
from callflow.telephony.manual import TOLD_BY_KEY, ManualPhone
from callflow.typed import check_callback
from models.live import announce
from models.tables import desks, memos
from scheduler.calendar import Calendar
from scheduler.dealing import Deal, NothingNow

LONGEST_MEMO = 2_000


def deal_next(visit: Visit) -> Response:
    """The next case, for an operator who has none."""
    return _after(visit, nothing=_deal(visit))


def dial(visit: Visit) -> Response:
    """Calls the case that is on the screen; another one changes nothing."""
    place = place_of(visit.site, visit.who.account_id, visit.now)
    if not isinstance(place, Preview) or str(place.deal.claim.case_id) != visit.typed("case"):
        return _after(visit)
    if visit.site.attended is not None and not _has_receiver(visit):
        return _after(visit, refused=visit.say("先に、ご自分の電話をつないでください。"))
    try:
        visit.site.switchboard.dial(place.deal, visit.who.account_id)
    except RefusedError as error:
        return _after(visit, refused=f"{error.what} {error.mend}".strip(), nothing=_deal(visit))
    visit.site.switchboard.listen()
    return _after(visit)


def _has_receiver(visit: Visit) -> bool:
    with visit.site.database.read() as conn:
        found = attendance.receiver_of(conn, visit.site.municipality_id, visit.who.account_id)
    return found is not None and found.state != "gone"


def tell_line(visit: Visit) -> Response:
    """What the desk phone did, in the operator's word."""
    place, phone = place_of(visit.site, visit.who.account_id, visit.now), visit.site.phone
    kind = TOLD_BY_KEY.get(visit.typed("key"), "")
    if not is_at(place, visit.typed("call")) or not isinstance(phone, ManualPhone) or not kind:
        return _after(visit)
    assert isinstance(place, Dialling | Talking)
    phone.tell(place.call.attempt_ref, kind)
    visit.site.switchboard.listen()
    return _after(visit, nothing=_deal_if_free(visit))


def cancel(visit: Visit) -> Response:
    """Stops ringing."""
    place = place_of(visit.site, visit.who.account_id, visit.now)
    if isinstance(place, Dialling) and is_at(place, visit.typed("call")):
        visit.site.switchboard.hang_up(place.call.id)
        visit.site.switchboard.listen()
    return _after(visit, nothing=_deal_if_free(visit))


def answer(visit: Visit) -> Response:
    """Takes an answer; what cannot be read comes back with the reason beside the field."""
    return _shown(visit, _in_talk(visit, _give))


def back(visit: Visit) -> Response:
    """One answer back."""
    return _shown(visit, _in_talk(visit, _go_back))


@dataclass(frozen=True, slots=True)
class _Done:
    """What an act made of the talk that the form names: the talk as it was and as it is by now, and what its screen
    shows; or why the form could not be read.
    """

    was: Talking
    now: Talking
    parts: dict[str, Any]
    unreadable: InputError | None = None


Last = tuple[str, str] | None
"""The state and the answer that stepping back would take back."""


def _in_talk(
    visit: Visit, act: Callable[[Connection, Visit, Talking], tuple[Talking, Last]], *, stays: bool = True
) -> _Done | None:
    """`act` on the talk that the form names and, where its screen `stays`, what is to be shown after it, in one
    transaction; None if the operator is not in that talk.
    """

    def work(conn: Connection) -> _Done | None:
        place = talk_in(conn, visit.site, visit.who.account_id)
        if place is None or not is_at(place, visit.typed("call")):
            return None
        try:
            after, last = act(conn, visit, place)
        except InputError as error:
            return _Done(place, place, {}, error)
        return _Done(place, after, talk_parts(conn, visit, after, last) if stays else {})

    return visit.site.database.transact(work)


def _shown(visit: Visit, done: _Done | None) -> Response:
    """The screen after an act; where it changed nothing, the desk as it truly stands."""
    if done is None or done.now.standing.refused:
        return _after(visit, refused=done.now.standing.refused if done else "")
    if done.unreadable is not None:
        return _unreadable(visit, done.was, done.unreadable)
    return show_talk(visit, done.now, done.parts) if visit.swaps else _after(visit)


def _give(conn: Connection, visit: Visit, place: Talking) -> tuple[Talking, Last]:
    """The answer of the form, with its fields, and the memo beside it. Raises InputError for what cannot be read."""
    site, call, standing, name = visit.site, place.call, place.standing, ""
    memo = _jotted(visit, place.memo)
    if memo != place.memo:  # it comes with every answer, mostly as it was
        _keep_memo(conn, visit, call.id, memo)
    script = site.shelf.flow(conn, site.municipality_id, call.script_hash).script
    for name in _names(visit, place):
        fields = _fields(visit, script, _sent(visit, place.standing, name))
        check_callback(script, fields, _calendar(visit, call, script), visit.now)
        standing = site.calls.answer_in(conn, call, _step(visit), name, fields)
        if not standing.refused:
            break
    return Talking(call, standing, memo), (place.standing.state, name)


def _go_back(conn: Connection, visit: Visit, place: Talking) -> tuple[Talking, Last]:
    return replace(place, standing=visit.site.calls.back_in(conn, place.call, _step(visit))), None


def _names(visit: Visit, place: Talking) -> list[str]:
    name = visit.typed("answer")
    return identity_answers(place.standing) if name == CHECK else [name]


def _unreadable(visit: Visit, place: Talking, error: InputError) -> Response:
    sent = {name: value for each in _names(visit, place) for name, value in _sent(visit, place.standing, each).items()}
    return show(visit, status=422, typed=sent, wrong={error.where.field: f"{error.what} {error.mend}".strip()})


def save_memo(visit: Visit) -> Response:
    """Keeps what was jotted down, without a word."""
    place = place_of(visit.site, visit.who.account_id, visit.now)
    if isinstance(place, Talking) and is_at(place, visit.typed("call")):
        call_id, memo = place.call.id, _jotted(visit, "")
        visit.site.database.transact(lambda conn: _keep_memo(conn, visit, call_id, memo))
    return Response(status_code=204) if visit.swaps else visit.go(visit.site.desk_at)


def note(visit: Visit) -> Response:
    """Moves the memo into the record, from where it goes onto the slip."""
    place = place_of(visit.site, visit.who.account_id, visit.now)
    if isinstance(place, Talking) and is_at(place, visit.typed("call")):
        visit.site.calls.note(place.call.id, visit.who.account_id, visit.typed("memo") or place.memo)
        visit.site.database.transact(lambda conn: _forget_memo(conn, visit, place.call.id))
    return _after(visit)


def finish(visit: Visit) -> Response:
    """The one confirming key of the wrap-up: the call ends with all that it causes, and the next case comes.

    On the screen of the last line it gives the last answer too; where a memo would be lost, the wrap-up asks first.
    """
    site, who = visit.site, visit.who
    done = _in_talk(visit, _give_last, stays=False)
    if done is None or done.unreadable is not None:
        return _shown(visit, done)
    place = done.now
    if not done.was.standing.talk_ended and (not place.standing.talk_ended or visit.typed("memo")):
        return _after(visit, refused=place.standing.refused)
    site.switchboard.hang_up(place.call.id)
    site.switchboard.finish(place.call.id, by_operator(who.account_id))
    site.database.transact(lambda conn: _forget_memo(conn, visit, place.call.id))
    if visit.typed("then") == "break":
        return take_break(visit)
    return _after(visit, nothing=_deal(visit))


def _give_last(conn: Connection, visit: Visit, place: Talking) -> tuple[Talking, Last]:
    return (place, None) if place.standing.talk_ended else _give(conn, visit, place)


def take_back(visit: Visit) -> Response:
    """Within 10 seconds of the end."""
    call = visit.typed("call")
    if call.isdecimal():
        visit.site.corrections.take_back(int(call), visit.who.account_id)
    return _after(visit)


def take_break(visit: Visit) -> Response:
    """Leaves the desk with a reason; a case on the screen goes back to the queue."""
    place = place_of(visit.site, visit.who.account_id, visit.now)
    if isinstance(place, Dialling | Talking):
        return _after(visit)
    if isinstance(place, Preview):
        visit.site.switchboard.give_back(place.deal)
    given = visit.typed("reason")
    _set_desk(visit, "break", given if given in BREAKS else BREAKS[0])
    return _after(visit)


def resume(visit: Visit) -> Response:
    _set_desk(visit, "ready")
    return _after(visit, nothing=_deal_if_free(visit))


def ask_for_help(visit: Visit) -> Response:
    """Asks for a supervisor, or says that none is needed any more."""
    wanted = visit.typed("on") == "1"

    def work(conn: Connection) -> None:
        _ensure_desk(conn, visit)
        asked = {"help_since": visit.now if wanted else None, "help_seen_at": None}
        conn.execute(update(desks).where(_mine(visit)).values(asked))
        announce(conn, visit.site.municipality_id, "desk", visit.who.account_id)

    visit.site.database.transact(work)
    return _after(visit)


def _after(visit: Visit, *, refused: str = "", nothing: str = "") -> Response:
    """The desk as it now stands; a plain form is sent there, so that a reload repeats nothing."""
    if visit.swaps or refused or nothing:
        return show(visit, refused=refused, nothing=nothing)
    return visit.go(visit.site.desk_at)


def _deal(visit: Visit) -> str:
    """Deals a case; why not, if there is none."""
    with visit.site.database.read() as conn:
        campaigns = running_campaigns(conn, visit.site)
    why = why_nothing(visit, campaigns)
    while not why:
        dealt = visit.site.switchboard.deal(visit.who.account_id, campaigns)
        if not isinstance(dealt, NothingNow):
            try:
                return _dial_at_once(visit, dealt)
            except DialRefusedError:
                continue  # it went back with its next moment
        if not dealt.more:
            why = visit.say("いま架電できる案件はありません。新しい案件の時刻が来ると、ここに届きます。")
    return why


def _dial_at_once(visit: Visit, dealt: Deal) -> str:
    """Calls a case of a progressive campaign, unless the operator dials by hand or is not at the receiver."""
    site = visit.site
    with site.database.read() as conn:
        progressive = is_progressive(conn, site.municipality_id, dealt.claim.campaign_id)
    if not progressive or site.dials_by_hand or (site.attended is not None and not _has_receiver(visit)):
        return ""
    try:
        site.switchboard.dial(dealt, visit.who.account_id)
    except DialRefusedError:
        raise
    except RefusedError as error:
        return f"{error.what} {error.mend}".strip()
    site.switchboard.listen()
    return ""


def _deal_if_free(visit: Visit) -> str:
    place = place_of(visit.site, visit.who.account_id, visit.now)
    return "" if isinstance(place, Dialling | Talking | Preview) else _deal(visit)


def _sent(visit: Visit, standing: Standing, answer: str) -> dict[str, str]:
    """What the form holds of the fields that go with an answer: from the answer's own panel, else from the screen."""
    found = {}
    for field in fields_of(standing, answer):
        value = visit.typed(f"p:{answer}:{field}") or visit.typed(f"f:{field}")
        if value:
            found[field] = value
    return found


def _fields(visit: Visit, script: Script, sent: Mapping[str, str]) -> dict[str, Any]:
    today = visit.now.astimezone(TOKYO).date()
    fields: dict[str, Any] = {}
    for name, value in sent.items():
        kind = script.fields[name].type
        fields[name] = (
            keys.day(value, today) if kind == "date" else keys.moment(value, today) if kind == "slot" else value
        )
    if visit.typed("identity"):
        town, numbers = visit.typed("i:town"), visit.typed("i:numbers")
        fields["identity"] = {
            "name": visit.typed("i:name") == "1",
            "birth_date": visit.typed("i:birth_date"),
            "address": f"{town}{numbers}" if town and numbers else "",
        }
    return fields


def _calendar(visit: Visit, call: Any, script: Script) -> Calendar:
    """When the case of a call may be called: by its campaign, for a resident who called back by its claim type."""
    if call.campaign_id is not None:
        return visit.site.rules_of(call.campaign_id).calendar
    return visit.site.config.calendar_for(script.claim_type)


def _step(visit: Visit) -> int:
    step = visit.typed("step")
    return int(step) if step.isdecimal() else -1


def _jotted(visit: Visit, kept: str) -> str:
    return str(visit.form.get("memo", kept))[:LONGEST_MEMO]


def _keep_memo(conn: Connection, visit: Visit, call_id: int, text: str) -> None:
    _forget_memo(conn, visit, call_id)
    if text:
        own = {"municipality_id": visit.site.municipality_id, "call_id": call_id}
        conn.execute(insert(memos).values(**own, text=text, at=visit.now))


def _forget_memo(conn: Connection, visit: Visit, call_id: int) -> None:
    conn.execute(delete(memos).where(memos.c.municipality_id == visit.site.municipality_id, memos.c.call_id == call_id))


def _set_desk(visit: Visit, state: Literal["ready", "break"], reason: str = "") -> None:
    def work(conn: Connection) -> None:
        _ensure_desk(conn, visit)
        conn.execute(update(desks).where(_mine(visit)).values(state=state, reason=reason, since=visit.now))

    visit.site.database.transact(work)


def _ensure_desk(conn: Connection, visit: Visit) -> None:
    touched = conn.execute(update(desks).where(_mine(visit)).values(state=desks.c.state)).rowcount
    if not touched:
        own = {"municipality_id": visit.site.municipality_id, "account_id": visit.who.account_id}
        conn.execute(insert(desks).values(**own, state="ready", reason="", since=visit.now))


def _mine(visit: Visit) -> Any:
    return (desks.c.municipality_id == visit.site.municipality_id) & (desks.c.account_id == visit.who.account_id)
