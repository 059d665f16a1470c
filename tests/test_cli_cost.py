"""`parley cost`, as it is typed."""

import asyncio
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from parley.batch import Done
from parley.cost import cost
from parley.display import summarise
from parley.outputs import Recording
from tests.accounts import account
from tests.test_management_billing import worked
from tests.test_planner_cost import ORCH, PLAN, SINGLE, SPLIT, written

KEY = "rpa_SECRET"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("RUNPOD_API_KEY", "RUNPOD_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def parley_cost(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(cost)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def told(*arguments: object) -> Any:
    result = parley_cost(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_replies_become_a_table(tmp_path: Path) -> None:
    result = parley_cost(written(tmp_path, "replies.jsonl", SINGLE, SPLIT, ORCH))
    assert result.exit_code == 0, result.output
    seen = ("2026-11-16", "single (abc)", "split", "$0.0020", "0:03:00", "3.5 s of workers")
    for expected in seen:
        assert expected in result.stdout


def test_replies_become_json(tmp_path: Path) -> None:
    found = told(written(tmp_path, "replies.jsonl", SINGLE, SPLIT), "--by", "shape")["replies"]
    assert found["by"] == ["shape"]
    assert [(line["shape"], line["requests"]) for line in found["lines"]] == [
        ("single", 1),
        ("split", 1),
    ]
    assert found["total"]["dollars"] == pytest.approx(0.004)
    assert found["total"]["start_dollars"] == pytest.approx(0.005)
    assert found["total"]["dollars_per_audio_hour"] == pytest.approx(0.009 * 30)


def test_a_plan_is_set_beside_them(tmp_path: Path) -> None:
    replies = written(tmp_path, "replies.jsonl", SINGLE, SPLIT)
    plan = written(tmp_path, "plan.json", PLAN)
    found = told(replies, "--plan", plan)["plan"]
    assert [(one["name"], one["recommended"]) for one in found] == [
        ("single, idle 5 s", False),
        ("split, idle 5 s", True),
    ]
    assert found[0]["over"] == pytest.approx(0.8)
    shown = parley_cost(replies, "--plan", plan).stdout
    assert "split, idle 5 s (recommended)" in shown
    assert "+80%" in shown


def test_bad_lines_are_named_and_left_out_when_asked(tmp_path: Path) -> None:
    path = written(tmp_path, "replies.jsonl", SINGLE, {"usage": 1})
    result = parley_cost(path)
    assert result.exit_code == 2
    assert f"{path} does not hold replies" in result.stderr
    assert "line 2: usage" in result.stderr
    found = told(path, "--skip-bad")
    assert found["replies"]["total"]["requests"] == 1
    assert found["skipped"][0].startswith(f"{path}, line 2")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "No file is named"),
        (["none.json"], "none.json cannot be opened"),
        (["--billing"], "RUNPOD_API_KEY is not set"),
        (["--by", "week"], "week: choose of day, endpoint, shape"),
        (["--days", "0", "--billing"], "--days"),
    ],
)
def test_wrong_usage_says_what_to_do(arguments: list[str], why: str) -> None:
    result = parley_cost(*arguments)
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())


async def test_runpod_is_asked_for_its_records(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with account(tmp_path) as runpod:
        await worked(runpod)
        monkeypatch.setenv("RUNPOD_API_KEY", "local")
        monkeypatch.setenv("RUNPOD_API_BASE", runpod.url)
        found = await asyncio.to_thread(told, "--billing", "--days", "2", "--by", "endpoint")
        (line,) = found["billing"]["lines"]
        assert line["endpoint"].startswith("echo (")
        assert line["dollars"] > 0
        monkeypatch.setenv("RUNPOD_API_KEY", KEY)
        refused = await asyncio.to_thread(parley_cost, "--billing")
    assert refused.exit_code == 1
    assert "HTTP 401" in refused.stderr
    assert KEY not in refused.output


async def test_a_platform_that_is_not_there_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("RUNPOD_API_BASE", "http://127.0.0.1:1")
    result = await asyncio.to_thread(parley_cost, "--billing")
    assert result.exit_code == 3
    assert "Run the same command again later" in result.stderr
    assert KEY not in result.output


def summary(*outcomes: Done) -> str:
    console = Console(file=StringIO(), width=200)
    recordings = [Recording(f"{n}.wav", str(n), Path()) for n in range(len(outcomes))]
    summarise(
        dict(zip(recordings, outcomes, strict=True)),
        total=len(outcomes),
        console=console,
        quiet=False,
        verbose=False,
    )
    said = console.file
    assert isinstance(said, StringIO)
    return said.getvalue().strip()


def test_transcribe_says_what_its_recordings_cost() -> None:
    done = Done(files=["a.txt"], audio_seconds=60.0, speakers=1, seconds=2.0, warnings=())
    assert summary(done, done) == "2 done"
    priced = replace(done, dollars=0.0012)
    assert summary(priced, priced) == ("2 done; about $0.0024, starts and idle workers not counted")
    assert summary(priced, done).startswith("2 done; about $0.0012 for 1 of them,")
