"""The file of an experiment: nothing is lost, nothing is mixed, nothing is believed unseen."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from planner.coldstart.runs import Begun, Experiment, Run
from planner.coldstart.store import opened, read
from planner.errors import RunsFileInvalid, RunsFileOther, RunsFileUnusable

EXPERIMENT = Experiment(label="here", endpoint="ep", deadline=60.0)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ok(number: int) -> Run:
    return Run(number=number, outcome="ok", seconds=2.0, parts={"wait": 1.5})


def begun(number: int, job: str | None = None) -> Begun:
    return Begun(number=number, at=NOON, job=job)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with opened(path, EXPERIMENT) as file:
        file.begin(begun(1))
        file.begin(begun(1, "job-1"))
        file.end(ok(1))
    with opened(path, EXPERIMENT) as file:
        assert list(file.runs.runs) == [ok(1)]
        file.end(ok(2))
    found = read(path)
    assert found.experiment == EXPERIMENT
    assert list(found.runs) == [ok(1), ok(2)]
    assert not found.half_done


def test_every_line_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with opened(path, EXPERIMENT) as file:
        file.begin(begun(1, "job-1"))
        assert [list(json.loads(line)) for line in path.read_text().splitlines()] == [
            ["experiment"],
            ["begun"],
        ]
        file.end(ok(1))
        assert list(read(path).runs) == [ok(1)]


def test_a_run_whose_end_nobody_wrote_is_half_done(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with opened(path, EXPERIMENT) as file:
        file.begin(begun(1))
        file.begin(begun(1, "job-1"))
    assert list(read(path).half_done) == [begun(1, "job-1")]


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_line_that_breaks_off_is_as_though_it_had_not_begun(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "runs.jsonl"
    with opened(path, EXPERIMENT) as file:
        file.begin(begun(1, "job-1"))
        before = path.stat().st_size
        file.end(ok(1))
    whole = path.read_bytes()
    path.write_bytes(whole[: before + kept])
    assert list(read(path).half_done) == [begun(1, "job-1")]
    with opened(path, EXPERIMENT) as file:
        file.end(ok(1))
    assert path.read_bytes() == whole


def test_runs_of_another_experiment_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with opened(path, EXPERIMENT):
        pass
    other = EXPERIMENT.model_copy(update={"endpoint": "other", "deadline": 61.0})
    with pytest.raises(RunsFileOther, match="endpoint, deadline differ"), opened(path, other):
        pass
    renamed = EXPERIMENT.model_copy(update={"label": "there"})
    with opened(path, renamed) as file:
        assert file.runs.experiment.label == "here"


@pytest.mark.parametrize(
    "content", ['{"token": "of somebody"}', "sk-secret", '{"experiment": "of mice"}', "\n", "\n\nx"]
)
def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token.json"
    path.write_text(content)
    with pytest.raises(RunsFileInvalid), opened(path, EXPERIMENT):
        pass
    assert path.read_text() == content


@pytest.mark.parametrize("kept", [0, 1, 20, 60, -1])
def test_a_first_line_that_breaks_off_is_begun_again(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "runs.jsonl"
    with opened(path, EXPERIMENT):
        pass
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    with opened(path, EXPERIMENT):
        pass
    assert path.read_bytes() == whole


def test_two_commands_do_not_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with (
        opened(path, EXPERIMENT),
        pytest.raises(RunsFileUnusable, match="another process"),
        opened(path, EXPERIMENT),
    ):
        pass


def line(**value: object) -> str:
    return json.dumps(value)


EXPERIMENT_LINE = line(experiment={"format": "parley-coldstart/1", "label": "a", "endpoint": "b"})


@pytest.mark.parametrize(
    ("lines", "at", "reason"),
    [
        ([""], 1, "names no experiment"),
        (["{"], 1, "no JSON"),
        (["[" * 100_000], 1, "no JSON"),
        (["3"], 1, "none of experiment, begun, run"),
        ([line(run={"number": 1, "outcome": "no_worker"})], 1, "experiment is named first"),
        ([EXPERIMENT_LINE, EXPERIMENT_LINE], 2, "experiment is named first, and once"),
        ([EXPERIMENT_LINE, line(run={"number": 1, "outcome": "ok"})], 2, "has seconds"),
        ([EXPERIMENT_LINE, line(run={"number": 0, "outcome": "warm"})], 2, "run.number"),
        ([EXPERIMENT_LINE, line(run={"number": 1, "outcome": "fine"})], 2, "run.outcome"),
        ([EXPERIMENT_LINE, line(run={"number": 1, "outcome": "warm", "x": 1})], 2, "run.x"),
        (
            [EXPERIMENT_LINE, line(run={"number": 1, "outcome": "warm", "seconds": 1e999})],
            2,
            "run.seconds",
        ),
        (
            [
                EXPERIMENT_LINE,
                line(run={"number": 1, "outcome": "ok", "seconds": 2, "parts": {"a": 1, "b": 1.5}}),
            ],
            2,
            "more than the whole of 2 s",
        ),
        (
            [
                EXPERIMENT_LINE,
                "",
                line(run={"number": 1, "outcome": "warm"}),
                line(run={"number": 1, "outcome": "warm"}),
            ],
            4,
            "run 1 is there already",
        ),
    ],
)
def test_what_is_no_run_is_named_by_its_line(
    tmp_path: Path, lines: list[str], at: int, reason: str
) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RunsFileInvalid) as caught:
        read(path)
    assert f"line {at}: " in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunsFileUnusable, match="No such file"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(RunsFileUnusable), opened(tmp_path, EXPERIMENT):
        pass
