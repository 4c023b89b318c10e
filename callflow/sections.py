"""The sections of config.yaml: their keys, defaults and limits, as `docs/operations.md` lists them."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import date, time
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    create_model,
    model_serializer,
    model_validator,
)

from callflow.keeping import CLASSES
from scheduler.calendar import Hours
from scheduler.settings import Policy

ClaimType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""A claim type's name in scripts, campaigns and the database. The ward may add its own."""


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


def _address(value: object) -> str:
    """An address or a network; the whole Internet is never trusted."""
    try:
        network = ip_network(str(value).strip())
    except ValueError as error:
        raise ValueError("IP アドレスかネットワーク（10.0.0.0/24）を書きます") from error
    if network.prefixlen == 0:
        raise ValueError("すべてのアドレスを信頼することはできません。中継のアドレスを書きます")
    return str(network.network_address) if network.num_addresses == 1 else str(network)


Address = Annotated[str, PlainValidator(_address)]


class MisfitError(ValueError):
    """A value that does not fit the others. `key`: where it stands, below the section that finds it."""

    def __init__(self, what: str, *key: str) -> None:
        super().__init__(what)
        self.key = key


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Municipality(Section):
    code: str = Field(pattern=r"^\d{6}$")
    ward: Word
    company: Word
    desk_name: Word
    desk_phone: Word
    desk_hours: Word


class DatabaseSection(Section):
    url: str = Field(pattern=r"^(sqlite:///|postgres(ql)?(\+psycopg)?://)")


class Scripts(Section):
    folder: Path = Path("scripts")
    settings: dict[str, str] = {}


class Import(Section):
    default_area_code: str = Field(default="", pattern=r"^(0\d{1,4})?$")
    max_megabytes: int = Field(default=2_000, ge=1, le=100_000)
    max_rows: int = Field(default=5_000_000, ge=1, le=100_000_000)
    max_cell: int = Field(default=1_000, ge=100, le=100_000)
    uploads: Path = Path("var/uploads")


class Audit(Section):
    """Where anchors are, and from when on sights are told of [O] (`callflow.access.alarms`)."""

    anchors: Path = Path("var/anchors")
    signing_key: Path = Path("var/anchor.key")
    many_views_per_hour: int = Field(default=60, ge=1, le=10_000)
    views_without_call_per_day: int = Field(default=3, ge=1, le=10_000)
    usual_hours: CallingHours = Hours(time(8), time(21))


class Console(Section):
    """How `callflow serve` is reached. `trusted_proxies`: the addresses whose forwarded headers are believed."""

    host: Word = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    public_url: str = Field(default="", pattern=r"^(https?://[^/\s?#]+)?$")
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: list[Address] = []
    searches_per_hour: int = Field(default=20, ge=1, le=60)
    metrics_token: str = Field(default="", pattern=r"^(\S{16,})?$")
    wall_token: str = Field(default="", pattern=r"^(\S{16,})?$")

    @property
    def behind_proxy(self) -> bool:
        """Browsers come through a proxy that ends TLS."""
        return bool(self.trusted_proxies)


class Api(Section):
    """What other programs may send at once [O], and to which hosts they may have us send webhooks."""

    max_megabytes: int = Field(default=20, ge=1, le=2_000)
    webhook_hosts: list[Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,253}(:\d{1,5})?$")]] = []


class Telephony(Section):
    """By what calls are placed, and how many at most, against toll fraud [O]."""

    phone: Literal["manual", "twilio", "asterisk", "relay"] = "manual"
    calls_per_minute: int = Field(default=60, ge=1, le=10_000)
    calls_per_day: int = Field(default=5_000, ge=1, le=1_000_000)
    calls_per_campaign: int = Field(default=200_000, ge=1, le=100_000_000)


