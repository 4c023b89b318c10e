"""Whether a request is one that an OpenAPI description accepts: path, method, parameters, form."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator


class Description:
    def __init__(self, file: Path) -> None:
        self._whole = json.loads(file.read_text(encoding="utf-8"))

    def faults(self, method: str, path: str, query: str, body: str) -> list[str]:
        """What the description does not accept of a request; empty if it is in order."""
        for template, pattern in self._paths:
            found = pattern.fullmatch(path)
            if found and method.lower() in self._whole["paths"][template]:
                return self._operation_faults(self._whole["paths"][template][method.lower()], found, query, body)
        return [f"{method} {path}: no such operation"]

    @cached_property
    def _paths(self) -> list[tuple[str, re.Pattern[str]]]:
        found = [
            (path, re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))))
            for path in self._whole["paths"]
        ]
        return sorted(found, key=lambda each: each[0].count("{"))

    def _operation_faults(self, operation: Any, found: re.Match[str], query: str, body: str) -> list[str]:
        in_path = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "path"}
        in_query = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "query"}
        faults = self._values_faults(in_path, [], list(found.groupdict().items()))
        faults += self._values_faults(
            in_query, [], parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        )
        content = operation.get("requestBody", {"content": {}})["content"].get("application/x-www-form-urlencoded")
        if content is None:
            return faults + (["no body is expected"] if body else [])
        schema = content["schema"]
        pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body))
        return faults + self._values_faults(schema["properties"], schema.get("required", []), pairs)

    def _values_faults(self, schemas: Any, required: list[str], pairs: list[tuple[str, str]]) -> list[str]:
        given = {name: [value for each, value in pairs if each == name] for name, _ in pairs}
        faults = [f"{name} is missing" for name in required if name not in given]
        for name, values in given.items():
            if name not in schemas:
                faults.append(f"{name} is not known")
                continue
            schema = self._resolved(schemas[name])
            value: Any = (
                [self._typed(schema["items"], one) for one in values] if schema.get("type") == "array" else None
            )
            if value is None:
                faults += [f"{name} is given twice"] if len(values) > 1 else []
                value = self._typed(schema, values[0])
            faults += [f"{name}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value)]
        return faults

    def _resolved(self, schema: Any) -> Any:
        return self._whole["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema

    @staticmethod
    def _typed(schema: Any, text: str) -> Any:
        if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
            return int(text)
        if schema.get("type") == "boolean" and text in ("true", "false"):
            return text == "true"
        return text
