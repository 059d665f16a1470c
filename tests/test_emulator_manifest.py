"""Which endpoints there are, and how many workers each wants."""

import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.manifest import (
    SHAPES,
    EndpointSpec,
    Manifest,
    ManifestError,
    Scaling,
    read_manifest,
)
from emulator.scaling import Load, wanted_workers

FULL = """
workers_quota = 10

[[endpoints]]
id = "words"
command = ["{python}", "-m", "some.module"]
workers_min = 1
workers_max = 4
idle_seconds = 7
execution_timeout_seconds = 30.5

[endpoints.scaling]
kind = "REQUEST_COUNT"
value = 2

[endpoints.environment]
BASE = "${PLATFORM_URL}/v2"
KEY = "${API_KEY}"
PLAIN = "$HOME costs 5$"

[[endpoints]]
id = "speakers"
command = ["serve"]
"""


def test_a_manifest_says_what_runs_where(tmp_path: Path) -> None:
    path = tmp_path / "full.toml"
    path.write_text(FULL)
    words, speakers = read_manifest(path).endpoints
    assert words == EndpointSpec(
        id="words",
        command=("{python}", "-m", "some.module"),
        environment={
            "BASE": "${PLATFORM_URL}/v2",
            "KEY": "${API_KEY}",
            "PLAIN": "$HOME costs 5$",
        },
        workers_min=1,
        workers_max=4,
        idle_seconds=7,
        scaling=Scaling(kind="REQUEST_COUNT", value=2),
        execution_timeout_seconds=30.5,
    )
    assert words.arguments() == (sys.executable, "-m", "some.module")
    assert words.settings(platform_url="http://here", api_key="k") == {
        "BASE": "http://here/v2",
        "KEY": "k",
        "PLAIN": "$HOME costs 5$",
    }
    assert speakers == EndpointSpec(id="speakers", command=("serve",))


def test_an_endpoint_has_the_defaults_of_runpod() -> None:
    spec = EndpointSpec(id="a", command=("serve",))
    assert (spec.workers_min, spec.workers_max, spec.idle_seconds) == (0, 3, 5)
    assert spec.scaling == Scaling(kind="QUEUE_DELAY", value=4)
    assert spec.execution_timeout_seconds == 600


