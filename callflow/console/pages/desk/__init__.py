"""The operator's desk: ready, preview, call, wrap-up, break. Every key is on the server before it is on the screen."""

from __future__ import annotations

from callflow.console.i18n import said
from callflow.console.pages.desk import acts, incoming, mine, receiver, screens, softphone
from callflow.console.routes import Route, allow

OPERATOR = allow("operator")
IN_CALL = frozenset({"party", "debt", "history"})

SAID = {
    "taken-back": said("終了を取り消しました。通話の記録は続きから直せます。"),
    "corrected": said("訂正を記録しました。"),
    "ward-asked": said("区からの折返しを頼みました。"),
    "gone": said("この案件の割り当ては終わっています。次の案件に進んでください。"),
}

ROUTES = (
    Route("GET", "/desk", screens.desk, OPERATOR, said("架電"), shows=IN_CALL, menu=True),
    Route("POST", "/desk/next", acts.deal_next, OPERATOR, said("架電"), shows=IN_CALL),
    Route("POST", "/desk/dial", acts.dial, OPERATOR, said("架電"), shows=IN_CALL),
    Route("POST", "/desk/line", acts.tell_line, OPERATOR, said("架電"), shows=IN_CALL),
    Route("POST", "/desk/cancel", acts.cancel, OPERATOR, said("架電"), shows=IN_CALL),
    Route("POST", "/desk/answer", acts.answer, OPERATOR, said("架電"), shows=IN_CALL, in_turn=True),
    Route("POST", "/desk/back", acts.back, OPERATOR, said("架電"), shows=IN_CALL, in_turn=True),
    Route("POST", "/desk/memo", acts.save_memo, OPERATOR, said("メモ")),
    Route("POST", "/desk/note", acts.note, OPERATOR, said("架電"), shows=IN_CALL),
    Route("POST", "/desk/finish", acts.finish, OPERATOR, said("架電"), shows=IN_CALL),
    Route("POST", "/desk/take-back", acts.take_back, OPERATOR, said("架電"), shows=IN_CALL),
    Route("POST", "/desk/break", acts.take_break, OPERATOR, said("架電"), shows=IN_CALL),
    Route("POST", "/desk/resume", acts.resume, OPERATOR, said("架電"), shows=IN_CALL),
    Route("POST", "/desk/receiver", receiver.take, OPERATOR, said("電話"), shows=IN_CALL),
    Route("POST", "/desk/softphone", softphone.token, OPERATOR, said("電話"), passive=True),
    Route("POST", "/desk/hold", receiver.hold, OPERATOR, said("電話"), shows=IN_CALL),
    Route("POST", "/desk/supervisor", receiver.bring_in, OPERATOR, said("電話"), shows=IN_CALL),
    Route("GET", "/desk/inbound", incoming.search_page, OPERATOR, said("折り返しの電話")),
    Route("POST", "/desk/inbound", incoming.search, OPERATOR, said("折り返しの電話"), shows=frozenset({"party"})),
    Route("POST", "/desk/inbound/open", incoming.open_call, OPERATOR, said("折り返しの電話")),
    Route("POST", "/desk/inbound/ward", incoming.ask_ward, OPERATOR, said("折り返しの電話")),
    Route("GET", "/desk/mine", mine.mine_page, OPERATOR, said("自分の通話"), menu=True),
    Route("GET", "/desk/mine/{id}", mine.correction_page, OPERATOR, said("通話の訂正")),
    Route("POST", "/desk/mine/{id}", mine.correct, OPERATOR, said("通話の訂正")),
    Route("POST", "/desk/help", acts.ask_for_help, OPERATOR, said("支援要請"), shows=IN_CALL),
)
