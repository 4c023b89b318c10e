"""Whether Asterisk, our user there, its trunk, the receivers and the clock are as they must be. Places no call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from typing import Final

import httpx
from websockets.exceptions import InvalidStatus, WebSocketException

from callflow.clock import JUMP, Clock
from callflow.telephony.asterisk.client import Client
from callflow.telephony.asterisk.ears import opened
from callflow.telephony.asterisk.settings import Pbx
from callflow.telephony.finding import Finding
from callflow.telephony.port import PhoneUnavailableError

_PROBE: Final = "probe"
"""What is added to the application's name where something is only tried."""


def check(pbx: Pbx, clock: Clock) -> Iterator[Finding]:
    """Asks Asterisk; of what cannot be asked because nobody answers there is no finding."""
    reached = _reached(pbx)
    yield reached
    if not reached.good:
        return
    client = Client(pbx)
    try:
        yield _time(client, clock)
        yield _may_act(client, pbx)
        yield _events(pbx)
        yield _heard(client, pbx)
        yield _trunk(client, pbx)
        for address in pbx.desks:
            yield _receiver(client, address)
    except PhoneUnavailableError as error:
        yield Finding("answers", False, error.what, "Asterisk のログを確かめてください")
    finally:
        client.close()


def _reached(pbx: Pbx) -> Finding:
    try:
        answer = httpx.get(
            f"{pbx.url}/ari/asterisk/info",
            auth=(pbx.user, pbx.password),
            timeout=pbx.patience_s,
            verify=pbx.tls() or False,
            trust_env=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        mend = "http.conf の bindaddr・bindport・tlsenable、防火壁、asterisk.url と asterisk.ca_file を確かめてください"
        return Finding("credentials", False, f"{pbx.url} につながりません（{type(error).__name__}）", mend)
    if answer.status_code == HTTPStatus.OK:
        return Finding("credentials", True, f"Asterisk {_version(answer)} に {pbx.user} として入れます")
    mend = {
        401: "ari.conf の利用者と、asterisk.user・パスワードを確かめてください",
        404: "ari.conf の enabled=yes と、res_ari の読み込みを確かめてください",
    }.get(answer.status_code, "Asterisk のログを確かめてください")
    return Finding("credentials", False, f"Asterisk の応答: {answer.status_code}", mend)


def _version(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["system"]["version"])
    except (ValueError, KeyError, TypeError):
        return ""


def _time(client: Client, clock: Clock) -> Finding:
    told = client.get("/asterisk/ping") or {}
    try:
        apart = abs(datetime.fromisoformat(str(told["timestamp"])) - clock.now())
    except (KeyError, ValueError, TypeError):
        return Finding("time", False, "Asterisk の時刻が分かりません", "Asterisk 18 以上が要ります")
    return Finding(
        "time",
        apart <= JUMP,
        f"時刻の差は {apart.total_seconds():.1f} 秒です",
        "両方のホストの時刻を NTP で合わせてください",
    )


def _may_act(client: Client, pbx: Pbx) -> Finding:
    bridge = f"{pbx.app}{_PROBE}"
    try:
        client.act("POST", "/bridges", bridgeId=bridge, type="mixing")
        client.act("DELETE", f"/bridges/{bridge}")
    except PhoneUnavailableError as error:
        mend = "ari.conf の利用者を read_only=no にし、res_ari_bridges を読み込んでください"
        return Finding("permission", False, f"操作ができません（{error.what}）", mend)
    return Finding("permission", True, "操作ができます")


def _events(pbx: Pbx) -> Finding:
    try:
        with opened(pbx, f"{pbx.app}{_PROBE}"):
            return Finding("events", True, "知らせ（WebSocket）を受け取れます")
    except InvalidStatus as error:
        why = str(error.response.status_code)
    except (WebSocketException, OSError) as error:
        why = type(error).__name__
    mend = "res_http_websocket と res_ari_events の読み込みと、中継が WebSocket を通すことを確かめてください"
    return Finding("events", False, f"知らせ（WebSocket）を受け取れません（{why}）", mend)


def _heard(client: Client, pbx: Pbx) -> Finding:
    heard = any(str(each["name"]).startswith(f"{pbx.app}_") for each in client.get("/applications") or ())
    words = f"アプリケーション {pbx.app}_… の知らせを" + (
        "callflow serve が聞いています" if heard else "誰も聞いていません"
    )
    return Finding("app", heard, words, "callflow serve を始めてから、もう一度試してください")


def _trunk(client: Client, pbx: Pbx) -> Finding:
    if not pbx.trunk:
        return Finding("trunk", True, "発信先はダイヤルプランが選びます（確かめていません）")
    found = client.get(f"/endpoints/PJSIP/{pbx.trunk}")
    state = str(found.get("state", "unknown")) if found else "ありません"
    return Finding(
        "trunk",
        found is not None and state != "offline",
        f"発信に使う {pbx.trunk} の状態: {state}",
        "pjsip.conf の endpoint・aor・registration と asterisk.dial を確かめてください",
    )


def _receiver(client: Client, address: str) -> Finding:
    found = client.get(f"/endpoints/{address}")
    state = str(found.get("state", "unknown")) if found else "ありません"
    return Finding(
        "desk",
        found is not None,
        f"担当者の電話 {address} の状態: {state}",
        "asterisk.desks と pjsip.conf を合わせてください",
    )
