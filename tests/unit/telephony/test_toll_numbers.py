"""Numbers that cost, in every spelling: refused where lists are read, where calls are placed, and by the telephone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.clock import SimulatedClock
from callflow.intake.phones import parse_phone
from callflow.telephony.allowed import why_not
from callflow.telephony.port import PlacementRefusedError
from callflow.telephony.simulated import SimulatedPhone

COSTLY = {
    "0990": "0990-123-456", "0570": "0570-064-556", "0180": "0180-99-1234", "0170": "0170-123-456",
    "0120": "0120-123-456", "0800": "0800-123-4567", "0910": "0910-123-456", "020": "020-1234-5678",
    "abroad": "010-1-415-555-0100", "abroad, satellite": "010-881-612345678", "110": "110", "119": "119", "118": "118",
    "171": "171", "177": "177", "188": "188", "104": "104", "00XY": "0077-2-0366-590001", "0063": "0063-03-6659-0001",
}  # fmt: skip
"""By kind; the numbers are nobody's."""

WIDE = str.maketrans("0123456789-+() ", "０１２３４５６７８９－＋（）　")
SPELLINGS = {
    "as written": lambda text: text,
    "figures alone": lambda text: text.replace("-", ""),
    "blanks": lambda text: text.replace("-", " "),
    "dots": lambda text: text.replace("-", "."),
    "brackets": lambda text: "(" + text.replace("-", ")", 1) if "-" in text else text,
    "full width": lambda text: text.translate(WIDE),
    "another dash": lambda text: text.replace("-", "ー"),
    "+81": lambda text: "+81" + text.replace("-", "").removeprefix("0"),
    "+81 and the 0": lambda text: "+81-" + text,
    "+81 (0)": lambda text: "+81 (0)" + text.removeprefix("0"),
    "full width +81": lambda text: ("+81-" + text.removeprefix("0")).translate(WIDE),
    "withheld": lambda text: "184-" + text,
    "withheld, run together": lambda text: "184" + text.replace("-", ""),
    "shown": lambda text: "186-" + text,
    "full width withheld": lambda text: ("184" + text).translate(WIDE),
    "with a word": lambda text: f"自宅 {text}",
}


@pytest.mark.parametrize("kind", COSTLY)
def test_no_spelling_of_a_costly_number_is_read_or_dialled(kind: str, clock: SimulatedClock) -> None:
    phone, figures = SimulatedPhone(clock), COSTLY[kind].replace("-", "")
    for spelling, spelt in SPELLINGS.items():
        text = spelt(COSTLY[kind])
        read = parse_phone(text, "03")
        assert (read.e164, bool(read.reason)) == (None, True), (spelling, read)
        for number in (text, figures, "+81" + figures.removeprefix("0")):
            with pytest.raises(PlacementRefusedError):
                phone.place("a1", number, 30, 60)
    assert phone.fetch("a1") == ()


@pytest.mark.parametrize("prefix", ["184", "186", "184-", "１８４", "122", "122-"])
def test_a_number_is_never_called_withheld_or_by_another_prefix(prefix: str) -> None:
    """184 withholds our number, 186 shows it, 122 chooses the way: whoever dials decides, never a list."""
    assert parse_phone(f"{prefix}03-6659-0001", "03").e164 is None
    assert why_not(f"{prefix}+81366590001")


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.from_regex(r"[ (（]?(\+81|＋８１|0|０|184|010)?[-0-9０-９ .ー()]{3,16}", fullmatch=True))
def test_whatever_a_list_gives_the_telephone_may_dial(raw: str) -> None:
    read = parse_phone(raw, "03")
    assert read.e164 is None or why_not(read.e164) is None, read
