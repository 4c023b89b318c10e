"""Holds requests, answers and events to what Asterisk says of its own interface (`ari_facts.json`)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FACTS = json.loads(Path(__file__).with_name("ari_facts.json").read_text(encoding="utf-8"))
OPERATIONS: Mapping[str, Any] = FACTS["operations"]
MODELS: Mapping[str, Mapping[str, str]] = FACTS["models"]
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str, "int": int, "long": int, "double": (int, float), "boolean": bool, "object": dict, "containers": dict,
}  # fmt: skip


def operation(method: str, target: str) -> str | None:
    """The operation that a request is of, as the description names it."""
    path = urlsplit(target).path.removeprefix("/ari")
    for each in OPERATIONS:
        verb, template = each.split()
        if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return each
    return None


def faults_of_request(method: str, target: str, body: str) -> list[str]:
    """What Asterisk would not take. Parameters of the query may as well be given in the body."""
    found = operation(method, target)
    if found is None:
        return [f"{method} {urlsplit(target).path}: no such operation"]
    params = OPERATIONS[found]["params"]
    given = dict(parse_qsl(urlsplit(target).query)) | (json.loads(body) if body else {})
    faults = [f"{found}: no parameter {name}" for name in given if name not in params]
    faults += [
        f"{found}: {name} is missing" for name, kind in params.items() if kind.endswith("!") and name not in given
    ]
    for name, value in given.items():
        kind = params.get(name, "string").rstrip("!")
        values = value if kind.endswith("*") and isinstance(value, list) else [value]
        faults += [fault for each in values for fault in _faults(kind.rstrip("*"), each, f"{found} {name}")]
        if kind == "containers":  # "only string values in the 'variables' object allowed"
            faults += [f"{found}: {name}.{key} is no string" for key, inner in value.items() if type(inner) is not str]
    return faults


def faults_of_answer(method: str, target: str, answer: Any) -> list[str]:
    found = operation(method, target)
    return _faults(OPERATIONS[found]["answer"], answer, found) if found else []


def faults_of_event(message: Mapping[str, Any]) -> list[str]:
    kind = message["type"]
    fields = {**MODELS["Message"], **MODELS["Event"], **MODELS[kind]}
    return _faults_in(fields, message, kind)


def _faults(kind: str, value: Any, where: str) -> list[str]:
    if kind == "void":
        return [] if value is None else [f"{where}: an answer where there is none"]
    if kind.startswith("List["):
        return [fault for each in value for fault in _faults(kind[5:-1], each, where)]
    if kind == "Date":
        return [] if datetime.fromisoformat(value).tzinfo else [f"{where}: no aware instant"]
    if kind in MODELS:
        return _faults_in(MODELS[kind], value, f"{where} {kind}")
    right = isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
    return [] if right or (kind == "boolean" and value in ("true", "false")) else [f"{where}: {value!r} is no {kind}"]


def _faults_in(fields: Mapping[str, str], value: Mapping[str, Any], where: str) -> list[str]:
    faults = [f"{where}: no field {name}" for name in value if name not in fields]
    faults += [
        f"{where}: {name} is missing" for name, kind in fields.items() if kind.endswith("!") and name not in value
    ]
    for name, inner in value.items():
        faults += _faults(fields.get(name, "string").rstrip("!"), inner, f"{where}.{name}") if name in fields else []
    return faults


def _missing(fields: Mapping[str, str], value: Mapping[str, Any], where: str) -> list[str]:
    return [f"{where}: {name} is missing" for name, kind in fields.items() if kind.endswith("!") and name not in value]
