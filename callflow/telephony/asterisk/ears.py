"""ARI's WebSocket: heard in a thread of its own, opened again after every loss."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from callflow.telephony.asterisk.settings import Pbx
from callflow.telephony.port import PhoneUnavailableError

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
LARGEST: Final = 1 << 20
"""Bytes of a message; no event is longer."""

log = structlog.get_logger("callflow.asterisk")
_SILENT: Final = logging.getLogger("callflow.asterisk.silent")
_SILENT.disabled = True  # the library logs what is sent and received; events hold numbers


class Ears:
    """`awake` is called after each opening, before anything is heard, and looks after what was missed; `hear` is given
    each event. Where one of them finds Asterisk unavailable the connection is given up, so that `awake` comes again.
    """

    def __init__(
        self,
        pbx: Pbx,
        app: str,
        hear: Callable[[Mapping[str, Any]], None],
        awake: Callable[[], None],
        *,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._pbx, self._app, self._hear, self._awake = pbx, app, hear, awake
        self._first_pause_s = first_pause_s
        self._over, self._hearing = threading.Event(), threading.Event()
        self._socket: ClientConnection | None = None
        self._thread: threading.Thread | None = None

    @property
    def hearing(self) -> bool:
        """Events arrive now."""
        return self._hearing.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits until events arrive; whether they do."""
        return self._hearing.wait(seconds)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="asterisk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        if self._socket is not None:
            self._socket.close()
        if self._thread is not None:
            self._thread.join(self._pbx.patience_s)

    def _run(self) -> None:
        pause = self._first_pause_s
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self._listen()
            except (WebSocketException, OSError, PhoneUnavailableError) as error:
                if not self._over.is_set():
                    log.warning("asterisk is not heard", kind=type(error).__name__)
            except Exception as error:
                log.error("asterisk is not heard", kind=type(error).__name__)
            self._hearing.clear()
            if time.monotonic() - began > LONGEST_PAUSE_S:
                pause = self._first_pause_s
            self._over.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _listen(self) -> None:
        with opened(self._pbx, self._app) as socket:
            self._socket = socket
            self._awake()
            if self._over.is_set():
                return
            self._hearing.set()
            for text in socket:
                self._take(text)

    def _take(self, text: str | bytes) -> None:
        try:
            self._hear(json.loads(text))
        except PhoneUnavailableError:
            raise
        except Exception as error:
            log.error("asterisk event", kind=type(error).__name__)


def opened(pbx: Pbx, app: str) -> ClientConnection:
    """A WebSocket on which the events of an application come. Raises WebSocketException and OSError."""
    credentials = base64.b64encode(f"{pbx.user}:{pbx.password}".encode()).decode()
    return connect(
        pbx.events_url(app),
        additional_headers={"Authorization": f"Basic {credentials}"},
        ssl=pbx.tls(),
        proxy=None,
        compression=None,
        open_timeout=pbx.patience_s,
        close_timeout=1,
        max_size=LARGEST,
        logger=_SILENT,
    )