class Twilio(Section):
    """The account, and where its secrets are. `desks`: each operator's receiver by login. `browser`: operators may use
    the browser as theirs, by the API key.
    """

    account_sid: str = Field(default="", pattern=r"^(AC[0-9a-f]{32})?$")
    auth_token_variable: str = Field(default="TWILIO_AUTH_TOKEN", pattern=r"^[A-Z][A-Z0-9_]*$")
    auth_token_file: Path | None = None
    caller_id: str = Field(default="", pattern=r"^(\+81[0-9]{9,10})?$")
    desks: dict[str, Annotated[str, Field(pattern=r"^(\+81[0-9]{9,10}|client:[A-Za-z0-9_-]{1,64})$")]] = {}
    webhook_url: str = Field(default="", pattern=r"^(https://[^/\s?#]+|http://(127\.0\.0\.1|localhost)(:\d+)?)?$")
    api_url: str = Field(default="", pattern=r"^(https?://[^/\s?#]+)?$")
    machine_detection: bool = True
    record: bool = False
    browser: bool = False
    api_key_sid: str = Field(default="", pattern=r"^(SK[0-9a-f]{32})?$")
    api_key_secret_variable: str = Field(default="TWILIO_API_KEY_SECRET", pattern=r"^[A-Z][A-Z0-9_]*$")
    api_key_secret_file: Path | None = None
    extra_fields: list[Annotated[str, Field(pattern=r"^[A-Za-z]{1,40}$")]] = []


class Asterisk(Section):
    """A PBX on the ward's own network, by ARI. `dial`: a resident's endpoint. `desks`: each receiver by login."""

    url: str = Field(default="", pattern=r"^(https://[^/\s?#@]+|http://(127\.0\.0\.1|localhost)(:\d+)?)?$")
    app: str = Field(default="callflow", pattern=r"^[a-z][a-z0-9]{0,30}$")
    user: str = Field(default="callflow", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    password_variable: str = Field(default="ASTERISK_ARI_PASSWORD", pattern=r"^[A-Z][A-Z0-9_]*$")
    password_file: Path | None = None
    ca_file: Path | None = None
    dial: str = Field(default="", pattern=r"^((PJSIP|Local)/\{number\}@[A-Za-z0-9_-]{1,60})?$")
    numbers: Literal["national", "e164"] = "national"
    caller_id: str = Field(default="", pattern=r"^(\+81[0-9]{9,10}|0[0-9]{9,10})?$")
    desks: dict[str, Annotated[str, Field(pattern=r"^PJSIP/[A-Za-z0-9_-]{1,40}$")]] = {}


class Recordings(Section):
    """Where the encrypted files are, their keys, and how many days they are kept."""

    folder: Path = Path("var/recordings")
    key_variable: str = Field(default="CALLFLOW_RECORDING_KEY", pattern=r"^[A-Z][A-Z0-9_]*$")
    key_file: Path | None = None
    keep_days: int = Field(default=180, ge=1, le=1_830)


class Relay(Section):
    """The way to the relay that dials for us (docs/telephony.md); its own file is on its own machine. `desks`: each
    operator's receiver by login, under the name that the relay knows it by.
    """

    url: str = Field(default="", pattern=r"^(https?://[^/\s?#]+)?$")
    key_variable: str = Field(default="CALLFLOW_RELAY_KEY", pattern=r"^[A-Z][A-Z0-9_]*$")
    key_file: Path | None = None
    ca_file: Path | None = None
    order_seconds: int = Field(default=20, ge=5, le=120)
    desks: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,40}$")]] = {}


class Oidc(Section):
    """Logging in by the ward's own provider (OpenID Connect); without `issuer` there is no such door."""

    issuer: str = Field(default="", pattern=r"^(https://[^\s?#]+|http://(127\.0\.0\.1|localhost)(:\d+)?(/[^\s?#]*)?)?$")
    client_id: str = Field(default="", pattern=r"^\S*$")
    client_secret_variable: str = Field(default="CALLFLOW_OIDC_SECRET", pattern=r"^[A-Z][A-Z0-9_]*$")
    client_secret_file: Path | None = None
    name: Word = "認証基盤"

    @model_validator(mode="after")
    def _whole(self) -> Oidc:
        if self.issuer and not self.client_id:
            raise MisfitError("oidc.issuer を書くときは、oidc.client_id も書きます", "issuer")
        return self


class Quality(Section):
    """Which talks are listened to again, per operator and month [O], and the silence that a replay skips."""

    sample_percent: int = Field(default=5, ge=1, le=100)
    sample_at_least: int = Field(default=10, ge=0, le=1_000)
    sample_always: list[Word] = ["HS", "HC", "HR", "RF", "HU1"]
    skip_silence_seconds: int = Field(default=15, ge=3, le=600)


