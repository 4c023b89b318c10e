"""The closed side of a relay, calling without a pause. `python -m tests.fleet.closed FOLDER`.

What became of each attempt is added to `fates`: placed, never, or what was raised.
"""

from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path

from callflow.clock import SystemClock
from callflow.telephony.port import PhoneBusyError, PhoneUnavailableError, PlacementUnknownError
from callflow.telephony.relay.phone import RelayPhone
from callflow.telephony.relay.settings import Line, read_keys
from tests.fleet.beyond import DESK, OUTSIDE, PORT

NUMBER = "+81366590001"


def fate(phone: RelayPhone, attempt: str) -> str:
    try:
        phone.place(attempt, NUMBER, 30, 3600, desk=DESK)
    except PhoneBusyError:
        return "not dialled"
    except PlacementUnknownError:
        while True:
            try:
                return "placed" if phone.fetch(attempt) else "not dialled"
            except PhoneUnavailableError:
                time.sleep(0.1)
    return "placed"


def work(folder: Path) -> None:
    line = Line(f"http://{OUTSIDE}:{PORT}", read_keys("", folder / "relay.key", ""), patience_s=1.0)
    phone = RelayPhone(line, SystemClock())
    with (folder / "fates").open("a", encoding="ascii", buffering=1) as fates:
        for number in count():
            if (folder / "stop").exists():
                return
            fates.write(f"a{number} {fate(phone, f'a{number}')}\n")
            time.sleep(0.05)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
