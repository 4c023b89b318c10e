"""What is done with a campaign: approval by the ward, start, pause, resume, hand-over and end by whom it is for."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection
from starlette.responses import Response

from callflow.campaigns import Campaigns
from callflow.console.i18n import said
from callflow.console.visit import Visit
from callflow.errors import InputError, RefusedError, Where
from callflow.oversight import Oversight
from scheduler.dealing import Rules

Work = Callable[[Campaigns, int], object]


def approve(visit: Visit) -> Response:
    return _do(visit, "approved", lambda desk, one: desk.approve(one, visit.who.account_id))


def start(visit: Visit) -> Response:
    """With the one who starts it as its supervisor."""
    me = visit.who.account_id
    return _do(visit, "started", lambda desk, one: desk.start(one, me, me))


def pause(visit: Visit) -> Response:
    reason = _reason(visit)
    return _do(visit, "paused", lambda desk, one: desk.pause(one, visit.who.account_id, reason))


def resume(visit: Visit) -> Response:
    """With the one who resumes it as its supervisor from now on."""
    me = visit.who.account_id
    return _do(visit, "resumed", lambda desk, one: desk.resume(one, me, me))


def hand_over(visit: Visit) -> Response:
    given = visit.typed("supervisor")
    if not given.isdecimal():
        raise InputError(said("引き継ぐ業務責任者を選んでください。"), where=Where(field="supervisor"))
    return _do(visit, "handed-over", lambda desk, one: desk.hand_over(one, int(given), visit.who.account_id))


def stop(visit: Visit) -> Response:
    """For good; so it is confirmed."""
    reason = _reason(visit)
    if visit.typed("sure") != "1":
        raise RefusedError(
            said("まだ終えていません。"),
            mend=said("終えたキャンペーンは再開できません。確かめる欄にしるしを付けて、もう一度押してください。"),
        )
    return _do(visit, "ended", lambda desk, one: desk.stop(one, visit.who.account_id, reason))


def replan(visit: Visit) -> Response:
    """Counts anew, and adds what has become callable."""
    config = visit.site.config

    def work(desk: Campaigns, one: int) -> None:
        claim_type = desk.get(one).claim_type
        rules = Rules(0, config.policy_for(claim_type), config.calendar_for(claim_type))
        desk.replan(one, rules, visit.who.account_id)

    return _do(visit, "replanned", work)


def _do(visit: Visit, code: str, work: Work) -> Response:
    """The act in one transaction, after the shifts that are over were ended; back to where the form was."""
    m, campaign_id = visit.site.municipality_id, visit.id()

    def act(conn: Connection) -> None:
        Oversight(conn, m, visit.now).end_overdue()
        work(Campaigns(conn, m, visit.now), campaign_id)

    visit.site.database.transact(act)
    return visit.go(
        "/board" if visit.typed("back") == "board" else f"/campaigns/{campaign_id}", said=f"campaign-{code}"
    )


def _reason(visit: Visit) -> str:
    reason = visit.typed("reason")
    if not reason:
        raise InputError(
            said("理由がありません。"),
            where=Where(field="reason"),
            mend=said("理由を書いてください。担当者と区に見えます。"),
        )
    return reason
