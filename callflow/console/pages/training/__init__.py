"""Training: the desk over invented residents, with a score after each call. Nothing of it touches a real record."""

from __future__ import annotations

from callflow.console.i18n import said
from callflow.console.pages.desk import acts, screens
from callflow.console.pages.training import room
from callflow.console.routes import Route, allow

OPERATOR = allow("operator")
PRACTICE = said("練習")

SAID = {"practice-ended": said("練習を終えました。")}

ACTS = {
    "next": acts.deal_next,
    "dial": acts.dial,
    "cancel": acts.cancel,
    "answer": acts.answer,
    "back": acts.back,
    "memo": acts.save_memo,
    "note": acts.note,
    "finish": acts.finish,
    "take-back": acts.take_back,
    "break": acts.take_break,
    "resume": acts.resume,
    "help": acts.ask_for_help,
}
"""What an operator does at the desk, by the last part of its address."""

ROUTES = (
    Route("GET", "/training", room.training_page, allow("operator", "supervisor"), PRACTICE, menu=True, aside=True),
    Route("POST", "/training/begin", room.start, OPERATOR, PRACTICE),
    Route("POST", "/training/end", room.end, OPERATOR, PRACTICE),
    Route("GET", "/training/result", room.result_page, OPERATOR, said("練習の結果")),
    Route("GET", "/training/desk", room.at_desk(screens.desk), OPERATOR, PRACTICE),
    *(Route("POST", f"/training/desk/{name}", room.at_desk(act), OPERATOR, PRACTICE) for name, act in ACTS.items()),
)
