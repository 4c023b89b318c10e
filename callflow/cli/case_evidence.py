"""`callflow case evidence`: everything that happened with a household, with the proof of its calls."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from callflow.access.views import Viewer
from callflow.cli.context import Context
from callflow.cli.output import free, say
from callflow.errors import UsageError
from callflow.followup.history import Who
from callflow.papers.evidence import handed


def evidence(
    ctx: typer.Context,
    case: Annotated[str, typer.Argument(help="案件の番号、宛名番号、世帯番号のどれか", metavar="CASE|HOUSEHOLD")],
    purpose: Annotated[str, typer.Option("--purpose", help="何のために（記録に残る）")],
    file: Annotated[Path | None, typer.Option("--output", "-o", help="書き出すファイル")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="PDF でなく、データとして")] = False,
) -> None:
    """世帯ごとの折衝経過: 督促・通話・相談の案内・連絡票・報告書・約束・収納と、通話の記録の証明。

    例: callflow --as ward01 case evidence 12 --purpose 審査請求への回答 -o 経過.pdf
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    if file is None and not as_json:
        raise UsageError("PDF の書き出し先がありません", mend="-o 経過.pdf を付けてください")
    if file is not None:
        free(file)
    who = Who(here.municipality_id, here.actor_id, here.clock.now())
    viewer = Viewer(here.actor_id, here.actor.roles, here.actor.organisation_kind)
    fmt = "json" if as_json else "pdf"
    paper = handed(here.database, here.config, here.shelf, who, viewer, case, purpose, fmt)  # type: ignore[arg-type]
    if file is None:
        sys.stdout.write(paper.content.decode())
        return
    file.write_bytes(paper.content)
    say([f"{file}: {paper.count}件、sha256 {paper.digest}"], None, as_json=False)
