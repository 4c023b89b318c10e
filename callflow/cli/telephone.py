"""The telephone of a process that dials, and the switchboard over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from callflow.campaigns import Campaigns, rules_of
from callflow.cli.context import Context
from callflow.dialcaps import Caps
from callflow.errors import UsageError
from callflow.recordings.settings import keys_from
from callflow.recordings.shelf import Room
from callflow.switchboard import Switchboard
from callflow.telephony.manual import ManualPhone
from callflow.telephony.port import BrowserPhone, Phone
from callflow.telephony.webhook import Hook
from models.database import Database
from scheduler.dealing import Rules

PHONES = ("manual", "twilio", "asterisk", "relay", "simulated")


def phone_of(here: Context, kind: str) -> tuple[Phone, Hook | None]:
    """With whom its provider calls back. Raises UsageError."""
    if kind == "manual":
        return ManualPhone(here.clock), None
    if kind == "twilio":
        from callflow.telephony.twilio import settings  # noqa: PLC0415  its library is slow to load
        from callflow.telephony.twilio.phone import TwilioPhone  # noqa: PLC0415
        from callflow.telephony.twilio.webhooks import TwilioReceiver  # noqa: PLC0415

        account = settings.account_of(here.config.twilio)
        if account.record:
            keys_from(here.config.recordings)
        twilio = TwilioPhone(account, here.clock)
        return twilio, Hook(TwilioReceiver(account, here.clock), twilio)
    if kind == "asterisk":
        from callflow.telephony.asterisk.phone import AsteriskPhone  # noqa: PLC0415  only where it is used
        from callflow.telephony.asterisk.settings import pbx_of  # noqa: PLC0415

        return AsteriskPhone(pbx_of(here.config), here.clock), None
    if kind == "relay":
        from callflow.telephony.relay.phone import RelayPhone  # noqa: PLC0415
        from callflow.telephony.relay.settings import line_of  # noqa: PLC0415

        return RelayPhone(line_of(here.config), here.clock), None
    if kind == "simulated":
        from callflow.simulation.showroom import residents  # noqa: PLC0415
        from callflow.telephony.simulated import SimulatedPhone  # noqa: PLC0415

        return SimulatedPhone(here.clock, residents), None
    raise UsageError(f"電話 {kind} はありません", mend="、".join(PHONES))


def softphone_of(here: Context, kind: str) -> BrowserPhone | None:
    """The operator's telephone in the browser, where it is on. Raises ConfigError."""
    if kind != "twilio" or not here.config.twilio.browser:
        return None
    from callflow.telephony.twilio import softphone  # noqa: PLC0415  its library is slow to load

    return softphone.softphone_of(here.config.twilio)


def recordings_of(here: Context) -> Room:
    """Where recordings come from and go to. Raises ConfigError where calls are recorded and there is no key."""
    given, twilio = here.config.recordings, here.config.twilio
    room = Room(given.folder, timedelta(days=given.keep_days))
    if here.config.telephony.phone != "twilio" or not twilio.account_sid:
        return room
    from callflow.telephony.twilio import settings  # noqa: PLC0415  its library is slow to load
    from callflow.telephony.twilio.recordings import TwilioRecordings  # noqa: PLC0415

    account = settings.account_of(twilio)
    if not account.record:
        return room
    return replace(room, source=TwilioRecordings(account), keys=keys_from(given))


def rules_of_campaigns(here: Context, database: Database) -> Callable[[int], Rules]:
    """Each campaign's policy and calendar as they are now."""

    def rules(campaign_id: int) -> Rules:
        with database.read() as conn:
            row = Campaigns(conn, here.municipality_id, here.clock.now()).get(campaign_id)
        return rules_of(row, here.rules(row.claim_type))

    return rules


def switchboard_of(here: Context, database: Database, phone: Phone) -> Switchboard:
    """Calls over `phone`, under the caps against toll fraud."""
    telephony = here.config.telephony
    caps = Caps(telephony.calls_per_minute, telephony.calls_per_day, telephony.calls_per_campaign)
    rules = rules_of_campaigns(here, database)
    return Switchboard(database, here.clock, here.calls, phone, here.municipality_id, rules, caps=caps)
