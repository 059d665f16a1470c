"""What all tests share."""

import logging
import os

import pytest


@pytest.fixture(autouse=True)
def _every_record_is_caught(caplog: pytest.LogCaptureFixture) -> None:
    """Undo what NeMo does to every handler that it finds: its own level."""
    caplog.handler.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in os.environ:
        if name.startswith(("PARLEY_", "RUNPOD_", "HF_", "HUGGING_FACE_", "BUCKET_")):
            monkeypatch.delenv(name)
