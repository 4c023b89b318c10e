"""The connected side: `callflow relay serve` and a Twilio on its loopback. `python -m tests.fleet.beyond FOLDER`.

When it is stopped it leaves the attempts whose calls that Twilio has, one a line.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import yaml

from callflow.cli.main import run
from callflow.clock import SystemClock
from tests.peers.twilio_peer import CALLER_ID, HOOKS_AT, RECEIVER, SID, TOKEN, TwilioPeer

OUTSIDE, PORT = "10.214.1.2", 8090
DESK, SEAT = "desk1", "seat1"


def serve(folder: Path) -> None:
    peer = TwilioPeer(SystemClock())
    peer.take_receiver(DESK)
    given = {
        "host": OUTSIDE,
        "port": PORT,
        "journal": "relay.jsonl",
        "key_file": "relay.key",
        "calls_per_minute": 1_000,
        "twilio": {
            "account_sid": SID,
            "auth_token_variable": "TWILIO_AUTH_TOKEN",
            "caller_id": CALLER_ID,
            "desks": {SEAT: RECEIVER},
            "webhook_url": HOOKS_AT,
            "api_url": peer.account().api_url,
        },
    }
    (folder / "relay.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
    signal.signal(signal.SIGTERM, lambda *_: None)  # the server ends by it, this process goes on to its last line
    os.environ["TWILIO_AUTH_TOKEN"] = TOKEN
    try:
        run(["relay", "serve", "--config", str(folder / "relay.yaml")])
    finally:
        dialled = [call.label for call in peer.calls.values() if call.to != RECEIVER]
        (folder / "dialled").write_text("\n".join(dialled), encoding="utf-8")


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
