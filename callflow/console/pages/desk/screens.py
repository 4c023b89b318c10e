"""The desk's screens: one page for whatever place the operator is in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection
from starlette.responses import Response

from callflow import attendance, callbacks
from callflow.access.views import CaseView, Group, Viewer, see_case
from callflow.clock import TOKYO
from callflow.console.i18n import said
from callflow.console.pages.desk.place import (
    Dialling,
    OnBreak,
    Place,
    Preview,
    Talking,
    around,
    dials_ahead,
    is_unbegun,
    last_answer,
    last_contacts,
    place_in,
    running_campaigns,
)
from callflow.console.pages.desk.talk import STAGES, amount_of, screen_of
from callflow.console.pages.desk.towns import towns
from callflow.console.readings import Piece, name_pieces, yen_reading
from callflow.console.visit import Visit
from callflow.effects import EFFECT_LABELS
from callflow.numbering import grouped
from callflow.script.model import Script
from callflow.telephony.manual import ManualPhone

BREAKS: Final = (said("休憩"), said("昼食"), said("打合せ"), said("研修"), said("そのほか"))
LINE_WORDS: Final = {
    "claimed": said("発信しています"),
    "placing": said("発信しています"),
    "ringing": said("呼び出しています"),
    "answered": said("つながりました"),
}
MOST_SEEN = 500

_seen: OrderedDict[tuple[object, ...], CaseView] = OrderedDict()
"""Cases whose access event of this call, session and step of knowledge is committed: one event is enough for each."""


def desk(visit: Visit) -> Response:
    return show(visit)


def show(
    visit: Visit,
    *,
    status: int = 200,
    refused: str = "",
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    nothing: str = "",
) -> Response:
    """The desk as it truly stands. `nothing`: why no case was dealt."""
    site, who = visit.site, visit.who
    with site.database.read() as conn:
        place = place_in(conn, site, who.account_id, visit.now)
        if isinstance(place, Talking):
            common = talk_parts(conn, visit, place, last_answer(conn, site.municipality_id, place.call.id), refused)
        else:
            common = common_parts(conn, visit, refused)
    if is_unbegun(place):
        site.calls.begin(place.call.id, who.account_id)
        return show(visit, status=status, refused=refused)
    if isinstance(place, Talking):
        return show_talk(visit, place, common, status=status, typed=typed, wrong=wrong)
    if isinstance(place, Preview):
        seen = case_for(visit, place.deal.claim.case_id, f"deal:{place.deal.claim.fence}", ("party",))
        names = {"deal": place.deal, "name": name_pieces(seen.name or "", seen.kana or "")}
        return visit.page("desk/preview.html", status=status, **common, **names)
    if isinstance(place, Dialling):
        return _dialling(visit, place, common, status)
    if isinstance(place, OnBreak):
        return visit.page("desk/break.html", status=status, **common, on_break=place)
    return _ready(visit, common, status, nothing)


def common_parts(conn: Connection, visit: Visit, refused: str = "") -> dict[str, Any]:
    """What every screen of the desk shows around its own."""
    site, who, attended = visit.site, visit.who.account_id, visit.site.attended is not None
    here = around(conn, site.municipality_id, who, visit.now)
    ended = here if here.id is not None else None
    return {
        "live": True,
        "refused": refused,
        "breaks": BREAKS,
        "help_since": here.help_since,
        "help_seen_at": here.help_seen_at,
        "take_back": ended,
        "ended_as": _in_words(conn, visit, ended) if ended else "",
        "by_hand": site.dials_by_hand,
        "attended": attended,
        "softphone": site.softphone,
        "has_desk_phone": site.softphone is None or visit.who.login in site.config.desks,
        "receiver": attendance.receiver_of(conn, site.municipality_id, who) if attended else None,
        "in_review": here.in_review,
    }


def _in_words(conn: Connection, visit: Visit, call: Any) -> str:
    """The outcome of an ended call: its code with its name in the call's own script."""
    script = visit.site.shelf.flow(conn, visit.site.municipality_id, call.script_hash).script
    disposition = script.dispositions.get(call.disposition)
    return f"{call.disposition} {disposition.name}" if disposition else str(call.disposition)


def case_for(visit: Visit, case_id: int, occasion: str, groups: tuple[Group, ...]) -> CaseView:
    """The case, with its access event committed once for each occasion and set of fields."""
    who = visit.who
    key = (visit.site.database.url, who.token_hash, case_id, occasion, groups)
    if key not in _seen:
        viewer = Viewer(who.account_id, who.roles, who.kind)
        found = see_case(
            visit.site.database, visit.site.municipality_id, viewer, case_id, groups, visit.now, purpose="call"
        )
        _seen[key] = found
        if len(_seen) > MOST_SEEN:
            _seen.popitem(last=False)
    return _seen[key]


