"""config.yaml: read once, checked as a whole, every fault with its line and the nearest right key.

Every key can be overridden by the environment: `CALLFLOW_DATABASE__URL` is `database.url`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from callflow.briefing import Desk
from callflow.errors import ConfigError, Where
from scheduler.calendar import Calendar, Hours
from scheduler.settings import Policy

PREFIX = "CALLFLOW_"
ClaimType = Literal[
    "national_health_insurance",
    "resident_tax",
    "light_vehicle_tax",
    "late_elderly",
    "long_term_care",
    "nursery_fee",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Municipality(_Section):
    code: str = Field(pattern=r"^\d{6}$")
    ward: str = Field(min_length=1)
    company: str = Field(min_length=1)
    desk_name: str = Field(min_length=1)
    desk_phone: str = Field(min_length=1)
    desk_hours: str = Field(min_length=1)


class DatabaseSection(_Section):
    url: str = Field(pattern=r"^(sqlite:///|postgres(ql)?(\+psycopg)?://)")


class Scripts(_Section):
    folder: Path = Path("scripts")
    settings: dict[str, str] = {}


class Import(_Section):
    default_area_code: str = Field(default="", pattern=r"^(0\d{1,4})?$")


class Audit(_Section):
    anchors: Path = Path("var/anchors")
    signing_key: Path = Path("var/anchor.key")


class Claim(_Section):
    """One claim type: its law and its calling days. An empty `hours` means no daytime calls."""

    name: str = Field(min_length=1)
    limitation_years: int = Field(ge=1, le=20)
    spouse_may_hear: bool
    hours: str = "09:00-17:00"
    evening_hours: str = "18:00-20:00"
    rest_hours: str = "09:00-16:00"
    days: list[date] | None = None
    evenings: list[date] = []
    rest_days: list[date] = []

    @field_validator("hours", "evening_hours", "rest_hours")
    @classmethod
    def _readable(cls, value: str) -> str:
        hours_of(value)
        return value


class Config(_Section):
    """The whole configuration."""

    municipality: Municipality
    database: DatabaseSection
    scripts: Scripts = Scripts()
    imports: Import = Field(default_factory=Import, alias="import")
    audit: Audit = Audit()
    claim_types: dict[ClaimType, Claim]
    closed_days: list[date] = []
    policy: dict[str, int | bool] = {}

    @field_validator("policy")
    @classmethod
    def _within_limits(cls, value: dict[str, int | bool]) -> dict[str, int | bool]:
        known = {item.name for item in fields(Policy)} - {"limitation_years"}
        for name in value:
            if name not in known:
                raise ValueError(f"policy.{name} はありません{_nearest(name, known)}")
        Policy(**value)  # type: ignore[arg-type]
        return value

    def policy_for(self, _claim_type: str) -> Policy:
        """The contact policy, with each claim type's years of limitation."""
        years = {name: claim.limitation_years for name, claim in self.claim_types.items()}
        return Policy(**self.policy, limitation_years=years)  # type: ignore[arg-type]

    def calendar_for(self, claim_type: str) -> Calendar:
        """The calling days and hours of a claim type. Raises ConfigError for one that is not configured."""
        claim = self.claim_types.get(claim_type)  # type: ignore[call-overload]
        if claim is None:
            raise ConfigError(f"債権区分 {claim_type} の設定がありません", mend="claim_types に書いてください")
        return Calendar(
            day=hours_of(claim.hours),
            days=None if claim.days is None else frozenset(claim.days),
            evening=hours_of(claim.evening_hours),
            evening_days=frozenset(claim.evenings),
            rest=hours_of(claim.rest_hours),
            rest_days=frozenset(claim.rest_days),
            closed=frozenset(self.closed_days),
        )

    def desk(self) -> Desk:
        """The words and rules that a call is opened under."""
        own, policy = self.municipality, self.policy_for("")
        return Desk(
            ward=own.ward,
            company=own.company,
            desk_name=own.desk_name,
            desk_phone=own.desk_phone,
            desk_hours=own.desk_hours,
            claim_names={name: claim.name for name, claim in self.claim_types.items()},
            spouse_may_hear={name: claim.spouse_may_hear for name, claim in self.claim_types.items()},
            limitation_years={name: claim.limitation_years for name, claim in self.claim_types.items()},
            promise_horizon=timedelta(days=policy.promise_horizon_days),
            message_pause=timedelta(days=policy.machine_message_every_days),
        )