class FollowUp(Section):
    """The ward's terms after a call (`callflow.followup.deadlines.Terms`); amounts in percent of monthly income."""

    slip_business_days: int = Field(default=2, ge=1, le=20)
    slip_urgent_minutes: int = Field(default=30, ge=5, le=240)
    post_business_days: int = Field(default=2, ge=1, le=20)
    return_days: int = Field(default=14, ge=7, le=60)
    ask_again_days: int = Field(default=7, ge=1, le=60)
    give_up_days: int = Field(default=14, ge=2, le=120)
    housing_percent: int = Field(default=40, ge=1, le=100)
    repayment_percent: int = Field(default=33, ge=1, le=100)
    telephone_percent: int = Field(default=10, ge=1, le=100)

    @model_validator(mode="after")
    def _in_order(self) -> FollowUp:
        if self.give_up_days <= self.ask_again_days:
            raise MisfitError("give_up_days は ask_again_days より後です", "give_up_days")
        return self


if TYPE_CHECKING:
    Retention = Section
else:
    Retention = create_model(
        "Retention",
        __base__=Section,
        **{f"{each.name}_days": (int, Field(default=each.default, ge=each.least, le=36_500)) for each in CLASSES},
    )
    """How many days each class of `callflow.keeping` is kept, with its least."""


class Radar(Section):
    """From when on a call is put before the supervisor [O]; how soon a request for help should be acknowledged."""

    silence_seconds: int = Field(default=90, ge=10, le=3_600)
    steps_back: int = Field(default=3, ge=1, le=100)
    steps_back_minutes: int = Field(default=5, ge=1, le=120)
    help_seconds: int = Field(default=60, ge=5, le=3_600)


class Budget(Section):
    """Calling days of a fiscal year; Sundays and evenings are among the days."""

    days: int = Field(ge=0, le=366)
    sundays: int = Field(default=0, ge=0, le=60)
    evenings: int = Field(default=0, ge=0, le=366)


if TYPE_CHECKING:
    PolicySection = Section
    ClaimPolicy = Section
else:

    def _policy_fields(*, shared: bool) -> dict[str, tuple[type, Any]]:
        """Each item with its default and its hard limit; of a claim type's own policy, nothing unless it is given."""
        found: dict[str, tuple[type, Any]] = {}
        for item in fields(Policy):
            if "tighter" in item.metadata:
                limit = {"ge" if item.metadata["tighter"] > 0 else "le": item.metadata["limit"]}
                default = item.default if shared else None
                found[item.name] = (int if shared else int | None, Field(default=default, **{"ge": 0, **limit}))
        return found

    PolicySection = create_model(
        "PolicySection", __base__=Section, disaster_stop=(bool, False), **_policy_fields(shared=True)
    )
    """`scheduler.settings.Policy` key by key, with its defaults and its hard limits."""

    class _OnlyWhatIsGiven(Section):
        @model_serializer(mode="wrap")
        def _given(self, whole: Any) -> dict[str, int]:
            return {name: value for name, value in whole(self).items() if value is not None}

    ClaimPolicy = create_model("ClaimPolicy", __base__=_OnlyWhatIsGiven, **_policy_fields(shared=False))
    """What a claim type has instead, within the same hard limits."""


class Claim(Section):
    """One claim type: its law and its calling days. Empty hours mean no calls then; `days` left out, every day.

    `codes`, `list_names`: 科目コード and 科目名 of its rows in lists; left out, those that ship (`intake.columns`).
    `policy`: where its contact policy differs.
    """

    name: Word
    codes: list[Word] | None = None
    list_names: list[Word] | None = None
    limitation_years: int = Field(ge=1, le=20)
    spouse_may_hear: bool
    hours: CallingHours = Hours(time(9), time(17))
    evening_hours: CallingHours = Hours(time(18), time(20))
    rest_hours: CallingHours = Hours(time(9), time(16))
    days: list[date] | None = None
    evenings: list[date] = []
    rest_days: list[date] = []
    budget: Budget | None = None
    policy: ClaimPolicy = ClaimPolicy()