ONE = '[[endpoints]]\nid = "a"\ncommand = ["serve"]\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["endpoints", "[[endpoints]]"]),
        ("endpoints = [3]", ["endpoints[0]"]),
        ("not toml", ["not TOML"]),
        ("quota = 5\n" + ONE, ["quota is unknown"]),
        (ONE + "worker_max = 1", ["endpoints[0].worker_max", "workers_max?"]),
        ('[[endpoints]]\ncommand = ["serve"]', ["endpoints[0].id is missing"]),
        ('[[endpoints]]\nid = "a"', ["endpoints[0].command is missing"]),
        ('[[endpoints]]\nid = "a/b"\ncommand = ["x"]', ["endpoints[0].id", "'a/b'", "hyphens"]),
        ('[[endpoints]]\nid = "a"\ncommand = []', ["endpoints[0].command"]),
        ('[[endpoints]]\nid = "a"\ncommand = [1]', ["endpoints[0].command", "text"]),
        ('[[endpoints]]\nid = "a"\ncommand = "serve"', ["endpoints[0].command", "list"]),
        (ONE + "workers_min = 4", ["endpoints[0].workers_min is 4", "workers_max, which is 3"]),
        (ONE + "workers_max = -1", ["endpoints[0].workers_max is -1"]),
        (ONE + "workers_max = true", ["endpoints[0].workers_max is True", "whole number"]),
        (ONE + "workers_max = 1.5", ["endpoints[0].workers_max is 1.5", "whole number"]),
        (ONE + "idle_seconds = -1", ["endpoints[0].idle_seconds is -1"]),
        (ONE + "execution_timeout_seconds = 0", ["execution_timeout_seconds is 0"]),
        (ONE + '[endpoints.scaling]\nkind = "FAST"', ["scaling.kind is 'FAST'", "QUEUE_DELAY"]),
        (ONE + "[endpoints.scaling]\nvalue = 0", ["endpoints[0].scaling.value is 0"]),
        (ONE + "[endpoints.scaling]\nvalues = 1", ["endpoints[0].scaling.values", "value?"]),
        (ONE + "[endpoints.environment]\nA = 1", ["endpoints[0].environment.A is 1", "text"]),
        (ONE + '[endpoints.environment]\nA = "${HOME}"', ["environment.A", "${PLATFORM_URL}"]),
        (ONE + ONE, ["id is 'a'", "of its own"]),
    ],
)
def test_what_is_wrong_is_told_with_file_key_and_advice(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert all(part in str(caught.value) for part in ["wrong.toml", *told])


def test_a_missing_manifest_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.toml cannot be read: No such file"):
        read_manifest(tmp_path / "none.toml")


def test_more_workers_than_the_quota_are_refused_as_on_the_platform() -> None:
    specs = tuple(EndpointSpec(id=name, command=("serve",)) for name in ("a", "b"))
    with pytest.raises(ManifestError, match=r"must not exceed your workers quota \(5\); .* is 6\."):
        Manifest(endpoints=specs)
    assert Manifest(endpoints=specs, workers_quota=6).endpoints == specs


def test_the_three_shapes_fit_a_new_account_and_one_machine() -> None:
    shapes = {path.stem: read_manifest(path) for path in SHAPES.glob("*.toml")}
    ids = {name: {spec.id for spec in shape.endpoints} for name, shape in shapes.items()}
    engines = {"parley-transcription", "parley-diarization"}
    assert ids == {
        "single": {"parley-single"},
        "split": engines,
        "orch": {*engines, "parley-orchestrator"},
    }
    assert all(shape.workers_quota == 5 for shape in shapes.values())
    assert all(spec.workers_max == 1 for shape in shapes.values() for spec in shape.endpoints)


LOADS = st.builds(
    Load,
    waiting=st.integers(0, 50),
    longest_wait=st.floats(0, 100),
    running=st.integers(0, 50),
    workers=st.integers(0, 10),
    since_start=st.floats(0, 100) | st.just(math.inf),
)
SPECS = st.builds(
    lambda kind, value, least, more: EndpointSpec(
        id="a",
        command=("serve",),
        workers_min=least,
        workers_max=least + more,
        scaling=Scaling(kind=kind, value=value),
    ),
    st.sampled_from(["QUEUE_DELAY", "REQUEST_COUNT"]),
    st.floats(0.5, 20),
    st.integers(0, 3),
    st.integers(0, 5),
)


@given(SPECS, LOADS)
def test_workers_stay_between_minimum_and_maximum(spec: EndpointSpec, load: Load) -> None:
    assert spec.workers_min <= wanted_workers(spec, load) <= spec.workers_max


@given(SPECS, LOADS)
def test_with_nothing_to_do_there_is_the_minimum(spec: EndpointSpec, load: Load) -> None:
    nothing = Load(workers=load.workers, since_start=load.since_start)
    assert wanted_workers(spec, nothing) == spec.workers_min


@given(SPECS, LOADS)
def test_whatever_waits_gets_a_worker_from_zero_at_once(spec: EndpointSpec, load: Load) -> None:
    cold = Load(waiting=load.waiting + 1)
    assert wanted_workers(spec, cold) >= min(1, spec.workers_max)


def spec_of(scaling: Scaling) -> EndpointSpec:
    return EndpointSpec(id="a", command=("serve",), workers_max=4, scaling=scaling)


@pytest.mark.parametrize(
    ("jobs", "workers"), [((0, 0), 0), ((1, 0), 1), ((1, 1), 1), ((2, 1), 2), ((9, 9), 4)]
)
def test_request_count_wants_a_worker_for_each_so_many_jobs(
    jobs: tuple[int, int], workers: int
) -> None:
    load = Load(waiting=jobs[0], running=jobs[1])
    assert wanted_workers(spec_of(Scaling(kind="REQUEST_COUNT", value=2)), load) == workers


@pytest.mark.parametrize(
    ("load", "workers"),
    [
        (Load(waiting=1, longest_wait=3.9, running=1, workers=1), 1),
        (Load(waiting=1, longest_wait=4.1, running=1, workers=1), 2),
        (Load(waiting=1, longest_wait=9.0, running=1, workers=2), 2),  # no more than jobs
        (Load(waiting=5, longest_wait=9.0, running=1, workers=2, since_start=1), 2),  # not yet
        (Load(waiting=5, longest_wait=9.0, running=1, workers=2, since_start=4), 3),
        (Load(waiting=5, longest_wait=9.0, running=1, workers=4), 4),  # the maximum
    ],
)
def test_queue_delay_wants_one_more_when_a_job_has_waited_too_long(
    load: Load, workers: int
) -> None:
    assert wanted_workers(spec_of(Scaling(kind="QUEUE_DELAY", value=4)), load) == workers
