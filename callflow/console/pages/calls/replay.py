"""The replay of one call: its purpose first, then the film with the verdict, the scorecard and the comments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select
from starlette.responses import Response

from callflow.access import replays
from callflow.access.replays import PURPOSES
from callflow.console.i18n import said
from callflow.console.pages.calls.frames import frames
from callflow.console.pages.calls.lists import rows_of, viewer_of
from callflow.console.visit import Visit
from callflow.errors import RefusedError
from callflow.playback import Verdict, against_records, scenes, verify_call
from callflow.quality import cards, comment, comments, keep_card
from callflow.recordings import shelf
from callflow.scorecard import CARD, score
from models.tables import accounts

JUDGES = frozenset({"supervisor", "staff"})
ANSWER_WORDS = {"yes": said("はい"), "no": said("いいえ"), "none": said("該当なし"), "": said("記録からは分からない")}


def replay_page(visit: Visit) -> Response:
    """The film, once its purpose is on record; before that, the question for it."""
    site, m, viewer, call_id = visit.site, visit.site.municipality_id, viewer_of(visit), visit.id()
    with site.database.read() as conn:
        call = replays.call_for(conn, m, viewer, call_id)
        may = replays.may_replay(conn, m, viewer, call, visit.now)
        purpose = replays.purpose_of(conn, m, viewer.account_id, call_id, visit.now)
        (row,) = rows_of(visit, conn, [call_id])
    if not may or not purpose:
        return _ask(visit, call_id, row=row, may=may, live=call.live)
    purpose = replays.see_call(site.database, m, viewer, call_id, visit.now)
    return _film(visit, call_id, row=row, purpose=purpose)


def _ask(visit: Visit, call_id: int, **names: Any) -> Response:
    viewer, m = viewer_of(visit), visit.site.municipality_id
    with visit.site.database.read() as conn:
        found = replays.requests(conn, m, call_id)
        people = _people(conn, m, {each.account_id for each in found})
    own = next((each for each in reversed(found) if each.account_id == viewer.account_id), None)
    waiting = [each for each in found if each.decision == "open"] if "staff" in viewer.roles else []
    return visit.page(
        "calls/purpose.html",
        call_id=call_id,
        purposes=PURPOSES,
        own=own,
        waiting=waiting,
        people=people,
        auditor="auditor" in viewer.roles,
        minutes=int(replays.OPEN_FOR / timedelta(minutes=1)),
        **names,
    )


def _film(visit: Visit, call_id: int, **names: Any) -> Response:
    site, m = visit.site, visit.site.municipality_id
    with site.database.read() as conn:
        call = replays.call_for(conn, m, viewer_of(visit), call_id)
        script = site.shelf.flow(conn, m, call.script_hash).script
        found = scenes(conn, site.shelf, m, call_id)
        verdict = next(against_records(conn, m, [verify_call(conn, site.shelf, m, call_id)]))
        notes, scorecards = comments(conn, m, call_id), cards(conn, m, call_id)
        recorded = shelf.of_call(conn, m, call_id)
        amends = not call.live and site.corrections.may_correct(conn, call, viewer_of(visit).account_id)
        ids = {each.author_id for each in notes} | {each.author_id for each in scorecards}
        ids |= {_account(s.event.actor) for s in found}
        people = _people(conn, m, ids)
    actors = {s.event.actor: people.get(_account(s.event.actor), s.event.actor) for s in found}
    actors["system"] = visit.say("システム")
    film = frames(script, found, actors, visit.say)
    began = found[0].event.at if found else call.opened_at
    return visit.page(
        "calls/replay.html",
        sounds=[(each, (each.began_at - began).total_seconds()) for each in recorded],
        call_id=call_id,
        film=film,
        skip=site.config.quality.skip_silence_seconds,
        verdict=verdict,
        verdict_words=_verdict(visit, verdict),
        live_call=call.live,
        card=score(script, found) if not verdict.erased else [],
        card_words=ANSWER_WORDS,
        scorecards=scorecards,
        comments=notes,
        people=people,
        purposes=PURPOSES,
        judges=bool(JUDGES & viewer_of(visit).roles),
        amends=amends,
        **names,
    )


def _verdict(visit: Visit, verdict: Verdict) -> str:
    if verdict.fault:
        words = visit.say("証明できません。通番{seq}: {fault}。この通話は調査が終わるまで根拠に使わないでください。")
        return words.format(seq=verdict.seq, fault=verdict.fault)
    if verdict.erased:
        words = visit.say("内容は規則 {rule} により消去済みです。連鎖は切れていません（記録 {n} 件）。")
        return words.format(rule=verdict.erased, n=verdict.events)
    words = visit.say("証明できました。連鎖・状態・台詞・効果・案件の記録が一致しています（記録 {n} 件）。")
    return words.format(n=verdict.events)


def give_purpose(visit: Visit) -> Response:
    call_id, viewer = visit.id(), viewer_of(visit)
    replays.give_purpose(
        visit.site.database,
        visit.site.municipality_id,
        viewer,
        call_id,
        visit.typed("purpose"),
        visit.typed("more"),
        visit.now,
    )
    return visit.go(f"/calls/{call_id}")


def ask(visit: Visit) -> Response:
    call_id = visit.id()
    site = visit.site
    replays.ask(site.database, site.municipality_id, viewer_of(visit), call_id, visit.typed("reason"), visit.now)
    return visit.go(f"/calls/{call_id}", said="asked")


def decide(visit: Visit) -> Response:
    site, grant = visit.site, visit.typed("grant") == "1"
    call_id = replays.decide(
        site.database, site.municipality_id, viewer_of(visit), visit.id(), grant=grant, now=visit.now
    )
    return visit.go(f"/calls/{call_id}", said="granted" if grant else "declined")


def keep(visit: Visit) -> Response:
    """Another scorecard of a call; the latest counts."""
    call_id = _opened(visit)
    answers = {line.key: visit.typed(line.key) for line in CARD}
    m, by = visit.site.municipality_id, visit.who.account_id
    visit.site.database.transact(lambda conn: keep_card(conn, m, call_id, answers, by, visit.now))
    return visit.go(f"/calls/{call_id}", said="scored")


def add_comment(visit: Visit) -> Response:
    call_id, seq = _opened(visit), visit.typed("seq")
    m, by, step = visit.site.municipality_id, visit.who.account_id, int(seq) if seq.isdecimal() else 0
    words = visit.typed("text")
    visit.site.database.transact(lambda conn: comment(conn, m, call_id, step, words, by, visit.now))
    return visit.go(f"/calls/{call_id}", said="commented")


def _opened(visit: Visit) -> int:
    """The call, if this person has it open. Raises RefusedError, NotFoundError."""
    m, viewer, call_id = visit.site.municipality_id, viewer_of(visit), visit.id()
    with visit.site.database.read() as conn:
        call = replays.call_for(conn, m, viewer, call_id)
        may = replays.may_replay(conn, m, viewer, call, visit.now)
        purpose = replays.purpose_of(conn, m, viewer.account_id, call_id, visit.now)
    if not may or not purpose:
        raise RefusedError(said("この通話は開いていません。"), mend=said("目的を記録して再生してから行ってください。"))
    return call_id


def _account(actor: str) -> int:
    """The account of `operator:12`; 0 of the program."""
    _, _, number = actor.partition(":")
    return int(number) if number.isdecimal() else 0


def _people(conn: Connection, municipality_id: int, ids: Iterable[int]) -> dict[int, str]:
    a = accounts.c
    query = select(a.id, a.display_name, a.login).where(a.municipality_id == municipality_id, a.id.in_(list(ids)))
    return {row.id: f"{row.display_name}（{row.login}）" for row in conn.execute(query)}
