"""config.yaml: read once, checked as a whole, every fault with its line and the nearest right key.

Every key can be overridden by the environment: `CALLFLOW_DATABASE__URL` is `database.url`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    model_validator,
)

from callflow.briefing import Desk
from callflow.configfile import Given, Key, overlay, read_file
from callflow.errors import ConfigError, Where
from callflow.keeping import CLASSES, EVIDENCE
from callflow.sections import (
    Api,
    Asterisk,
    Audit,
    Claim,
    ClaimType,
    Console,
    DatabaseSection,
    FollowUp,
    Import,
    MisfitError,
    Municipality,
    Oidc,
    PolicySection,
    Quality,
    Radar,
    Recordings,
    Relay,
    Retention,
    Scripts,
    Section,
    Telephony,
    Twilio,
)
from scheduler.budgets import DayBudget, Overrun, overruns
from scheduler.calendar import Calendar
from scheduler.settings import Policy


class Config(Section):
    """The whole configuration."""

    municipality: Municipality
    database: DatabaseSection
    scripts: Scripts = Scripts()
    imports: Import = Field(default_factory=Import, alias="import")
    audit: Audit = Audit()
    console: Console = Console()
    oidc: Oidc = Oidc()
    api: Api = Api()
    quality: Quality = Quality()
    follow_up: FollowUp = FollowUp()
    telephony: Telephony = Telephony()
    twilio: Twilio = Twilio()
    asterisk: Asterisk = Asterisk()
    relay: Relay = Relay()
    recordings: Recordings = Recordings()
    radar: Radar = Radar()
    retention: Retention = Retention()
    claim_types: dict[ClaimType, Claim]
    closed_days: list[date] = Field(default_factory=list)
    policy: PolicySection = PolicySection()

    @property
    def desks(self) -> Mapping[str, str]:
        """Each operator's receiver by login, where the telephone calls operators first."""
        by_phone = {"asterisk": self.asterisk.desks, "relay": self.relay.desks}
        return by_phone.get(self.telephony.phone, self.twilio.desks)

    @model_validator(mode="after")
    def _evidence_outlives_the_claim(self) -> Config:
        years = max((claim.limitation_years for claim in self.claim_types.values()), default=0)
        for name in EVIDENCE:
            if self.kept_for()[name] < 365 * years:
                words = f"いちばん長い時効（{years} 年、{365 * years} 日）より短くできません"
                raise MisfitError(f"{words}。時効までの働きかけの証拠です", "retention", f"{name}_days")
        return self

    @property
    def claim_names(self) -> Mapping[str, str]:
        """Each claim type as people call it."""
        return {name: claim.name for name, claim in self.claim_types.items()}

    @property
    def disaster_stop(self) -> bool:
        """Whether a disaster stops every call."""
        return bool(vars(self.policy)["disaster_stop"])

    def kept_for(self) -> dict[str, int]:
        """By class, how many days it is kept."""
        return {each.name: getattr(self.retention, f"{each.name}_days") for each in CLASSES}

    def policy_for(self, claim_type: str) -> Policy:
        """The contact policy of a claim type, with each one's years of limitation; empty: what all of them share."""
        years = {name: claim.limitation_years for name, claim in self.claim_types.items()}
        own = self.claim_types[claim_type].policy.model_dump() if claim_type in self.claim_types else {}
        return Policy(**{**self.policy.model_dump(), **own}, limitation_years=years)

    def claim(self, claim_type: str) -> Claim:
        """A claim type's settings. Raises ConfigError for one that is not configured."""
        claim = self.claim_types.get(claim_type)
        if claim is None:
            known = "、".join(self.claim_types)
            raise ConfigError(f"債権区分 {claim_type} の設定がありません", mend=f"claim_types にあるもの: {known}")
        return claim

    def calendar_for(self, claim_type: str) -> Calendar:
        """The calling days and hours of a claim type. Raises ConfigError for one that is not configured."""
        claim = self.claim(claim_type)
        return Calendar(
            day=claim.hours,
            days=_listed(claim),
            evening=claim.evening_hours,
            evening_days=frozenset(claim.evenings),
            rest=claim.rest_hours,
            rest_days=frozenset(claim.rest_days),
            closed=frozenset(self.closed_days),
            last_dial=timedelta(minutes=self.policy_for(claim_type).last_dial_minutes),
        )

    def office_calendar(self) -> Calendar:
        """The ward's business days, by which slips and reports are due."""
        return Calendar(closed=frozenset(self.closed_days))

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
        own = self.municipality
        return Desk(
            ward=own.ward,
            company=own.company,
            desk_name=own.desk_name,
            desk_phone=own.desk_phone,
            desk_hours=own.desk_hours,
            claim_names=self.claim_names,
            spouse_may_hear={name: claim.spouse_may_hear for name, claim in self.claim_types.items()},
            limitation_years={name: claim.limitation_years for name, claim in self.claim_types.items()},
            policies={name: self.policy_for(name) for name in self.claim_types},
        )


def _listed(claim: Claim) -> frozenset[date] | None:
    """The listed days; left out, every business day, or none where a budget leaves the listing to campaigns."""
    if claim.days is None:
        return frozenset() if claim.budget else None
    return frozenset(claim.days)


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective value and where it came from: a file's line, the environment, or the default."""

    key: str
    value: str
    source: str


