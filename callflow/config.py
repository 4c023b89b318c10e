"""config.yaml: read once, checked as a whole, every fault with its line and the nearest right key.

Every key can be overridden by the environment: `CALLFLOW_DATABASE__URL` is `database.url`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError, create_model

from callflow.briefing import Desk
from callflow.configfile import Given, Key, overlay, read_file
from callflow.errors import ConfigError, Where
from scheduler.budgets import DayBudget, Overrun, overruns
from scheduler.calendar import Calendar, Hours
from scheduler.settings import Policy

ClaimType = Literal[
    "national_health_insurance",
    "resident_tax",
    "light_vehicle_tax",
    "late_elderly",
    "long_term_care",
    "nursery_fee",
]


def hours_of(text: object) -> Hours | None:
    """`09:00-17:00` as hours; empty means none. Raises ValueError outside 8:00-21:00 or if it cannot be read."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,2}):(\d\d)\s*[-–〜~]\s*(\d{1,2}):(\d\d)", str(text).strip())
    if found is None:
        raise ValueError("時間は 09:00-17:00 の形で書きます。架電しないなら空にします")
    hour, minute, to_hour, to_minute = map(int, found.groups())
    try:
        return Hours(time(hour, minute), time(to_hour, to_minute))
    except ValueError as error:
        raise ValueError("時間は 08:00 から 21:00 のうちで、始めを先に書きます") from error


def _hours_text(hours: Hours | None) -> str:
    return f"{hours.start:%H:%M}-{hours.end:%H:%M}" if hours else ""


