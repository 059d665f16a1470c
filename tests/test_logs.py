"""No secret gets into a log."""

import logging
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from handlers.logs import RedactingFormatter, redact

TOKEN = "hf_AbCdEfGhIjKlMnOp"  # noqa: S105


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {TOKEN} refused", "token [hidden] refused"),
        ("key rpa_ABCDEFGH12345678", "key [hidden]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("GET https://a.com/b.wav?X-Sig=1&k=2 failed", "GET https://a.com/b.wav?[hidden] failed"),
        ("GET https://me:pw@a.com/b.wav failed", "GET https://[hidden]@a.com/b.wav failed"),
        ("url('https://u:p@a.com/x?y=z')", "url('https://a.com/x?[hidden]')"),
        ("https://a.com/b.wav is plain", "https://a.com/b.wav is plain"),
        ("nothing to hide?", "nothing to hide?"),
    ],
)
def test_secrets_are_hidden_and_the_rest_is_kept(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=4, max_size=40), st.text())
def test_a_known_secret_is_hidden_wherever_it_stands(secret: str, around: str) -> None:
    assume(secret not in "[hidden]")  # noqa: S105
    assert secret not in redact(f"{around}{secret}{around}", secrets=[secret])


def test_tracebacks_are_redacted_too() -> None:
    formatter = RedactingFormatter(secrets=("swordfish",))
    try:
        raise ValueError("swordfish https://a.com/b?sig=abc")  # noqa: EM101, TRY003, TRY301
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "p", 1, "it broke", None, sys.exc_info())
    text = formatter.format(record)
    assert "Traceback" in text
    assert "swordfish" not in text
    assert "sig=abc" not in text
