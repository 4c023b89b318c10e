"""Calls afterwards: the list, the replay with its verdict, scorecards and comments, and the quality sample."""

from __future__ import annotations

from callflow.console.i18n import said
from callflow.console.pages.calls import amend, lists, replay, review, sound
from callflow.console.routes import Route, allow

KNOW = allow("supervisor", "staff", "auditor")
JUDGE = allow("supervisor", "staff")
FILM = frozenset({"replay", "party"})

SAID = {
    "asked": said("再生を申請しました。区の職員が承認すると、再生できます。"),
    "granted": said("申請を承認しました。"),
    "declined": said("申請を承認しませんでした。"),
    "scored": said("採点を保存しました。"),
    "settled": said("分かった結果で通話を終えました。案件はまた架電の順番を待ちます。"),
    "corrected": said("訂正を記録しました。"),
    "commented": said("コメントを保存しました。"),
}

ROUTES = (
    Route("GET", "/calls", lists.calls_page, KNOW, said("通話"), menu=True),
    Route("GET", "/calls/{id}", replay.replay_page, KNOW, said("通話の再生"), shows=FILM),
    Route("GET", "/calls/{id}/recordings/{recording}", sound.sound, KNOW, said("録音"), shows=FILM),
    Route("POST", "/calls/{id}/open", replay.give_purpose, KNOW, said("通話の再生")),
    Route("POST", "/calls/{id}/ask", replay.ask, allow("auditor"), said("再生の申請")),
    Route("GET", "/calls/{id}/correct", amend.amend_page, JUDGE, said("通話の訂正"), shows=FILM),
    Route("POST", "/calls/{id}/correct", amend.amend, JUDGE, said("通話の訂正"), shows=FILM),
    Route("POST", "/replay-requests/{id}", replay.decide, allow("staff"), said("再生の申請")),
    Route("POST", "/calls/{id}/card", replay.keep, JUDGE, said("採点")),
    Route("POST", "/calls/{id}/comments", replay.add_comment, JUDGE, said("コメント")),
    Route("GET", "/review", review.review_page, JUDGE, said("結果の確認待ち")),
    Route("GET", "/review/{id}", review.settle_page, JUDGE, said("結果の確認待ち")),
    Route("POST", "/review/{id}", review.settle, JUDGE, said("結果の確認待ち")),
    Route("GET", "/quality", lists.quality_page, KNOW, said("品質確認"), menu=True),
)