Word = Annotated[str, Field(min_length=1)]
CallingHours = Annotated[Hours | None, PlainValidator(hours_of), PlainSerializer(_hours_text)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Municipality(_Section):
    code: str = Field(pattern=r"^\d{6}$")
    ward: Word
    company: Word
    desk_name: Word
    desk_phone: Word
    desk_hours: Word


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


class Budget(_Section):
    """Calling days of a fiscal year; Sundays and evenings are among the days."""

    days: int = Field(ge=0, le=366)
    sundays: int = Field(default=0, ge=0, le=60)
    evenings: int = Field(default=0, ge=0, le=366)


class Claim(_Section):
    """One claim type: its law and its calling days. Empty hours mean no calls then; `days` left out, every day."""

    name: Word
    limitation_years: int = Field(ge=1, le=20)
    spouse_may_hear: bool
    hours: CallingHours = Hours(time(9), time(17))
    evening_hours: CallingHours = Hours(time(18), time(20))
    rest_hours: CallingHours = Hours(time(9), time(16))
    days: list[date] | None = None
    evenings: list[date] = []
    rest_days: list[date] = []
    budget: Budget | None = None


if TYPE_CHECKING:
    PolicySection = _Section
else:

    def _policy_field(item: Any) -> tuple[type, Any]:
        if "tighter" not in item.metadata:
            return bool, item.default
        bound = {"ge": item.metadata["limit"]} if item.metadata["tighter"] > 0 else {"le": item.metadata["limit"]}
        return int, Field(default=item.default, **{"ge": 0, **bound})

    PolicySection = create_model(
        "PolicySection",
        __base__=_Section,
        **{item.name: _policy_field(item) for item in fields(Policy) if item.name != "limitation_years"},
    )
    """`scheduler.settings.Policy` key by key, with its defaults and its hard limits."""


class Config(_Section):
    """The whole configuration."""

    municipality: Municipality
    database: DatabaseSection
    scripts: Scripts = Scripts()
    imports: Import = Field(default_factory=Import, alias="import")
    audit: Audit = Audit()
    claim_types: dict[ClaimType, Claim]
    closed_days: list[date] = []
    policy: PolicySection = PolicySection()

    def policy_for(self, _claim_type: str) -> Policy:
        """The contact policy, with each claim type's years of limitation."""
        years = {str(name): claim.limitation_years for name, claim in self.claim_types.items()}
        return Policy(**self.policy.model_dump(), limitation_years=years)

    def claim(self, claim_type: str) -> Claim:
        """A claim type's settings. Raises ConfigError for one that is not configured."""
        claim = {str(name): claim for name, claim in self.claim_types.items()}.get(claim_type)
        if claim is None:
            known = "、".join(self.claim_types)
            raise ConfigError(f"債権区分 {claim_type} の設定がありません", mend=f"claim_types にあるもの: {known}")
        return claim

    def calendar_for(self, claim_type: str) -> Calendar:
        """The calling days and hours of a claim type. Raises ConfigError for one that is not configured."""
        claim = self.claim(claim_type)
        return Calendar(
            day=claim.hours,
            days=None if claim.days is None else frozenset(claim.days),
            evening=claim.evening_hours,
            evening_days=frozenset(claim.evenings),
            rest=claim.rest_hours,
            rest_days=frozenset(claim.rest_days),
            closed=frozenset(self.closed_days),
        )

    def budget_for(self, claim_type: str) -> DayBudget | None:
        """How many days a year the claim type may be called on; None: no budget."""
        budget = self.claim(claim_type).budget
        return DayBudget(budget.days, budget.sundays, budget.evenings) if budget else None

    def overruns(self) -> Iterator[tuple[str, Overrun]]:
        """The claim types and fiscal years for which more days are listed than budgeted."""
        for claim_type in self.claim_types:
            budget = self.budget_for(claim_type)
            for overrun in overruns(self.calendar_for(claim_type), budget) if budget else ():
                yield claim_type, overrun

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


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective value and where it came from: a file's line, the environment, or the default."""

    key: str
    value: str
    source: str


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The checked configuration. Raises ConfigError with file, line, key, and what is allowed; every fault at once.

    A relative path follows the file's folder; one that the environment gives, the folder of the command.
    """
    given = overlay(read_file(path), environ)
    return _beside(_checked(given), given, path.parent)


def effective(path: Path, environ: Mapping[str, str] = os.environ) -> list[Setting]:
    """Every value in effect, with its source; passwords in URLs are not shown."""
    given = overlay(read_file(path), environ)
    whole = _beside(_checked(given), given, path.parent).model_dump(mode="json", by_alias=True)
    return [
        Setting(".".join(key), _masked(_text(value)), str(given.origin(key) or "既定値"))
        for key, value in _leaves(whole, ())
    ]


def _beside(config: Config, given: Given, folder: Path) -> Config:
    """With every relative path that the environment did not give taken from `folder`."""

    def of_file(*key: str) -> bool:
        origin = given.origin(key)
        return origin is None or not origin.variable

    def placed(path: Path, *key: str) -> Path:
        return folder / path if of_file(*key) else path

    scripts, audit, url = config.scripts, config.audit, config.database.url
    anchors = placed(audit.anchors, "audit", "anchors")
    signing_key = placed(audit.signing_key, "audit", "signing_key")
    file = re.fullmatch(r"sqlite:///(?!/|:|file:)(.+)", url)
    if file and of_file("database", "url"):
        url = f"sqlite:///{folder / file[1]}"
    return config.model_copy(
        update={
            "database": DatabaseSection(url=url),
            "scripts": scripts.model_copy(update={"folder": placed(scripts.folder, "scripts", "folder")}),
            "audit": Audit(anchors=anchors, signing_key=signing_key),
        }
    )


def _checked(given: Given) -> Config:
    try:
        return Config.model_validate(given.tree)
    except ValidationError as error:
        faults = [_explained(dict(each), given) for each in error.errors()]
    if len(faults) == 1:
        raise faults[0]
    first = faults[0].where
    listed = "\n".join(f"  {fault}" for fault in faults)
    raise ConfigError(f"設定に {len(faults)} 件の誤りがあります:\n{listed}", where=Where(first.file, first.line))


def _explained(error: dict[str, Any], given: Given) -> ConfigError:
    key: Key = tuple(str(part) for part in error["loc"] if part != "[key]")
    source = given.source(key)
    where = Where(source.file, source.line, source.column, ".".join(key))
    if source.variable:
        where = Where(field=str(source))
    kind, limits = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return ConfigError(f"知らないキー {key[-1]} です", where=where, mend=_nearest(key[-1], _keys_beside(key)))
    if kind == "literal_error":
        return ConfigError(f"{key[-1]} は使えません", where=where, mend=_nearest(key[-1], get_args(ClaimType)))
    if kind == "missing":
        return ConfigError(f"{key[-1]} がありません", where=where, mend=f"{key[-1]}: を書いてください")
    if kind == "value_error":
        return ConfigError(str(limits["error"]), where=where)
    what, mend = _WORDS.get(kind, (str(error["msg"]), ""))
    return ConfigError(what.format(**limits), where=where, mend=mend.format(**limits))


_WORDS = {
    "int_parsing": ("整数ではありません", "数だけを書きます。単位はキーの名にあります"),
    "int_type": ("整数ではありません", "数だけを書きます。単位はキーの名にあります"),
    "bool_parsing": ("true か false ではありません", "true か false を書きます"),
    "string_type": ("一つの語ではありません", "値を一つだけ書きます"),
    "string_too_short": ("値が空です", "値を書いてください"),
    "string_pattern_mismatch": ("この値は使えません", "形: {pattern}"),
    "greater_than_equal": ("小さすぎます", "{ge} 以上にしてください"),
    "less_than_equal": ("大きすぎます", "{le} 以下にしてください"),
    "date_from_datetime_parsing": ("日付ではありません", "2026-11-24 の形で書きます"),
    "date_parsing": ("日付ではありません", "2026-11-24 の形で書きます"),
    "list_type": ("並びではありません", "[値, 値] の形で書きます"),
    "model_type": ("ここは「キー: 値」の並びで書きます", ""),
    "dict_type": ("ここは「キー: 値」の並びで書きます", ""),
}


def _keys_beside(key: Key) -> list[str]:
    """The keys that may stand where `key` stands."""
    model: type[BaseModel] = Config
    for part in key[:-1]:
        found = next((f for name, f in model.model_fields.items() if part == (f.alias or name)), None)
        inner = (found.annotation, *get_args(found.annotation)) if found else (Claim,)
        model = next((e for e in inner if isinstance(e, type) and issubclass(e, BaseModel)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _nearest(word: str, known: Any) -> str:
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"{close[0]} のことですか" if close else f"使えるもの: {'、'.join(known)}"


def _leaves(value: Mapping[str, Any], above: Key) -> Iterator[tuple[Key, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, (*above, name))
        else:
            yield (*above, name), inner


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "—" if value in (None, "", {}) else str(value)


def _masked(value: str) -> str:
    """A URL without its password."""
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", value)