def hours_of(text: str) -> Hours | None:
    """`09:00-17:00` as hours; empty means none. Raises ValueError outside 8:00–21:00 or if it cannot be read."""
    if not text:
        return None
    start, dash, end = text.partition("-")
    if not dash:
        raise ValueError("時間は 09:00-17:00 の形で書きます")
    return Hours(time.fromisoformat(start.strip()), time.fromisoformat(end.strip()))


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective value and where it came from: a file's line, or the environment."""

    key: str
    value: str
    source: str


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The checked configuration. Raises ConfigError with file, line, key, and what is allowed."""
    data = _with_environment(_read(path), environ)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise _explained(error, data, path, environ) from error


def effective(path: Path, environ: Mapping[str, str] = os.environ) -> list[Setting]:
    """Every value that is set, with its source; passwords in URLs are not shown."""
    load(path, environ)
    data = _with_environment(_read(path), environ)
    return [Setting(key, _masked(str(value)), _source(key, data, path, environ)) for key, value in _flat(data)]


def _read(path: Path) -> CommentedMap:
    yaml = YAML(typ="rt", pure=True)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        mend = "config.yaml のあるフォルダーで実行するか、CALLFLOW_CONFIG で指定してください"
        raise ConfigError(f"設定ファイル {path} がありません", mend=mend) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = Where(str(path), mark.line + 1 if mark else 0, mark.column + 1 if mark else 0)
        raise ConfigError(f"YAML として読めません: {error.problem}", where=place) from error
    if not isinstance(data, CommentedMap):
        raise ConfigError("設定は「キー: 値」の並びで書きます", where=Where(str(path), 1))
    return data


def _with_environment(data: CommentedMap, environ: Mapping[str, str]) -> CommentedMap:
    yaml = YAML(typ="safe", pure=True)
    for name, text in environ.items():
        parts = [part.lower() for part in name.removeprefix(PREFIX).split("__")]
        if not name.startswith(PREFIX) or len(parts) < 2:
            continue
        place = data
        for part in parts[:-1]:
            place = place.setdefault(part, CommentedMap())
        place[parts[-1]] = yaml.load(text) if text else ""
    return data


def _explained(error: ValidationError, data: CommentedMap, path: Path, environ: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"]]
    key = ".".join(keys)
    line, column = _place(data, keys)
    where = Where(str(path), line, column, key)
    if _source(key, data, path, environ).startswith("環境変数"):
        where = Where(field=_source(key, data, path, environ))
    if first["type"] == "extra_forbidden":
        return ConfigError("知らないキーです", where=where, mend=_nearest(keys[-1], _siblings(keys)).strip("（）"))
    if first["type"] == "missing":
        return ConfigError("必要なキーがありません", where=where, mend=f"{key}: を書いてください")
    if first["type"] == "literal_error":
        return ConfigError("知らないキーです", where=where, mend=str(first.get("ctx", {}).get("expected", "")))
    return ConfigError(first["msg"].removeprefix("Value error, "), where=where)


def _place(data: CommentedMap, keys: list[str]) -> tuple[int, int]:
    """Line and column of the deepest part of `keys` that the file has."""
    place, found = data, (0, 0)
    for key in keys:
        if not isinstance(place, CommentedMap) or key not in place:
            break
        if key in place.lc.data:
            line, column = place.lc.key(key)
            found = (line + 1, column + 1)
        place = place[key]
    return found


def _siblings(keys: list[str]) -> set[str]:
    model: Any = Config
    for key in keys[:-1]:
        found = next((f for n, f in model.model_fields.items() if key in (n, f.alias)), None) if model else None
        annotation = found.annotation if found else None
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else Claim
    return {field.alias or name for name, field in model.model_fields.items()}


def _nearest(word: str, known: set[str]) -> str:
    close = get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f"（{close[0]} のことですか）" if close else f"（使えるキー: {'、'.join(sorted(known))}）"


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _source(key: str, data: CommentedMap, path: Path, environ: Mapping[str, str]) -> str:
    name = PREFIX + key.upper().replace(".", "__")
    if name in environ:
        return f"環境変数 {name}"
    line, _ = _place(data, key.split("."))
    return f"{path}:{line}"


def _masked(value: str) -> str:
    scheme, found, rest = value.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://{user.split(':')[0]}:***@{host}" if found and at and ":" in user else value
