"""Judges what claims to be Twilio: URL, signature, fields, account; then says what happened. No effect. Pure.

Twilio signs the URL and the fields run together, without their borders and without a time
(https://www.twilio.com/docs/usage/security). So every field must be one that we know and wholly of its own form: then
no border can be moved. What comes late, twice or in another order is sorted out by `callflow.line`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from callflow.clock import Clock
from callflow.line import LineEvent, LineEventKind
from callflow.telephony.port import DeskEvent, PhoneEvent, RecordingReady
from callflow.telephony.twilio.settings import HOOKS, Account
from callflow.telephony.twilio.words import KIND_OF_ANSWERER, KIND_OF_STATUS, kind_of_end
from callflow.telephony.webhook import LARGEST, Told

SIGNATURE: Final = "x-twilio-signature"
MOST_FIELDS: Final = 60

_SID = r"[A-Z]{2}[0-9a-f]{32}"
_TEXT = r"[^\x00-\x1f\x7f]{0,200}"
_NUMBER = r"(\+?[0-9*#]{0,20}|client:[A-Za-z0-9_-]{1,64}|anonymous|sip:[^\s]{1,100})"
_COUNT = r"[0-9]{0,9}"
_STATUS = "|".join(KIND_OF_STATUS)
_SIDES = ("From", "To", "Caller", "Called")
_PLACES = ("City", "State", "Zip", "Country")
FORM_OF: Final[Mapping[str, re.Pattern[str]]] = {
    name: re.compile(form)
    for form, names in (
        (r"AC[0-9a-f]{32}", ("AccountSid",)),
        (r"CA[0-9a-f]{32}", ("CallSid",)),
        (r"RE[0-9a-f]{32}", ("RecordingSid",)),
        (r"in-progress|completed|absent|failed", ("RecordingStatus",)),
        (r"https://[A-Za-z0-9./_-]{1,300}", ("RecordingUrl",)),
        (r"both|inbound|outbound", ("RecordingTrack",)),
        (_SID, ("ParentCallSid", "ConferenceSid", "StirPassportToken", "PhoneNumberSid")),
        (_STATUS, ("CallStatus",)),
        ("|".join(KIND_OF_ANSWERER), ("AnsweredBy",)),
        (_NUMBER, ("From", "To", "Caller", "Called", "CalledVia", "ForwardedFrom")),
        (
            _COUNT,
            (
                "CallDuration",
                "Duration",
                "SequenceNumber",
                "MachineDetectionDuration",
                "QueueTime",
                "ErrorCode",
                "RecordingDuration",
                "RecordingChannels",
            ),
        ),
        (r"([1-6][0-9]{2})?", ("SipResponseCode",)),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", ("ApiVersion",)),
        (r"inbound|outbound-(api|dial)", ("Direction",)),
        (r"[A-Za-z-]{1,40}", ("CallbackSource", "StatusCallbackEvent", "StirVerstat", "StirStatus", "RecordingSource")),
        (
            r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} \+0000",
            ("Timestamp", "RecordingStartTime"),
        ),
        (
            _TEXT,
            ("CallerName", "ErrorMessage", "Label", *(f"{side}{what}" for side in _SIDES for what in _PLACES)),
        ),
    )
    for name in names
}
"""Every field of a status callback or of machine detection, and its whole form."""

_PATH: Final = re.compile(re.escape(HOOKS) + r"(call|machine|desk|recording)/([A-Za-z0-9]{1,40})")
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "call": ("AccountSid", "CallSid", "CallStatus"),
    "desk": ("AccountSid", "CallSid", "CallStatus"),
    "machine": ("AccountSid", "CallSid", "AnsweredBy"),
    "recording": ("AccountSid", "CallSid", "RecordingSid", "RecordingStatus"),
}


class TwilioReceiver:
    """A `Receiver` of one account's callbacks."""

    prefix = HOOKS

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._validator = RequestValidator(account.token)

    def read(self, path: str, headers: Mapping[str, str], body: bytes) -> Told:
        place = _PATH.fullmatch(path)
        if place is None:
            return Told(404, reason="no such hook")
        kind, ref = place[1], place[2]
        expected = self._account.hook(kind, ref)
        shown = self._account.hook(kind, "...")
        fields = fields_of(body)
        signature = headers.get(SIGNATURE, "")
        if fields is None or not signature or not self._is_signed(expected, fields, signature):
            return Told(403, reason="no signature" if not signature else "wrong signature", expected=shown)
        wrong = self._wrong(kind, fields)
        if wrong:
            return Told(400, reason=wrong, expected=shown)
        if not hmac.compare_digest(fields["AccountSid"], self._account.sid):
            return Told(403, reason="another account", expected=shown)
        return Told(204, event=_event(kind, ref, fields, self._clock.now()))

    def _is_signed(self, expected: str, fields: Mapping[str, str], signature: str) -> bool:
        return bool(signature.isascii() and self._validator.validate(expected, dict(fields), signature))

    def _wrong(self, kind: str, fields: Mapping[str, str]) -> str:
        for name in _NEEDED[kind]:
            if name not in fields:
                return f"{name} is missing"
        for name, value in fields.items():
            if name in self._account.extra_fields:
                continue
            form = FORM_OF.get(name)
            if form is None:
                return f"{name} is not known" if re.fullmatch(r"[A-Za-z]{1,40}", name) else "a field is not known"
            if not form.fullmatch(value):
                return f"{name} is not of its form"
        return ""


def fields_of(body: bytes) -> dict[str, str] | None:
    """A form's fields; None if it is too long, is no form, or names a field twice."""
    if len(body) > LARGEST:
        return None
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
        fields = dict(pairs)
        "".join([*fields, *fields.values()]).encode()
    except ValueError:
        return None
    return fields if len(fields) == len(pairs) else None


def _event(
    kind: str, ref: str, fields: Mapping[str, str], now: datetime
) -> PhoneEvent | DeskEvent | RecordingReady | None:
    if kind == "recording":
        return _recording(ref, fields, now) if fields["RecordingStatus"] == "completed" else None
    if kind == "desk":
        state = KIND_OF_STATUS[fields["CallStatus"]]
        if state in ("placed", "ringing"):
            return None
        return DeskEvent(ref, "there" if state == "answered" else "gone")
    if kind == "machine":
        said, cause = KIND_OF_ANSWERER[fields["AnsweredBy"]], fields["AnsweredBy"]
    else:
        said, cause = _line_kind(fields), fields.get("SipResponseCode") or fields["CallStatus"]
    if said is None:
        return None
    return PhoneEvent(ref, LineEvent(said, _instant(fields.get("Timestamp", ""), now), fields["CallSid"], cause))


def _recording(ref: str, fields: Mapping[str, str], now: datetime) -> RecordingReady:
    """Its address is not read: we know where recordings are."""
    seconds = int(fields.get("RecordingDuration") or 0)
    ended = now - timedelta(seconds=seconds)
    return RecordingReady(ref, fields["RecordingSid"], _instant(fields.get("RecordingStartTime", ""), ended), seconds)


def _line_kind(fields: Mapping[str, str]) -> LineEventKind:
    return kind_of_end(fields["CallStatus"], fields.get("SipResponseCode", ""))


def _instant(text: str, now: datetime) -> datetime:
    """When it happened; now where that is not said or no date."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return now
