"""What all tests share."""

import os

import pytest


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in os.environ:
        if name.startswith(("PARLEY_", "RUNPOD_", "HF_", "HUGGING_FACE_", "BUCKET_")):
            monkeypatch.delenv(name)