def show_talk(
    visit: Visit,
    place: Talking,
    common: dict[str, Any],
    *,
    status: int = 200,
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
) -> Response:
    """A talk or its end, of `talk_parts`; here the access event of what it shows is committed, once."""
    site, call, standing = visit.site, place.call, place.standing
    script, verified = common.pop("script"), standing.party is not None
    groups: tuple[Group, ...] = ("party", "debt", "history") if verified else ("party",)
    seen = case_for(visit, call.case_id, f"call:{call.id}", groups)
    common |= {"name": name_pieces(seen.name or "", seen.kana or "")}
    labels = {code: each.name for code, each in script.dispositions.items()}
    if standing.talk_ended:
        code, effects = site.calls.amounts_to(call.id, visit.who.account_id)
        made = dict.fromkeys(EFFECT_LABELS[type(each).__name__] for each in effects)
        return visit.page(
            "desk/wrapup.html", status=status, **common, code=code, label=labels.get(code, code), made=made
        )
    today = visit.now.astimezone(TOKYO).date()
    screen = screen_of(script, standing, seen.name or "", seen.kana or "", today, typed=typed, wrong=wrong)
    oldest, total = amount_of(standing.facts)
    debt = {"oldest": Piece(f"{oldest:,}円", yen_reading(oldest)), "total": Piece(f"{total:,}円", yen_reading(total))}
    return visit.page(
        "desk/talk.html",
        status=status,
        **common,
        screen=screen,
        verified=verified,
        debt=debt if verified else {},
        instalments=seen.instalments or (),
        labels=labels,
        towns=towns(site) if any(each.kind == "identity" for each in screen.blanks) else (),
    )


def talk_parts(
    conn: Connection, visit: Visit, place: Talking, last: tuple[str, str] | None, refused: str = ""
) -> dict[str, Any]:
    """What a talk and its end show, but for what an access event must be committed for. `last`: the state and the
    answer that stepping back would take back.
    """
    m, call, standing = visit.site.municipality_id, place.call, place.standing
    script = visit.site.shelf.flow(conn, m, call.script_hash).script
    return common_parts(conn, visit, refused or standing.refused) | {
        "script": script,
        "call": call,
        "standing": standing,
        "memo": place.memo,
        "before": _answer_words(script, last),
        "contacts": last_contacts(conn, m, call.case_id, call.id) if standing.party is not None else [],
        "seconds": int((visit.now - (call.answered_at or call.opened_at)).total_seconds()),
        "stages": STAGES,
    }


def _answer_words(script: Script, last: tuple[str, str] | None) -> str:
    """The label of the answer that stepping back takes back; empty if there is none."""
    state = script.states.get(last[0]) if last else None
    answer = state.answers.get(last[1]) if state and last else None
    return answer.label if answer else ""


def _dialling(visit: Visit, place: Dialling, common: dict[str, Any], status: int) -> Response:
    call, phone = place.call, visit.site.phone
    seen = case_for(visit, call.case_id, f"call:{call.id}", ("party",))
    shown = phone.to_dial(call.attempt_ref) if isinstance(phone, ManualPhone) else None
    return visit.page(
        "desk/dialling.html",
        status=status,
        **common,
        call=call,
        words=LINE_WORDS.get(call.line_state, LINE_WORDS["placing"]),
        number=grouped(shown.e164) if shown else "",
        name=name_pieces(seen.name or "", seen.kana or ""),
    )


def _ready(visit: Visit, common: dict[str, Any], status: int, nothing: str) -> Response:
    with visit.site.database.read() as conn:
        campaigns = running_campaigns(conn, visit.site)
        agreed = callbacks.own(conn, visit.site.municipality_id, visit.who.account_id, visit.now)
    why = nothing or why_nothing(visit, campaigns)
    return visit.page("desk/ready.html", status=status, **common, nothing=why, agreed=agreed)


def why_nothing(visit: Visit, campaigns: list[int]) -> str:
    """Why nothing can be dealt now, and when it can; empty where it can."""
    if not campaigns:
        with visit.site.database.read() as conn:
            ahead = dials_ahead(conn, visit.site.municipality_id)
        if ahead:
            return visit.say("先行発信中です。つながった通話が、ここに届きます。")
        return visit.say("稼働中のキャンペーンがありません。業務責任者が開始すると、案件が届きます。")
    calendars = [visit.site.rules_of(each).calendar for each in campaigns]
    if any(each.window_at(visit.now) for each in calendars):
        return ""
    openings = [moment for each in calendars if (moment := each.next_opening(visit.now))]
    if not openings:
        return visit.say("この時間は発信できません。架電日が設定されていません。")
    here = min(openings).astimezone(TOKYO)
    words = visit.say("この時間は発信できません。次に発信できるのは {when} です。")
    return words.format(when=f"{here.month}月{here.day}日({'月火水木金土日'[here.weekday()]}) {here:%H:%M}")


def is_at(place: Place, call_id: str) -> bool:
    """Whether the operator is in that call."""
    return isinstance(place, Dialling | Talking) and str(place.call.id) == call_id
