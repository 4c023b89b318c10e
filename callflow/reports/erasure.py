"""The certificate of an erasure on paper, in the form of a report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from callflow.reports.figures import Column, Period, Report, Section, Table, said
from callflow.reports.paper import pdf
from callflow.retention.certificates import digest
from scheduler.calendar import tokyo_date


def paper(certificate: Mapping[str, Any], now: datetime) -> bytes:
    """Raises ConfigError where the system has no pango."""
    return pdf(as_report(certificate, now))


def as_report(certificate: Mapping[str, Any], now: datetime) -> Report:
    begun, ended = (datetime.fromisoformat(certificate[name]) for name in ("begun_at", "ended_at"))
    people = [
        (said("消去の番号"), str(certificate["erasure"])),
        (said("理由"), certificate["reason"]),
        (said("求めた人"), f"{certificate['asked_by']}  {_moment(certificate['asked_at'])}"),
        (said("承認した人"), f"{certificate['approved_by']}  {_moment(certificate['approved_at'])}"),
        (said("始め"), _moment(certificate["begun_at"])),
        (said("終わり"), _moment(certificate["ended_at"])),
        *([(said("返還の一覧の SHA-256"), certificate["manifest"])] if "manifest" in certificate else []),
        (said("この証明の SHA-256"), digest(dict(certificate))),
    ]
    rows = [
        (
            each.get("label", each["class"]),
            each["rows"],
            each.get("first", "")[:10],
            each.get("last", "")[:10],
            each["sha256"],
        )
        for each in certificate["classes"]
        if each["rows"]
    ]
    return Report(
        name="erasure",
        title=said("消去証明書"),
        question="",
        period=Period(tokyo_date(begun), tokyo_date(ended)),
        campaign="",
        made_at=now,
        sections=[
            Section(
                said("誰がいつ"),
                said("求めた職員と承認した職員は別の人。時刻は UTC。この証明のハッシュは監査の記録にも残る。"),
                Table((Column(said("項目"), "text"), Column(said("内容"), "text")), people),
            ),
            Section(
                said("消したもの"),
                said("行数と、消したものの番号と約束値（commitment）のハッシュ。内容は残っていない。"),
                Table(
                    (
                        *(Column(said("種類"), "text"), Column(said("行"))),
                        *(Column(said("最初"), "code"), Column(said("最後"), "code"), Column("SHA-256", "code")),
                    ),
                    rows,
                ),
            ),
        ],
    )


def _moment(iso: str) -> str:
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M:%S}"
