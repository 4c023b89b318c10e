"""What a script must satisfy before it can be published: one exhaustive search, and what each line says.

docs/call-script.md lists every rule. Stepping back is not searched: it leads only to lines that the search has
already judged for the same party.
"""

from __future__ import annotations

from time import perf_counter

from callflow.script.model import Script
from callflow.script.proofs.declared import declared_findings
from callflow.script.proofs.names import known_part, unknown_names
from callflow.script.proofs.report import Finding, Findings, Report
from callflow.script.proofs.rules import Rules, reachability
from callflow.script.proofs.screens import screen_findings
from callflow.script.proofs.search import explore
from callflow.script.proofs.wording import wording_findings

__all__ = ["Finding", "Report", "prove"]


def prove(script: Script) -> Report:
    """All that is wrong with a script, each fault once per rule and cause. Unknown names do not stop the search."""
    began = perf_counter()
    findings = Findings()
    for judge in (unknown_names, declared_findings, screen_findings, wording_findings):
        for finding in judge(script):
            findings.add(finding)
    known = known_part(script) if findings else script
    rules = Rules(known, findings)
    search = explore(known, rules.node, rules.edge)
    for finding in reachability(known, search):
        findings.add(finding)
    return Report(
        findings=tuple(sorted(findings, key=lambda f: (f.mark.file, f.mark.line, f.mark.column, f.rule, f.cause))),
        states=len(search.nodes),
        edges=search.edges,
        seconds=perf_counter() - began,
        drafts=tuple(name for name, state in script.states.items() if state.draft),
    )
