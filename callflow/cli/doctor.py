"""`callflow doctor`: what should be mended, in words, for the person who keeps callflow running."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.doctor import calling, files, host, serving, storage
from callflow.doctor.findings import Check, Finding, Level, Surroundings, examined
from callflow.errors import CallflowError

app = typer.Typer(rich_markup_mode=None)

EXIT_SOMETHING_TO_MEND = 1
_HOST: tuple[Check, ...] = (
    ("python", "Python", host.python),
    ("libraries", "ライブラリー", host.libraries),
    ("time_zone", "時間帯", host.time_zone),
    ("fonts", "字体", serving.fonts),
    ("paper", "印刷", serving.paper),
)
_CONFIGURED: tuple[Check, ...] = (
    ("configuration", "設定", calling.configuration),
    ("holidays", "祝日", calling.holidays),
    ("telephone", "電話", calling.telephone),
    ("room", "空き容量", host.room),
    ("durable_write", "書き込み", host.durable_write),
    ("permissions", "権限", files.permissions),
    ("certificate", "TLS 証明書", serving.certificate),
)
_STORED: tuple[Check, ...] = (
    ("database", "データベース", storage.reachable),
    ("municipality", "自治体", storage.municipality),
    ("durability", "耐久性", storage.durability),
    ("clocks", "時計", storage.clocks),
    ("backup_programs", "控えの道具", storage.backup_programs),
    ("backups", "控え", files.backups),
    ("anchors", "錨", files.anchors),
    ("calling_days", "架電日", calling.calling_days),
    ("scripts", "台本", calling.scripts),
    ("work", "定期処理", storage.work),
    ("queue", "待ち行列", storage.queue),
    ("tallies", "結果の件数", storage.tallies),
)


@app.command()
def doctor(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> int:
    """機械・データベース・鍵・暦・台本を調べ、直すべきことと直し方を示す。個人情報は出さない。

    何も変えない。終了コード 0: 直すべきことはない、1: 注意か問題がある。

    例: callflow doctor / callflow doctor --json
    """
    here: Context = ctx.obj
    around = Surroundings(here.config_path, here.clock.now(), lambda: here.config)
    found = list(examined(_possible(around), around))
    worst = max((each.level for _, _, each in found), key=list(Level).index)
    data: dict[str, Any] = {
        "verdict": worst.code,
        "checks": [
            {"check": code, "level": each.level.code, "words": each.words, "mend": each.mend, "facts": each.facts}
            for code, _, each in found
        ],
    }
    say(_lines(found), data, as_json=as_json)
    return EXIT_SOMETHING_TO_MEND if worst.asks_for_something else 0


def _possible(around: Surroundings) -> tuple[Check, ...]:
    """Without a configuration, or a database that can be reached, what needs it is not asked: once told is enough."""
    try:
        _ = around.config
    except CallflowError:
        return (*_HOST, _CONFIGURED[0])
    try:
        usable = all(not found.level.asks_for_something for found in storage.reachable(around))
    except Exception:
        usable = False
    return (*_HOST, *_CONFIGURED, *(_STORED if usable else _STORED[:1]))


def _lines(found: list[tuple[str, str, Finding]]) -> Iterator[str]:
    for _, name, each in found:
        yield f"{each.level.sign} {name}: {each.words}"
        if each.mend:
            yield f"    → {each.mend}"
    counted = {level: sum(each.level is level for _, _, each in found) for level in Level}
    yield "、".join(f"{level.ja} {count}" for level, count in counted.items() if count)
