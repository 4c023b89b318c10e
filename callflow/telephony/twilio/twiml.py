"""What Twilio is told to do with an operator's receiver. Nothing of a case is in it, only the desk's own name. Pure."""

from __future__ import annotations

from twilio.twiml.voice_response import Dial, VoiceResponse


def waits_in(conference: str) -> str:
    """The receiver waits, in silence, in the conference of its desk; when it is put down, the conference ends."""
    response, dial = VoiceResponse(), Dial()
    dial.conference(
        conference,
        start_conference_on_enter=True,
        end_conference_on_exit=True,
        beep="false",
        wait_url="",
        wait_method="GET",
    )
    response.append(dial)
    return str(response)
