"""The ward's inbox: slips, signals, living reports, promises and visits after the calls."""

from __future__ import annotations

from callflow.console.i18n import said
from callflow.console.pages.inbox import evidence, promises, reports, signals, slips, visits
from callflow.console.routes import Route, allow

STAFF = allow("staff")
BOTH = allow("staff", "supervisor")
PERSON = frozenset({"party", "identity", "debt", "follow_up"})

SAID = {
    "slip_receive": said("受理しました。"),
    "slip_take": said("対応を始めました。"),
    "slip_release": said("受理に戻しました。ほかの職員が対応できます。"),
    "slip_done": said("完了しました。"),
    "slip_send_back": said("業務責任者へ差し戻しました。"),
    "slip_answer": said("回答しました。連絡票は区に戻りました。"),
    "slip_reopen": said("対応を再開しました。"),
    "call_planned": said("区からの電話を予定しました。"),
    "call_closed": said("電話の結果を記録しました。"),
    "signal_read": said("シグナルの確認を記録しました。"),
    "reports_sent": said("送付済みにしました。"),
    "report_moved": said("記録しました。"),
    "content_kept": said("報告書の内容を保存しました。"),
    "visit_kept": said("訪問を記録しました。"),
    "promise_seen": said("確認を記録しました。"),
}

ROUTES = (
    Route("GET", "/inbox", slips.slips_page, BOTH, said("受信箱"), shows=frozenset({"party", "follow_up"}), menu=True),
    Route("POST", "/inbox/receive", slips.receive, STAFF, said("受信箱")),
    Route("GET", "/inbox/slips/{id}", slips.slip_page, BOTH, said("連絡票"), shows=PERSON),
    Route("POST", "/inbox/sheets", slips.print_sheets, STAFF, said("連絡票"), shows=PERSON),
    Route("POST", "/inbox/slips/{id}", slips.act, BOTH, said("連絡票")),
    Route("POST", "/inbox/slips/{id}/call", slips.plan_call, STAFF, said("連絡票")),
    Route("POST", "/inbox/slips/{id}/called", slips.close_call, STAFF, said("連絡票")),
    Route("GET", "/inbox/signals", signals.signals_page, BOTH, said("シグナル")),
    Route("POST", "/inbox/signals/{id}/{seq}", signals.review, STAFF, said("シグナル")),
    Route("GET", "/inbox/reports", reports.reports_page, STAFF, said("生活状況報告書"), shows=frozenset({"party"})),
    Route("POST", "/inbox/reports", reports.send, STAFF, said("生活状況報告書")),
    Route("POST", "/inbox/letters", reports.print_letters, STAFF, said("生活状況報告書"), shows=PERSON),
    Route(
        "GET",
        "/inbox/reports/{id}",
        reports.report_page,
        STAFF,
        said("生活状況報告書"),
        shows=frozenset({"party", "identity", "report"}),
    ),
    Route("POST", "/inbox/reports/{id}", reports.act, STAFF, said("生活状況報告書")),
    Route("POST", "/inbox/reports/{id}/content", reports.enter, STAFF, said("生活状況報告書")),
    Route("GET", "/inbox/visits", visits.visits_page, STAFF, said("訪問"), shows=frozenset({"party"})),
    Route("POST", "/inbox/visits", visits.add, STAFF, said("訪問")),
    Route("POST", "/inbox/visits/export", visits.export, STAFF, said("訪問")),
    Route("POST", "/inbox/visits/{id}", visits.record, STAFF, said("訪問")),
    Route("GET", "/inbox/evidence", evidence.evidence_page, STAFF, said("折衝経過の証拠書")),
    Route("POST", "/inbox/evidence", evidence.give, STAFF, said("折衝経過の証拠書"), shows=PERSON | {"history"}),
    Route(
        "GET", "/inbox/promises", promises.promises_page, STAFF, said("納付約束"), shows=frozenset({"party", "debt"})
    ),
    Route("POST", "/inbox/promises/{id}", promises.acknowledge, STAFF, said("納付約束")),
)
