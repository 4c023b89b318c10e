"""Whatever a file of people holds, it is read or refused with a place; nothing else comes out of the reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.yamltext import UnreadableError, compose

PIECES = (
    *("a: ", "- ", "\n", "  ", "[", "]", "{", "}", ",", '"', "'", "|\n", ">\n", "&x ", "*x", "<<: ", "? ", "!!int "),
    *(
        "!!binary ",
        "!<y> ",
        "%YAML 9\n",
        "---\n",
        "...\n",
        "\t",
        "\0",
        "\x85",
        "\u2028",
        "@",
        "`",
        "#",
        "名",
        "𠮷",
        "~",
    ),
    *(r'"\ud800"', r'"\U00110000"', r'"\UFFFFFFFF"', r'"\x"', r'"\u12"', r'"\U0001F600"'),
)


@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
def test_a_text_is_read_or_refused_with_its_place(text: str) -> None:
    told = None
    try:
        compose(text)
    except UnreadableError as error:
        told = error
    if told is not None:
        assert told.what
        assert 1 <= told.line <= len(text.splitlines()) + 2
        assert told.column >= 1


@pytest.mark.parametrize(
    ("text", "what", "place"),
    [
        ('a: 1\nb: "\\ud800"', "文字にならない", (2, 4)),
        ('a: 1\nb: "x\\U00110000"', "文字にならない", (2, 6)),
        ("a: 1\nb: \x01", "文字 U.0001 は書けません", (2, 4)),
        ("a: [1\nb: 2", "YAML として読めません", (2, 2)),
        ("a: " + "[" * 3_000, "入れ子が深すぎます", (1, 1)),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, what: str, place: tuple[int, int]) -> None:
    with pytest.raises(UnreadableError, match=what) as told:
        compose(text)
    assert (told.value.line, told.value.column) == place


def test_an_alias_that_holds_itself_is_walked_once() -> None:
    assert compose("&a [*a, 1]") is not None
    assert compose("# nothing\n") is None
