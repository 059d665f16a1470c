"""The environment, read once."""

import pytest
from pydantic import ValidationError

from handlers.settings import Settings, SettingsError


def test_an_empty_environment_is_enough() -> None:
    settings = Settings.read()
    assert settings.transcriber_model == "nvidia/parakeet-tdt-0.6b-v2"
    assert settings.diarizer_model == "pyannote/speaker-diarization-community-1"
    assert settings.hf_token is None
    assert not settings.allow_private_addresses


def test_a_variable_sets_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_MAX_AUDIO_SECONDS", "60")
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    settings = Settings.read()
    assert settings.max_audio_seconds == 60
    assert settings.hf_token is not None
    assert settings.hf_token.get_secret_value() == "hf_token"


def test_a_token_shows_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert "hf_secret" not in f"{Settings.read()!r} {Settings.read()}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARLEY_MAX_AUDIO_SECONDS", "six hours"),
        ("PARLEY_MAX_AUDIO_SECONDS", "0"),
        ("PARLEY_DOWNLOAD_ATTEMPTS", "0"),
        ("PARLEY_DEVICE", "tpu"),
        ("PARLEY_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        Settings.read()


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError):
        Settings().device = "cpu"
