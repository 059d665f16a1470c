"""What counts when the command line, the environment and a file say different things."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from parley.choices import ConfigError
from parley.config import Config, ConfigFile, Target, load

KEY = "rpa_secret"


def configured(
    *,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
    profile: str | None = None,
) -> Config:
    variables = {"RUNPOD_API_KEY": KEY, "PARLEY_CONFIG": "", **(environment or {})}
    config, _ = load(flags or {}, path=file, profile=profile, environment=variables)
    return config


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def test_a_flag_goes_before_the_environment_and_this_before_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'endpoint = "file"\nbase_url = "http://file"\njobs = 7\n')
    environment = {"PARLEY_ENDPOINT": "variable", "RUNPOD_ENDPOINT_BASE_URL": "http://variable"}
    config = configured(flags={"endpoint": "flag"}, environment=environment, file=file)
    found = {key: (config[key], config.origin(key)) for key in ("endpoint", "base_url", "jobs")}
    assert found == {
        "endpoint": ("flag", "--endpoint"),
        "base_url": ("http://variable", "RUNPOD_ENDPOINT_BASE_URL"),
        "jobs": (7, str(file)),
    }


def test_a_profile_goes_before_the_rest_of_its_file(tmp_path: Path) -> None:
    file = written(
        tmp_path, 'endpoint = "usual"\njobs = 2\n[profiles.studio]\nendpoint = "studio"\n'
    )
    assert configured(file=file)["endpoint"] == "usual"
    studio = configured(file=file, profile="studio")
    assert (studio["endpoint"], studio["jobs"]) == ("studio", 2)


def test_the_usual_file_is_read_where_it_is_there(tmp_path: Path) -> None:
    (tmp_path / ".config" / "parley").mkdir(parents=True)
    written(tmp_path / ".config" / "parley", 'endpoint = "usual"\n')
    assert configured()["endpoint"] == "usual"


@pytest.mark.parametrize(
    ("flags", "environment", "target"),
    [
        ({"endpoint": "a"}, {}, ("single", ("a",))),
        ({"endpoint": "a", "shape": "orch"}, {}, ("orch", ("a",))),
        ({"endpoint": "a"}, {"PARLEY_SHAPE": "orch"}, ("orch", ("a",))),
        ({"endpoint": "a"}, {"PARLEY_TRANSCRIPTION_ENDPOINT": "b"}, ("single", ("a",))),
        ({"endpoint": "a"}, {"PARLEY_SHAPE": "split"}, ("single", ("a",))),
        (
            {"transcription_endpoint": "b", "diarization_endpoint": "c"},
            {"PARLEY_ENDPOINT": "a"},
            ("split", ("b", "c")),
        ),
        (
            {"transcription_endpoint": "b"},
            {"PARLEY_DIARIZATION_ENDPOINT": "c"},
            ("split", ("b", "c")),
        ),
    ],
)
def test_the_shape_is_known_from_who_names_endpoints_first(
    flags: dict[str, str], environment: dict[str, str], target: tuple[str, tuple[str, ...]]
) -> None:
    found = configured(flags=flags, environment=environment).target
    assert (found.shape, found.endpoints) == target


def test_both_kinds_of_endpoints_in_one_place_need_a_shape() -> None:
    both = {
        "PARLEY_ENDPOINT": "a",
        "PARLEY_TRANSCRIPTION_ENDPOINT": "b",
        "PARLEY_DIARIZATION_ENDPOINT": "c",
    }
    with pytest.raises(ConfigError, match=r"Environment names one endpoint and those of a split"):
        _ = configured(environment=both).target
    split = configured(environment={**both, "PARLEY_SHAPE": "split"}).target
    assert split.endpoints == ("b", "c")


@pytest.mark.parametrize(
    ("flags", "environment", "missing"),
    [
        ({}, {}, "No endpoint is named"),
        ({"transcription_endpoint": "b"}, {}, "Not set: PARLEY_DIARIZATION_ENDPOINT"),
        ({"endpoint": "a"}, {"RUNPOD_API_KEY": ""}, "Not set: RUNPOD_API_KEY"),
    ],
)
def test_what_is_missing_is_named(
    flags: dict[str, str], environment: dict[str, str], missing: str
) -> None:
    with pytest.raises(ConfigError, match=missing):
        _ = configured(flags=flags, environment=environment).target


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('endpont = "a"', "unknown key endpont, did you mean endpoint?"),
        ('jobs = "4"', "jobs is wrong: Input should be a valid integer"),
        ("jobs = 0", "jobs is wrong: Input should be greater than or equal to 1"),
        ("endpoint = 4", "endpoint is wrong: Input should be a valid string"),
        ('formats = ["srt", "strt"]', "formats knows no 'strt', but json, diarized_json"),
        ('timeout = "soon"', "timeout is wrong: 'soon' is no duration"),
        ('profiles = "a"', "write profiles as tables"),
        ('[profiles.studio]\nshap = "orch"', "[profiles.studio]: unknown key shap, did you mean"),
        ("endpoint =", "is no valid TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_file_and_key(
    tmp_path: Path, text: str, why: str
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as told:
        configured(file=file)
    assert str(file) in str(told.value)
    assert why in str(told.value)


def test_what_is_wrong_in_the_environment_is_told_with_the_variable() -> None:
    with pytest.raises(ConfigError, match="PARLEY_SHAPE knows no 'double', but single, split"):
        configured(environment={"PARLEY_SHAPE": "double"})


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.toml"
    with pytest.raises(ConfigError, match="There is no configuration file"):
        configured(file=missing)
    with pytest.raises(ConfigError, match="There is no configuration file"):
        configured(environment={"PARLEY_CONFIG": str(missing)})


@pytest.mark.parametrize(
    ("said", "seconds"), [(90, 90), ("90", 90), ("90s", 90), ("5m", 300), ("1.5h", 5400)]
)
def test_durations_have_units(tmp_path: Path, said: float | str, seconds: float) -> None:
    file = written(tmp_path, f"timeout = {said!r}")
    assert configured(file=file)["timeout"] == seconds


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [
        ('api_key = "k"', 0o644, True),
        ('[profiles.a]\napi_key = "k"', 0o640, True),
        ('api_key = "k"', 0o600, False),
        ('endpoint = "a"', 0o644, False),
    ],
)
def test_a_key_that_others_may_read_is_worth_a_warning(
    tmp_path: Path, text: str, mode: int, *, warned: bool
) -> None:
    path = written(tmp_path, text)
    path.chmod(mode)
    assert (ConfigFile.read(path, needed=True).exposed is not None) == warned


def test_no_key_shows_in_what_is_printed_for_debugging() -> None:
    target = Target(shape="single", endpoints=("a",), api_key=KEY)
    assert KEY not in repr(target)
    assert KEY not in repr(configured().layers)
