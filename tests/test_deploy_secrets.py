"""What no output may show, and what an environment may say."""

import pytest

from deploy.errors import KeyMissing, VariableInvalid
from deploy.secrets import Secrets, is_reference
from deploy.settings import Settings
from tests.deployments import KEY, SECRETS, VARIABLES


def test_every_secret_of_the_environment_is_hidden_wherever_it_turns_up() -> None:
    settings = Settings.read({**VARIABLES, "MY_DB_PASSWORD": "swordfish"})
    text = settings.secrets.hide(" ".join([*SECRETS, "swordfish"]))
    assert text == " ".join(["[hidden]"] * (len(SECRETS) + 1))
    assert not any(secret in repr(settings) + repr(settings.secrets) for secret in SECRETS)


def test_of_two_secrets_one_may_hold_the_other() -> None:
    secrets = Secrets.of("abcdef", "abcdef-and-more")
    assert secrets.hide("abcdef-and-more abcdef") == "[hidden] [hidden]"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("{{ RUNPOD_SECRET_hf }}", True),
        ("{{RUNPOD_SECRET_hf_token}}", True),
        ("{{ SECRET }}", False),
        ("x {{ RUNPOD_SECRET_hf }}", False),
    ],
)
def test_a_reference_to_a_secret_is_shown(value: str, kept: bool) -> None:  # noqa: FBT001
    assert is_reference(value) is kept
    assert (Secrets.of(value).values == ()) is kept


def test_short_values_are_no_secrets_since_they_are_everywhere() -> None:
    assert Secrets.of("local", "", None).hide("a local thing") == "a local thing"


def test_a_key_is_needed() -> None:
    with pytest.raises(KeyMissing, match="RUNPOD_API_KEY is not set"):
        Settings.read({"RUNPOD_API_KEY": " "})


@pytest.mark.parametrize(
    ("base", "local"),
    [
        (None, False),
        ("https://api.runpod.io", False),
        ("http://127.0.0.1:8700", True),
        ("http://localhost:8700/", True),
        ("http://[::1]:8700", True),
    ],
)
def test_the_platform_may_be_on_this_machine(base: str | None, local: bool) -> None:  # noqa: FBT001
    said = {"RUNPOD_API_BASE": base} if base else {}
    assert Settings.read({"RUNPOD_API_KEY": KEY, **said}).is_local is local


@pytest.mark.parametrize("base", ["api.runpod.io", "ftp://x", "https://", "http://10.0.0.1"])
def test_the_key_is_sent_to_no_address_that_is_none_or_in_the_clear(base: str) -> None:
    with pytest.raises(VariableInvalid, match="RUNPOD_API_BASE"):
        Settings.read({"RUNPOD_API_KEY": KEY, "RUNPOD_API_BASE": base})
