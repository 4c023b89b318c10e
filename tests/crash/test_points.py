"""The harness itself: it kills where it says, what was not committed is gone, and careless work is found out."""

from __future__ import annotations

from itertools import count

import pytest
from sqlalchemy import func, select

from models.database import Database
from models.tables import organisations
from tests.crash.points import Points
from tests.world import MUNICIPALITY


@pytest.mark.parametrize(("transactions", "left"), [([[1, 2]], {0, 2}), ([[1], [2]], {0, 1, 2})])
def test_one_transaction_is_whole_or_absent_and_two_can_be_torn(
    database: Database, transactions: list[list[int]], left: set[int]
) -> None:
    points, found = Points(database), set()

    def work() -> None:
        for rows in transactions:
            with database.write() as conn:
                for row in rows:
                    conn.execute(
                        organisations.insert().values(
                            municipality_id=MUNICIPALITY, id=row, kind="ward", name=f"見本{row}"
                        )
                    )

    for point in count(1):
        killed = points.kill_at(point, work)
        with database.write() as conn:
            found.add(conn.execute(select(func.count()).select_from(organisations)).scalar_one())
            conn.execute(organisations.delete())
        if not killed:
            break
    assert found == left
    assert points.count(work) == point - 1
