"""Whether the account, its number, its geographic permissions and our hook are as they must be. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from itertools import product
from urllib.parse import urlsplit

import httpx
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from callflow.telephony.finding import Finding
from callflow.telephony.twilio.client import client_by_key, client_of
from callflow.telephony.twilio.settings import Account
from callflow.telephony.twilio.softphone import Softphone
from callflow.telephony.twilio.webhooks import SIGNATURE, fields_of


def check(account: Account, softphone: Softphone | None = None) -> Iterator[Finding]:
    """Asks Twilio, and our own web server through the address under which Twilio calls it."""
    client = client_of(account)
    try:
        found = client.api.v2010.accounts(account.sid).fetch()
        yield Finding(
            "credentials",
            found.status == "active",
            f"アカウントの状態: {found.status}",
            "Twilio の管理画面を確かめてください",
        )
        yield _number(client, account)
        yield from _permissions(client)
    except TwilioRestException as error:
        mend = (
            "twilio.account_sid と秘密を確かめてください"
            if error.status == 401
            else "少しおいて、もう一度試してください"
        )
        yield Finding("credentials", False, f"Twilio の応答: {error.status}（{error.code}）", mend)
    except (TwilioException, httpx.HTTPError) as error:
        yield Finding(
            "credentials", False, f"Twilio につながりません（{type(error).__name__}）", "外への経路を確かめてください"
        )
    if softphone is not None:
        yield _browser(account, softphone)
    yield _hook(account)


def _browser(account: Account, softphone: Softphone) -> Finding:
    """Whether the API key that signs the browsers' tokens is one of the account's."""
    client = client_by_key(account, softphone.key_sid, softphone.key_secret)
    url = f"https://api.twilio.com/2010-04-01/Accounts/{account.sid}/IncomingPhoneNumbers.json"
    try:
        said: object = client.request("GET", url, params={"PageSize": 1}).status_code
    except (TwilioException, httpx.HTTPError) as error:
        said = type(error).__name__
    return Finding(
        "browser_key",
        said == HTTPStatus.OK,
        f"ブラウザーの電話の API キー: Twilio の応答は {said}",
        "twilio.api_key_sid とその秘密を、同じ API キー（US1、Standard）のものにしてください",
    )


def _number(client: Client, account: Account) -> Finding:
    wanted = account.caller_id  # Twilio finds by parts of a number too
    owned = client.incoming_phone_numbers.list(phone_number=wanted, limit=50)
    known = [*owned, *client.outgoing_caller_ids.list(phone_number=wanted, limit=50)]
    verified = any(each.phone_number == wanted for each in known)
    return Finding(
        "caller_id",
        verified,
        "発信元の番号はこのアカウントのものです" if verified else "発信元の番号がこのアカウントにありません",
        "twilio.caller_id を、購入したか確認した番号にしてください",
    )


def _permissions(client: Client) -> Iterator[Finding]:
    allowed = {
        each.iso_code for each in client.voice.v1.dialing_permissions.countries.list(low_risk_numbers_enabled=True)
    }
    yield Finding(
        "japan", "JP" in allowed, "日本への発信は" + ("許可されています" if "JP" in allowed else "許可されていません"),
        "Twilio の Voice Geographic Permissions で Japan を許可してください",
    )  # fmt: skip
    others = sorted(allowed - {"JP"})
    yield Finding(
        "abroad",
        not others,
        f"国外への発信が許可されています（{len(others)}か国）" if others else "国外への発信は許可されていません",
        "Japan のほかは許可しないでください",
    )


def _hook(account: Account) -> Finding:
    """Asks without and with a signature: the first must be refused, the second taken."""
    url = account.hook("desk", "check")
    if not account.api_url and urlsplit(url).scheme != "https":
        mend = "twilio.webhook_url を、中継が TLS を終える https:// の URL にしてください"
        return Finding("webhook", False, f"{url} は https ではなく、Twilio から安全に届きません", mend)
    fields = {"AccountSid": account.sid, "CallSid": "CA" + "0" * 32, "CallStatus": "queued"}
    signature = RequestValidator(account.token).compute_signature(url, fields)
    try:
        unsigned = httpx.post(url, data=fields, timeout=account.patience_s).status_code
        signed = httpx.post(url, data=fields, headers={SIGNATURE: signature}, timeout=account.patience_s).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(
            "webhook", False, f"{url} につながりません（{type(error).__name__}）",
            "callflow serve が動いていること、中継の設定、twilio.webhook_url を確かめてください",
        )  # fmt: skip
    return Finding(
        "webhook",
        (unsigned, signed) == (403, 204),
        f"{url}: 署名なし {unsigned}、署名つき {signed}",
        "403 と 204 になるよう、中継がパスと本文を変えないことと、秘密が同じことを確かめてください",
    )


def urls_signed(token: str, url: str, body: bytes, signature: str) -> tuple[str, ...]:
    """The URLs over which a request is truly signed: the given one, or such as differ in scheme, port or last slash."""
    fields = fields_of(body)
    if fields is None or not signature.isascii():
        return ()
    parts, validator = urlsplit(url), RequestValidator(token)
    paths = dict.fromkeys([parts.path, parts.path.rstrip("/"), parts.path.rstrip("/") + "/"])
    schemes = dict.fromkeys([parts.scheme, "https", "http"])
    candidates = [parts._replace(scheme=scheme, path=path).geturl() for scheme, path in product(schemes, paths)]
    return tuple(each for each in candidates if validator.validate(each, fields, signature))