_TOP = frozenset(field.alias or name for name, field in Config.model_fields.items())


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The checked configuration. Raises ConfigError with file, line, key, and what is allowed; every fault at once.

    A relative path follows the file's folder; one that the environment gives, the folder of the command.
    """
    given = overlay(read_file(path), environ, _TOP)
    return _beside(_checked(given, Config), given, path.parent)


Model = TypeVar("Model", bound=BaseModel)


def load_as(model: type[Model], path: Path) -> Model:
    """A file of another form, checked in the same way; the environment does not override it."""
    return _checked(overlay(read_file(path), {}, ()), model)


def effective(path: Path, environ: Mapping[str, str] = os.environ) -> list[Setting]:
    """Every value in effect, with its source; passwords in URLs are not shown."""
    given = overlay(read_file(path), environ, _TOP)
    whole = _beside(_checked(given, Config), given, path.parent).model_dump(mode="json", by_alias=True)
    return [
        Setting(".".join(key), _shown(key, value), str(given.origin(key) or "既定値"))
        for key, value in _leaves(whole, ())
    ]


def _beside(config: Config, given: Given, folder: Path) -> Config:
    """With every relative path that the environment did not give taken from `folder`."""

    def of_file(*key: str) -> bool:
        origin = given.origin(key)
        return origin is None or not origin.variable

    def placed(path: Path, *key: str) -> Path:
        return folder / path if of_file(*key) else path

    scripts, audit, console, url = config.scripts, config.audit, config.console, config.database.url
    uploads = placed(config.imports.uploads, "import", "uploads")
    anchors = placed(audit.anchors, "audit", "anchors")
    signing_key = placed(audit.signing_key, "audit", "signing_key")
    token_file = config.twilio.auth_token_file
    token_file = token_file and placed(token_file, "twilio", "auth_token_file")
    pbx_files = {
        name: placed(path, "asterisk", name)
        for name in ("password_file", "ca_file")
        if (path := getattr(config.asterisk, name)) is not None
    }
    sound_files = {
        name: placed(path, "recordings", name)
        for name in ("folder", "key_file")
        if (path := getattr(config.recordings, name)) is not None
    }
    relay_files = {
        name: placed(path, "relay", name)
        for name in ("key_file", "ca_file")
        if (path := getattr(config.relay, name)) is not None
    }
    secret_file = config.oidc.client_secret_file
    secret_file = secret_file and placed(secret_file, "oidc", "client_secret_file")
    file = re.fullmatch(r"sqlite:///(?!/|:|file:)(.+)", url)
    if file and of_file("database", "url"):
        url = f"sqlite:///{folder / file[1]}"
    return config.model_copy(
        update={
            "database": DatabaseSection(url=url),
            "imports": config.imports.model_copy(update={"uploads": uploads}),
            "scripts": scripts.model_copy(update={"folder": placed(scripts.folder, "scripts", "folder")}),
            "audit": audit.model_copy(update={"anchors": anchors, "signing_key": signing_key}),
            "console": console.model_copy(
                update={
                    name: placed(path, "console", name)
                    for name in ("tls_cert", "tls_key")
                    if (path := getattr(console, name)) is not None
                }
            ),
            "asterisk": config.asterisk.model_copy(update=pbx_files),
            "twilio": config.twilio.model_copy(update={"auth_token_file": token_file}),
            "recordings": config.recordings.model_copy(update=sound_files),
            "relay": config.relay.model_copy(update=relay_files),
            "oidc": config.oidc.model_copy(update={"client_secret_file": secret_file}),
        }
    )


def _checked(given: Given, model: type[Model]) -> Model:
    try:
        return model.model_validate(given.tree)
    except ValidationError as error:
        faults = [_explained(dict(each), given, model) for each in error.errors()]
    if len(faults) == 1:
        raise faults[0]
    first = faults[0].where
    listed = "\n".join(f"  {fault}" for fault in faults)
    raise ConfigError(f"設定に {len(faults)} 件の誤りがあります:\n{listed}", where=Where(first.file, first.line))


def _explained(error: dict[str, Any], given: Given, whole: type[BaseModel]) -> ConfigError:
    kind, limits = error["type"], error.get("ctx", {})
    below = getattr(limits.get("error"), "key", ())
    key: Key = tuple(str(part) for part in (*error["loc"], *below) if part != "[key]")
    source = given.source(key)
    where = Where(source.file, source.line, source.column, ".".join(key))
    if source.variable:
        where = Where(field=str(source))
    if kind == "extra_forbidden":
        return ConfigError(
            f"知らないキー {key[-1]} です", where=where, mend=_nearest(key[-1], _keys_beside(key, whole))
        )
    if kind == "literal_error":
        return ConfigError("この値は使えません", where=where, mend=f"使えるもの: {limits['expected']}")
    if kind == "string_pattern_mismatch" and error["loc"][-1] == "[key]":
        mend = "英小文字で始め、英小文字・数字・_ だけで、32字まで"
        return ConfigError(f"{key[-1]} という名は使えません", where=where, mend=mend)
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


def _keys_beside(key: Key, model: type[BaseModel]) -> list[str]:
    """The keys that may stand where `key` stands."""
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


def _shown(key: Key, value: Any) -> str:
    """As text; of a token only that there is one."""
    return "***" if key[-1].endswith("_token") and value else _masked(_text(value))


def _masked(value: str) -> str:
    """A URL without its password."""
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", value)
