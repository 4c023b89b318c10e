"""The campaign and dial commands, as a person at a terminal meets them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from callflow.cli.main import run
from callflow.errors import CallflowError, InputError, NotFoundError, RefusedError, UsageError
from callflow.script.reader import read
from models.database import Database
from models.tables import accounts, cases, households, metadata, municipalities, organisations, script_versions
from scheduler import queue
from tests.conftest import START
from tests.world import MUNICIPALITY, SCRIPTS, account, add_case

NHI = "national_health_insurance"
PLAN = ("campaign", "plan", "11月の架電", "--claim-type", NHI, "--script", "nhi-premium")


class Terminal:
    """Types whole command lines over one small SQLite database, at a moment of its own."""

    def __init__(self, database: Database, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.database = database
        self._capsys = capsys
        self._patch = patch
        self.at(START)

    def at(self, now: datetime) -> None:
        self._patch.setenv("CALLFLOW_CLOCK", now.isoformat())

    def attempt(self, *words: str, by: str = "sv01") -> tuple[int, str, str]:
        code = run([*words, *(("--as", by) if by else ())])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def type(self, *words: str, by: str = "sv01") -> str:
        code, out, err = self.attempt(*words, by=by)
        assert code == 0, err
        return out

    def plan(self, *more: str) -> str:
        """A plan that is approved, and its supervisor on shift."""
        said = self.type(*PLAN, *more)
        self.type("campaign", "approve", "1", by="ward01")
        self.type("campaign", "shift", "begin", "--until", "20:00")
        return said

    def data(self, *words: str, by: str = "sv01") -> Any:
        return json.loads(self.type(*words, "--json", by=by))


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    url = f"sqlite:///{tmp_path}/callflow.sqlite"
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", url)
    monkeypatch.setenv("CALLFLOW_CONFIG", str(SCRIPTS.parent / "config.yaml"))
    database = Database(url)
    with database.write() as conn:
        metadata.create_all(conn)
    with database.write() as conn:
        conn.execute(municipalities.insert().values(id=MUNICIPALITY, code="139999", name="見本区"))
        conn.execute(
            insert(organisations).values(municipality_id=MUNICIPALITY, id=1, kind="contractor", name="見本センター")
        )
        conn.execute(insert(organisations).values(municipality_id=MUNICIPALITY, id=2, kind="ward", name="見本区"))
        supervisor = account(conn, 1, "sv01", "見本 責任", "supervisor", START)
        operator = account(conn, 1, "op01", "見本 一号", "operator", START)
        script, care = (read(SCRIPTS / f"{name}.yaml") for name in ("nhi-premium", "long-term-care"))
        for version, one, content_hash in (
            (1, script, "1" * 64),
            (2, script, script.content_hash),
            (1, care, care.content_hash),
        ):
            conn.execute(
                insert(script_versions).values(
                    municipality_id=MUNICIPALITY,
                    hash=content_hash,
                    name=one.name,
                    version=version,
                    sources=json.dumps(dict(one.sources), ensure_ascii=False),
                    published_at=START,
                    published_by=supervisor,
                    approved_by=operator,
                )
            )
        for number in range(1, 4):
            add_case(conn, number)
        conn.execute(update(cases).where(cases.c.id == 3).values(status="staff"))
        account(conn, 2, "ward01", "見本 職一", "staff", START)
    return Terminal(database, capsys, monkeypatch)


def test_a_plan_says_how_many_are_called_and_why_the_others_are_not(terminal: Terminal) -> None:
    said = terminal.type(*PLAN)
    assert "キャンペーン 1「11月の架電」 下書き" in said
    assert "待ち行列に 2 件を加えました" in said
    assert "区職員が対応中" in said
    (one,) = terminal.data("campaign", "list")
    assert one["plan"] == {"total": 3, "included": 2, "excluded": {"staff": 1}}
    assert one["script"] == read(SCRIPTS / "nhi-premium.yaml").content_hash


def test_a_trial_plan_writes_nothing(terminal: Terminal) -> None:
    assert "何も書いていません" in terminal.type(*PLAN, "--dry-run")
    assert terminal.data("campaign", "list") == []


def test_planning_again_adds_what_has_become_callable(terminal: Terminal) -> None:
    terminal.type(*PLAN)
    with terminal.database.write() as conn:
        conn.execute(update(cases).values(status="open"))
    again = terminal.data("campaign", "plan", "11月の架電")
    assert (again["added"], again["plan"]["included"]) == (1, 3)


def test_from_start_to_stop(terminal: Terminal) -> None:
    terminal.plan("--policy", "attempts_per_day=1", "--set", "opening=minimal")
    assert "稼働中" in terminal.type("campaign", "start", "1", "--supervisor", "sv01")
    assert "一時停止（昼休み）" in terminal.type("campaign", "pause", "11月の架電", "--reason", "昼休み")
    assert "稼働中" in terminal.type("campaign", "resume", "1")
    code, _, told = terminal.attempt("campaign", "stop", "1", by="sv01")
    assert (code, "--reason が要ります" in told) == (UsageError.exit_code, True)
    assert "終了（期間終了）" in terminal.type("campaign", "stop", "1", "--reason", "期間終了")
    status = terminal.data("campaign", "status", "1")
    assert (status["state"], status["queue"]) == ("stopped", {"done": 2})
    assert "待ち行列: 終了 2" in terminal.type("campaign", "status", "1")


def test_a_campaign_starts_only_under_a_supervisor(terminal: Terminal) -> None:
    terminal.plan()
    code, _, said = terminal.attempt("campaign", "start", "1", "--supervisor", "op01", by="sv01")
    assert code == RefusedError.exit_code
    assert "業務責任者" in said


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (("start", "1"), RefusedError, "承認済"),
        (("approve", "1"), RefusedError, "権限"),
        (("pause", "1"), UsageError, "--reason"),
        (("stop-all",), InputError, "理由"),
        (("lift-stop",), RefusedError, "権限"),
        (("shift", "end"), RefusedError, "勤務中では"),
        (("shift", "begin", "--until", "9時"), InputError, "時刻"),
        (("shift", "begin", "--until", "09:00"), InputError, "いまより前"),
        (("plan", "11月の架電", "--amount", "1.."), UsageError, "もうあります"),
        (("plan", "別の", "--amount", "9..1"), UsageError, "小さいほう"),
        (("plan", "別の", "--claim-type", "long_term_care", "--script", "long-term-care"), InputError, "30 日まで"),
        (("plan", "別の", "--claim-type", NHI, "--script", "long-term-care"), UsageError, "long_term_care のもの"),
        (("plan", "別の", "--claim-type", NHI, "--script", "nhi-premium", "--holdout", "60"), InputError, "対照群"),
        (("plan", "別の", "--claim-type", NHI, "--script", "nhi-premium", "--day", "2026-11-29"), InputError, "架電"),
        (("plan", "別の", "--claim-type", NHI, "--script", "nhi-premium", "--evenings", "1"), UsageError, "--days"),
        (("start", "1", "--supervisor", "nobody"), NotFoundError, "利用者"),
        (("resume", "1"), RefusedError, "再開できません"),
        (("status", "2"), NotFoundError, "キャンペーン 2"),
        (("plan", "別の"), UsageError, "--claim-type"),
        (("plan", "別の", "--claim-type", "tax"), UsageError, "tax"),
        (("plan", "別の", "--claim-type", NHI), UsageError, "--script"),
        (("plan", "別の", "--claim-type", NHI, "--script", "no"), InputError, "台本"),
        (("plan", "別の", "--claim-type", NHI, "--script", "nhi-premium", "--set", "x"), UsageError, "名前=値"),
        (("plan", "別の", "--claim-type", NHI, "--script", "nhi-premium", "--policy", "a=b"), UsageError, "整数"),
        (
            ("plan", "別の", "--claim-type", NHI, "--script", "nhi-premium", "--set", "a=b"),
            UsageError,
            "opening=minimal",
        ),
        (
            ("plan", "別の", "--claim-type", NHI, "--script", "nhi-premium", "--policy", "attempts_per_day=9"),
            InputError,
            "attempts_per_day",
        ),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(
    terminal: Terminal, words: tuple[str, ...], error: type[CallflowError], says: str
) -> None:
    terminal.type(*PLAN)
    before = terminal.data("campaign", "list")
    code, out, err = terminal.attempt("campaign", *words)
    assert (code, out) == (error.exit_code, "")
    assert says in err
    assert terminal.data("campaign", "list") == before


def test_the_queue_in_the_order_of_dealing(terminal: Terminal) -> None:
    terminal.plan()
    assert "稼働中のキャンペーンはありません" in terminal.type("dial", "queue")
    terminal.type("campaign", "start", "1", "--supervisor", "sv01")
    with terminal.database.write() as conn:
        queue.wake(conn, MUNICIPALITY, START)
    (one,) = terminal.data("dial", "queue")
    assert [(each["case"], each["state"]) for each in one["next"]] == [(1, "ready"), (2, "ready")]
    assert "案件 1" in terminal.type("dial", "queue", "--campaign", "1", "-n", "1")


def test_a_case_is_explained_by_its_id_and_by_its_addressee_number(terminal: Terminal) -> None:
    terminal.plan()
    for word in ("1", "0010000001"):
        assert "キャンペーンが稼働していません" in terminal.type("dial", "explain", word)
    terminal.type("campaign", "start", "1", "--supervisor", "sv01")
    assert "いま架電できます" in terminal.type("dial", "explain", "1")
    terminal.at(START + timedelta(hours=9))
    (told,) = terminal.data("dial", "explain", "1")
    assert (told["callable"], told["next_at"]) == (False, "2026-11-25T09:00:00+09:00")


def test_a_case_that_is_none_is_not_repeated_back(terminal: Terminal) -> None:
    code, out, err = terminal.attempt("dial", "explain", "0019999999")
    assert (code, out) == (NotFoundError.exit_code, "")
    assert "0019999999" not in err


def test_accounts_that_are_closed_start_nothing(terminal: Terminal) -> None:
    terminal.type(*PLAN)
    with terminal.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.login == "sv01").values(disabled_at=START))
    code, _, _ = terminal.attempt("campaign", "start", "1", "--supervisor", "sv01", by="ward01")
    assert code == RefusedError.exit_code


@pytest.mark.parametrize(
    "words",
    [("plan", "11月"), *((act, "1") for act in ("start", "pause", "resume", "stop")), ("stop-all",), ("lift-stop",)],
)
def test_an_operator_plans_and_runs_nothing_and_nobody_does_without_a_name(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    assert terminal.attempt("campaign", *words, by="op01")[0] == RefusedError.exit_code
    assert terminal.attempt("campaign", *words, by="")[0] == UsageError.exit_code


def test_a_protected_household_is_there_for_the_ward_alone(terminal: Terminal) -> None:
    with terminal.database.write() as conn:
        conn.execute(update(households).values(protected=True))
    for by in ("sv01", "op01", ""):
        assert terminal.attempt("dial", "explain", "1", by=by)[0] == NotFoundError.exit_code
    assert "架電できない世帯です" in terminal.type("dial", "explain", "1", by="ward01")
