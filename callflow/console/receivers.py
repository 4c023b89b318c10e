"""What becomes of operators' receivers, told by the telephone: committed, and what follows from it."""

from __future__ import annotations

import structlog

from callflow import attendance
from callflow.console.site import Site
from callflow.telephony.port import DeskEvent, ListeningPhone, PhoneUnavailableError

log = structlog.get_logger("callflow.console")


def take_in(site: Site, event: DeskEvent) -> None:
    """Whoever is still being called to a receiver that is gone would find nobody: they are hung up."""
    now = site.clock.now()
    whose = site.database.transact(lambda conn: attendance.heard(conn, site.municipality_id, event, now))
    if whose is not None and event.state == "gone":
        try:
            site.switchboard.receiver_is_gone(whose)
        except PhoneUnavailableError:
            log.warning("receiver", kind="PhoneUnavailableError")


def listen(site: Site, phone: ListeningPhone) -> None:
    """Takes in everything that the telephone has to say of receivers now."""
    for event in phone.poll_desks():
        take_in(site, event)
