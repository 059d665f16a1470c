"""JSON in pieces, the same as in one."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.pieces import PIECE, in_pieces, json_bytes

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)


@given(st.dictionaries(TEXTS, VALUES))
def test_pieces_of_json_are_the_whole(body: dict[str, Any]) -> None:
    repeated = {
        name: value * PIECE if isinstance(value, list) else value for name, value in body.items()
    }
    assert json_bytes(repeated) == json.dumps(repeated, ensure_ascii=False).encode()


@given(st.integers(0, 3 * PIECE))
def test_pieces_lose_no_item(count: int) -> None:
    pieces = list(in_pieces(tuple(range(count))))
    assert [item for piece in pieces for item in piece] == list(range(count))
    assert all(0 < len(piece) <= PIECE for piece in pieces)


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_what_is_no_number_is_refused_in_any_place(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"words": [{"start": 0.0}] * PIECE + [{"start": value}]})


def test_what_json_has_no_word_for_is_refused() -> None:
    with pytest.raises(TypeError):
        json_bytes({"words": [b"bytes"]})
