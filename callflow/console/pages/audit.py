"""The record of acts in the browser: the list, who saw a household, views beyond one's work, alarms, the proof."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import select
from starlette.responses import Response

from callflow.access import alarms, lookback, verifier
from callflow.access.lookback import SIZE, Act, reach_of, wanted_of
from callflow.access.replays import PURPOSES
from callflow.access.views import Viewer
from callflow.console.i18n import said
from callflow.console.routes import SIGNED_IN, Route, allow
from callflow.console.visit import Visit
from callflow.errors import InputError, NotFoundError, Where
from models.tables import accounts
from scheduler.calendar import tokyo_date

FILTERS: Final = ("actor", "verb", "object", "day", "purpose")
WHOLE = allow("staff", "auditor")
DAYS: Final = 7
LONGEST_NOTE: Final = 300

VERBS: Final = {
    "case:view": said("案件を見た"),
    "case:list": said("案件の一覧を見た"),
    "case:show": said("案件を見た（コマンド）"),
    "case:find": said("かけ直しの住民を探した"),
    "case:import": said("一覧を取り込んだ"),
    "call:view": said("通話を再生した"),
    "call:open": said("再生の目的を記録した"),
    "call:score": said("通話を採点した"),
    "call:comment": said("通話にコメントした"),
    "replay:ask": said("再生を申請した"),
    "replay:granted": said("再生の申請を承認した"),
    "replay:refused": said("再生の申請を承認しなかった"),
    "session:begin": said("ログインした"),
    "session:end": said("ログアウトした"),
    "session:refused": said("ログインできなかった"),
    "session:lock": said("画面をロックした"),
    "session:unlock": said("ロックを解いた"),
    "session:prove": said("本人と確かめた"),
    "user:add": said("利用者を加えた"),
    "user:disable": said("利用者を無効にした"),
    "user:enable": said("利用者を使えるようにした"),
    "user:roles": said("役割を変えた"),
    "user:reset_code": said("確認コードの設定を消した"),
    "user:subject": said("認証基盤の識別子を変えた"),
    "user:code": said("確認コードを登録した"),
    "user:password": said("パスワードを決めた"),
    "glass:break": said("支援措置の世帯を開けた"),
    "glass:review": said("開けたことを確かめた"),
    "audit:view": said("監査の記録を見た"),
    "audit:who_saw": said("世帯を見た人を調べた"),
    "audit:beyond": said("担当外の閲覧を調べた"),
    "audit:alert": said("閲覧の警告を残した"),
    "audit:look_into": said("警告を確かめた"),
    "audit:verify": said("連鎖を検証した"),
    "retention:hold": said("消去を差し止めた"),
    "retention:release": said("差し止めを外した"),
    "retention:request": said("消去を求めた"),
    "retention:approve": said("消去を承認した"),
    "retention:refuse": said("消去を却下した"),
    "retention:run": said("消去を始めた"),
    "retention:erase": said("消去した"),
    "retention:certify": said("消去を証明した"),
    "retention:return": said("返還のデータを作った"),
    "retention:destroy": said("返還のあとに廃棄した"),
    "audit:pack": said("監査パックを作った"),
    "inspection:record": said("検査を記録した"),
}
"""Acts in words; one that is not here is shown by its verb."""
WHY: Final = {**PURPOSES, "call": said("通話のため")}


def viewer_of(visit: Visit) -> Viewer:
    return Viewer(visit.who.account_id, visit.who.roles, visit.who.kind)


def record(visit: Visit) -> Response:
    """The newest acts that this person may read of."""
    asked = {name: visit.query.get(name, "").strip() for name in FILTERS}
    wanted = wanted_of(
        asked["actor"], asked["verb"], asked["object"], asked["day"], asked["purpose"], _number(visit, "before")
    )
    site = visit.site
    viewer = viewer_of(visit)
    found = lookback.look(site.database, site.municipality_id, viewer, wanted, visit.now)
    with site.database.read() as conn:
        verbs = list(lookback.verbs_of(conn, site.municipality_id))
    names: dict[str, Any] = {"asked": asked, "verbs": verbs, "content": reach_of(viewer) in ("all", "own")}
    return visit.page("audit/record.html", **_list(found, asked), **names)


def household(visit: Visit) -> Response:
    """Who saw the household of a case."""
    case, found = _number(visit, "case"), []
    if case:
        site = visit.site
        found = lookback.who_saw(
            site.database, site.municipality_id, viewer_of(visit), case, visit.now, _number(visit, "before")
        )
    return visit.page("audit/household.html", case=case, **_list(found, {"case": str(case)}))


def beyond(visit: Visit) -> Response:
    """Views that no call and no campaign of the viewer explains, of a week."""
    site, m = visit.site, visit.site.municipality_id
    asked = {name: visit.query.get(name, "").strip() for name in ("actor", "day")}
    day = wanted_of(day=asked["day"]).day or tokyo_date(visit.now)
    found = alarms.seen_beyond_work(site.database, m, viewer_of(visit), day, DAYS, asked["actor"], visit.now)
    return visit.page("audit/beyond.html", found=found, asked=asked, day=day, days=DAYS, people=_people(visit))


def alerts(visit: Visit) -> Response:
    with visit.site.database.read() as conn:
        found = alarms.alerts(conn, visit.site.municipality_id)
    thresholds = alarms.thresholds_of(visit.site.config.audit)
    return visit.page(
        "audit/alerts.html", found=found, words=alarms.KIND_WORDS, limits=thresholds, people=_people(visit)
    )


def look_into(visit: Visit) -> Response:
    site, note = visit.site, visit.typed("note")[:LONGEST_NOTE]
    if not note:
        raise InputError(said("確かめた結果がありません"), where=Where(field="note"), mend=said("一言書いてください"))
    one, by = visit.id(), visit.who.account_id
    site.database.transact(lambda conn: alarms.look_into(conn, site.municipality_id, one, by, note, visit.now))
    return visit.go("/audit/alerts", said="looked_into")


def proof(visit: Visit) -> Response:
    return visit.page("audit/proof.html", report=None, words=())


def prove(visit: Visit) -> Response:
    """The separate verifier over the whole log and record; that somebody asked is on record."""
    site = visit.site
    lookback.asked_for_proof(site.database, site.municipality_id, visit.who.account_id, visit.now)
    try:
        connection = verifier.connect(site.config.database.url)
    except verifier.CannotTell as no:
        report = verifier.Report(doubt=str(no))
    else:
        report = verifier.verify(connection, site.config.audit.anchors)
        connection.close()
    return visit.page("audit/proof.html", report=report, words=tuple(verifier.in_words(report)))


def _list(found: list[Act], asked: dict[str, str]) -> dict[str, Any]:
    following = {**asked, "before": str(found[-1].id)} if len(found) == SIZE else {}
    given = urlencode({name: value for name, value in following.items() if value})
    return {"found": found, "words": VERBS, "purposes": WHY, "following": f"?{given}" if given else ""}


def _people(visit: Visit) -> dict[int, str]:
    a = accounts.c
    own = select(a.id, a.display_name, a.login).where(a.municipality_id == visit.site.municipality_id)
    with visit.site.database.read() as conn:
        return {row.id: f"{row.display_name}（{row.login}）" for row in conn.execute(own)}


def _number(visit: Visit, name: str) -> int:
    given = visit.query.get(name, "").strip()
    if not given:
        return 0
    if not (given.isascii() and given.isdecimal() and len(given) < 18):
        raise NotFoundError("このページはありません")
    return int(given)


SAID = {"looked_into": said("確かめた結果を記録しました。")}

ROUTES = (
    Route("GET", "/audit", record, SIGNED_IN, said("監査の記録"), menu=True),
    Route("GET", "/audit/household", household, WHOLE, said("この世帯を見た人")),
    Route("GET", "/audit/beyond", beyond, WHOLE, said("担当外の閲覧")),
    Route("GET", "/audit/alerts", alerts, WHOLE, said("閲覧の警告")),
    Route("POST", "/audit/alerts/{id}", look_into, WHOLE, said("閲覧の警告")),
    Route("GET", "/audit/proof", proof, WHOLE, said("連鎖検証")),
    Route("POST", "/audit/proof", prove, WHOLE, said("連鎖検証")),
)
