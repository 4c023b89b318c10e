"""Recordings: fetched from the provider alone, kept encrypted, heard behind a purpose, erased in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from callflow.console.app import create_app
from callflow.console.pages.calls.sound import part_of
from callflow.console.site import Site
from callflow.errors import ConfigError, Where
from callflow.recordings import shelf, vault
from callflow.recordings.shelf import Collected
from callflow.recordings.vault import PIECE, DamagedError, keep, keys_of, new_key, read
from callflow.retention import holds
from callflow.switchboard import Switchboard
from callflow.telephony.twilio.phone import TwilioPhone
from callflow.telephony.twilio.recordings import TwilioRecordings
from models.tables import audit_events, calls, campaigns, recordings
from tests.conftest import MUNICIPALITY
from tests.peers.twilio_peer import SID, TwilioPeer
from tests.web.conftest import Browser
from tests.web.test_hooks import CAMPAIGN, dial, give, peer, room, row  # noqa: F401  fixtures
from tests.world import World

SOUND = bytes(range(256)) * 700  # three pieces
OLD, NEW = keys_of(new_key("2025"), Where()), keys_of(new_key("2026"), Where())


@pytest.fixture
def recorded(room: Site, world: World, peer: TwilioPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:  # noqa: F811
    """A site whose one call was recorded and ended; its recording waits at the provider."""
    monkeypatch.setenv("CALLFLOW_RECORDING_KEY", _text(OLD))
    given = room.config.recordings.model_copy(update={"folder": tmp_path / "sound"})
    phone = TwilioPhone(peer.account(record=True), world.clock)
    board = Switchboard(world.database, world.clock, world.calls, phone, MUNICIPALITY, room.rules_of)
    config = room.config.model_copy(update={"recordings": given})
    hook = replace(room.hook, phone=phone) if room.hook else None
    site = replace(room, config=config, phone=phone, switchboard=board, hook=hook)
    with site.database.write() as conn:
        mine = campaigns.c.municipality_id == MUNICIPALITY, campaigns.c.id == CAMPAIGN
        conn.execute(update(campaigns).where(*mine).values(settings='{"recording": "recorded"}'))
    web, call = TestClient(create_app(site, with_errands=False)), dial(site, world)
    peer.happens(call.attempt_ref, "in-progress")
    world.clock.advance(timedelta(seconds=3))
    peer.has_recorded(call.attempt_ref, SOUND)
    told = peer.outbox[-1]
    assert give(web, replace(told, headers={})) == 403
    assert [give(web, each) for each in (peer.outbox[-2], told, told)] == [204] * 3
    peer.happens(call.attempt_ref, "completed")
    assert give(web, peer.outbox[-1]) == 204
    site.switchboard.finish(call.id, "system", reason="unended")
    return site


def _text(*keys: vault.Keys) -> str:
    import base64  # noqa: PLC0415

    return "\n".join(f"{each.current}:{base64.b64encode(each.by_name[each.current]).decode()}" for each in keys)


def _collect(site: Site, peer: TwilioPeer) -> Collected:  # noqa: F811
    source = TwilioRecordings(peer.account())
    folder = site.config.recordings.folder
    return shelf.collect(site.database, MUNICIPALITY, source, folder, OLD, site.clock.now())


def test_a_recording_is_kept_then_forgotten_by_the_provider_and_heard_on_record(
    recorded: Site,
    world: World,
    peer: TwilioPeer,  # noqa: F811
    logged_in: Callable[[str], Browser],
    browser: Callable[[], Browser],
) -> None:
    peer.faults["recording"].extend(["5xx", "slow", "5xx"])  # not fetched; fetched and not yet forgotten; then all well
    for state, left in (("waiting", 1), ("kept", 1), ("kept", 0)):
        _collect(recorded, peer)
        with recorded.database.read() as conn:
            (one,) = shelf.listed(conn, MUNICIPALITY)
        assert (one.state, len(peer.recordings)) == (state, left)
        world.clock.advance(timedelta(minutes=6))
    assert _collect(recorded, peer) == Collected()
    folder = recorded.config.recordings.folder
    path = shelf.path_of(folder, one)
    assert SOUND[:64] not in path.read_bytes()
    assert (path.stat().st_mode & 0o777, shelf.whole(one, folder), one.size) == (0o600, True, len(SOUND))
    assert all(f"/Accounts/{SID}/" in each for each in peer.requests)

    call, app = row(recorded), create_app(recorded, with_errands=False)
    at = f"/calls/{call.id}/recordings/{one.id}"
    lead = Browser(app, follow_redirects=False)
    lead.cookies = logged_in("supervisor").cookies
    assert lead.get(at).status_code == 409  # no purpose yet
    lead.see(f"/calls/{call.id}")
    lead.submit(f"/calls/{call.id}/open", purpose="complaint")
    page = lead.see(f"/calls/{call.id}").text
    assert f'src="{at}"' in page
    assert 'data-ms="3000"' in page
    assert "nodownload" in page
    whole = lead.get(at)
    assert (whole.status_code, whole.content, whole.headers["cache-control"]) == (200, SOUND, "no-store")
    part = lead.get(at, headers={"Range": f"bytes={PIECE - 5}-{PIECE + 5}"})
    assert (part.status_code, part.content) == (206, SOUND[PIECE - 5 : PIECE + 6])
    assert part.headers["content-range"] == f"bytes {PIECE - 5}-{PIECE + 5}/{len(SOUND)}"
    assert lead.get(at, headers={"Range": f"bytes={len(SOUND)}-"}).status_code == 416
    assert lead.get(f"/calls/{call.id}/recordings/999").status_code == 404
    operator = Browser(app, follow_redirects=False)
    operator.cookies = logged_in("operator").cookies
    assert operator.get(at).status_code == 403
    with recorded.database.read() as conn:
        acts = conn.execute(
            select(audit_events.c.purpose, audit_events.c.actor_id).where(
                audit_events.c.municipality_id == MUNICIPALITY, audit_events.c.verb == "recording:play"
            )
        ).all()
    assert [tuple(each) for each in acts] == [("complaint", world.supervisor)] * 3

    spoilt = bytearray(path.read_bytes())
    spoilt[-1] ^= 1
    path.write_bytes(spoilt)
    assert not shelf.whole(one, folder)
    assert "壊れています" in lead.get(at, headers={"Range": f"bytes={2 * PIECE}-"}).text


def test_what_is_due_goes_unless_it_is_held(recorded: Site, world: World, peer: TwilioPeer) -> None:  # noqa: F811
    _collect(recorded, peer)
    folder, keep_for, m = recorded.config.recordings.folder, timedelta(days=180), MUNICIPALITY
    with recorded.database.read() as conn:
        (one,) = shelf.listed(conn, m)
        now = one.began_at + keep_for
        assert shelf.due(conn, m, now - timedelta(seconds=1), keep_for) == []
        assert [each.id for each in shelf.due(conn, m, now, keep_for)] == [one.id]
    with recorded.database.write() as conn:
        held = holds.place(conn, m, f"call:{one.call_id}", "調査のため", world.staff[0], world.clock.now())
        assert shelf.due(conn, m, now, keep_for) == []
        holds.lift(conn, m, held, "調査が終わった", world.staff[0], world.clock.now())
        rows = shelf.due(conn, m, now, keep_for)
    assert shelf.erase(recorded.database, m, rows, folder, now) == 1
    with recorded.database.read() as conn:
        (gone,) = shelf.listed(conn, m)
        assert (gone.state, gone.erased_at, shelf.of_call(conn, m, one.call_id)) == ("erased", now, [])
        assert not shelf.path_of(folder, one).exists()
        assert conn.execute(select(recordings.c.id).where(recordings.c.municipality_id == m)).all()
        assert conn.execute(select(calls.c.id).where(calls.c.municipality_id == m)).all()


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 2 * PIECE])
def test_a_file_gives_back_every_part_and_notices_every_change(tmp_path: Path, size: int) -> None:
    sound, path = (SOUND * 2)[:size], tmp_path / "1.cfr"
    kept = keep(path, "1/1", [sound[:7], sound[7:]], OLD)
    assert b"".join(read(path, "1/1", kept.size, OLD)) == sound
    for first, last in ((0, 0), (size // 2, size - 1), (size - 1, size - 1)):
        if size:
            assert b"".join(read(path, "1/1", kept.size, OLD, first, last)) == sound[first : last + 1]
    both = keys_of(f"{_text(NEW)}\n{_text(OLD)}", Where())
    assert (both.current, b"".join(read(path, "1/1", kept.size, both))) == ("2026", sound)
    raw = path.read_bytes()
    for name, keys, spoilt in (
        ("1/2", OLD, raw), ("1/1", NEW, raw), ("1/1", OLD, raw[:-1]), ("1/1", OLD, raw[: len(raw) // 2]),
        ("1/1", OLD, raw[:-1] + bytes([raw[-1] ^ 1])), ("1/1", OLD, b"CFR2" + raw[4:]), ("1/1", OLD, b""),
    ):  # fmt: skip
        path.write_bytes(spoilt)
        with pytest.raises(DamagedError):
            list(read(path, name, kept.size, keys))


def test_what_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    def breaks_off():  # type: ignore[no-untyped-def]
        yield SOUND
        raise OSError

    with pytest.raises(OSError):
        keep(tmp_path / "1.cfr", "1/1", breaks_off(), OLD)
    assert list(tmp_path.iterdir()) == []
    for text in ("", "2026", "2026:short", f"{_text(OLD)}\n{_text(OLD)}"):
        with pytest.raises(ConfigError):
            keys_of(text, Where())


def test_parts() -> None:
    assert part_of("", 10) == (0, 9, False)
    assert part_of("bytes=2-", 10) == (2, 9, True)
    assert part_of("bytes=2-99", 10) == (2, 9, True)
    assert part_of("bytes=5-2", 10) is None
    assert part_of("bytes=-5", 10) == (0, 9, False)
    assert part_of("bytes=0-", 5_000_000) == (0, 1024 * 1024 - 1, True)
