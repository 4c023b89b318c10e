"""One of several processes that claim from one queue: `python claimants.py URL WORKER naive|ours` prints the cases."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from models.database import Database
from models.tables import queue_entries
from scheduler import queue

MUNICIPALITY, CAMPAIGN = 1, 1
UNTIL = datetime(2026, 11, 24, 2, 0, tzinfo=UTC) + timedelta(minutes=15)


def ours(database: Database, worker: str) -> int | None:
    held = database.transact(
        lambda conn: queue.claim(conn, MUNICIPALITY, [CAMPAIGN], worker=worker, lease_until=UNTIL), patience=60
    )
    return held.case_id if held else None


def naive(database: Database, worker: str) -> int | None:
    """What everybody writes first: look, then take."""
    q = queue_entries.c
    ready = select(q.case_id).where(q.municipality_id == MUNICIPALITY, q.campaign_id == CAMPAIGN, q.state == "ready")
    with database.read() as conn:
        case_id = conn.execute(ready.order_by(q.priority, q.due_at, q.case_id).limit(1)).scalar()
    if case_id is None:
        return None
    time.sleep(0.001)
    mine = (q.municipality_id == MUNICIPALITY) & (q.campaign_id == CAMPAIGN) & (q.case_id == case_id)
    database.transact(
        lambda conn: conn.execute(update(queue_entries).where(mine).values(state="claimed", claimed_by=worker)),
        patience=60,
    )
    return int(case_id)


def main() -> None:
    url, worker, way = sys.argv[1:]
    take = {"ours": ours, "naive": naive}[way]
    database = Database(url)
    print("ready", flush=True)
    sys.stdin.readline()
    while (case_id := take(database, worker)) is not None:
        print(case_id)


if __name__ == "__main__":
    main()
