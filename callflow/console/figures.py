"""The figures at `/metrics`: counts and times by words of closed sets, nothing of any person.

docs/operations.md names each. They are read when asked for, by index, so that asking costs the calls nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from callflow import __version__
from callflow.backup.taking import VERIFIED
from callflow.console.site import Site
from models.calling import CAMPAIGN_STATES, LINE_STATES
from models.migrate import HEAD, current
from models.tables import audit_events, calls, campaigns, is_live, job_runs, queue_entries, sessions
from scheduler.calendar import tokyo_date, tokyo_midnight

MOST = 100_000  # rows that are counted; a longer queue is told as this


class Figures(Collector):
    """Of one municipality."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        yield _gauge("build_info", "The running version", {"version": __version__})
        try:
            with self._site.database.read() as conn:
                found = list(self._counted(conn))
            known = current(self._site.database) == HEAD
        except Exception:
            yield _one("database_up", "Whether the database answers", 0)
            return
        yield _one("database_up", "Whether the database answers", 1)
        yield _one("schema_current", "Whether the tables are of this version", int(known))
        yield from found
        yield from self._anchored()

    def _counted(self, conn: Connection) -> Iterator[Metric]:
        own, now = self._site.municipality_id, self._site.clock.now()
        c, k = calls.c, campaigns.c
        live = select(c.line_state, func.count()).where(c.municipality_id == own, is_live).group_by(c.line_state)
        yield _by("calls_live", "Calls that are not closed", "state", LINE_STATES, conn, live)
        today = tokyo_midnight(tokyo_date(now))
        ended = select(func.count()).where(c.municipality_id == own, c.last_event_at >= today)
        yield _one("calls_ended_today", "Calls that ended or were corrected today", _count(conn, ended))
        states = select(k.state, func.count()).where(k.municipality_id == own).group_by(k.state)
        yield _by("campaigns", "Campaigns", "state", CAMPAIGN_STATES, conn, states)
        yield self._queue(conn, now)
        a, s = audit_events.c, sessions.c
        open_ = select(func.count()).where(s.municipality_id == own, s.ended_at.is_(None))
        yield _one("sessions_open", "Sessions that nobody ended", _count(conn, open_))
        backup = select(func.max(a.at)).where(a.municipality_id == own, a.verb == VERIFIED)
        yield _at("last_backup", "The last proved backup", conn.execute(backup).scalar())
        yield _jobs(conn)

    def _queue(self, conn: Connection, now: datetime) -> Metric:
        q, own = queue_entries.c, self._site.municipality_id
        metric = GaugeMetricFamily("callflow_queue_entries", f"Queue, up to {MOST}", labels=["state"])
        held = select(q.case_id).where(q.municipality_id == own, q.state == "claimed")
        kinds = {
            "ready": select(q.case_id).where(q.municipality_id == own, q.state == "ready"),
            "claimed": held,
            "overdue_lease": held.where(q.lease_until < now),
        }
        for state, query in kinds.items():
            counted = select(func.count()).select_from(query.limit(MOST).subquery())
            metric.add_metric([state], _count(conn, counted))
        return metric

    def _anchored(self) -> Iterator[Metric]:
        names = sorted(self._site.config.audit.anchors.glob("[0-9]*.json"))
        try:
            body = json.loads(names[-1].read_text())["anchor"] if names else None
            at = datetime.fromisoformat(body["created_at"]) if body else None
        except (OSError, ValueError, KeyError, TypeError):
            at = None
        yield _at("last_anchor", "The last anchor of the log", at)


def _jobs(conn: Connection) -> Metric:
    metric = GaugeMetricFamily("callflow_job_last_finished_timestamp_seconds", "Periodic jobs", labels=["job"])
    done = select(job_runs.c.job, func.max(job_runs.c.finished_at)).group_by(job_runs.c.job)
    for job, at in conn.execute(done):
        metric.add_metric([job], at.timestamp() if at else 0)
    return metric


def collectors_of(site: Site) -> CollectorRegistry:
    """Collectors of its own: a process may hold several consoles."""
    collectors = CollectorRegistry()
    collectors.register(Figures(site))
    return collectors


def _by(name: str, words: str, label: str, known: tuple[str, ...], conn: Connection, query: object) -> Metric:
    """A figure for each word of a closed set, zeros included."""
    counted = {word: count for word, count in conn.execute(query)}  # type: ignore[call-overload]  # noqa: C416
    metric = GaugeMetricFamily(f"callflow_{name}", words, labels=[label])
    for word in known:
        metric.add_metric([word], counted.get(word, 0))
    return metric


def _one(name: str, words: str, value: int) -> Metric:
    return GaugeMetricFamily(f"callflow_{name}", words, value=value)


def _at(name: str, words: str, at: datetime | None) -> Metric:
    """An instant as seconds since 1970; 0: never."""
    return GaugeMetricFamily(f"callflow_{name}_timestamp_seconds", words, value=at.timestamp() if at else 0)


def _gauge(name: str, words: str, labels: dict[str, str]) -> Metric:
    metric = GaugeMetricFamily(f"callflow_{name}", words, labels=list(labels))
    metric.add_metric(list(labels.values()), 1)
    return metric


def _count(conn: Connection, query: object) -> int:
    return int(conn.execute(query).scalar_one())  # type: ignore[call-overload]
