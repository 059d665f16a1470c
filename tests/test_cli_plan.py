"""`parley plan`, as it is called."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from emulator.platform import LocalPlatform
from parley.plan import plan
from tests.test_planner_speeds import LENGTHS, of_single

APP = typer.Typer()
APP.command()(plan)

ROWS = [f"2026-08-{day:02}T18:{minute:02}:00Z,120,ann" for day in (3, 4, 5) for minute in range(9)]


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    monkeypatch.setenv("COLUMNS", "160")


def log(folder: Path, *rows: str) -> Path:
    path = folder / "requests.csv"
    path.write_text("\n".join(["time,audio_seconds,user", *ROWS, *rows]) + "\n")
    return path


def parley_plan(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [*map(str, arguments), "--volumes", "1"])


def answer_of(*arguments: object) -> dict[str, object]:
    done = parley_plan(*arguments, "--json", "-")
    assert done.exit_code == 0, done.output
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_log_becomes_tables_words_json_and_pictures(tmp_path: Path) -> None:
    folder, file = tmp_path / "pictures", tmp_path / "plan.json"
    done = parley_plan(log(tmp_path), "--json", file, "--pictures", folder)
    assert done.exit_code == 0, done.output
    for title in ("Traffic", "Options", "What to take", "From one endpoint to three", "Inputs"):
        assert title in done.stdout
    answer = json.loads(file.read_text())
    assert answer["recommended"] in done.stdout
    assert answer["traffic"]["requests"] == len(ROWS)
    assert answer["traffic"]["users"][0]["name"] == "ann"
    assert len(list(folder.glob("*.svg"))) == 3
    assert str(file) in done.stderr


def test_a_profile_is_as_good_as_a_log() -> None:
    answer = answer_of("--profile", "brief", "--shape", "single")
    assert answer["traffic"]["requests"] == 5817  # type: ignore[index]


def test_the_same_command_gives_the_same_answer(tmp_path: Path) -> None:
    path = log(tmp_path)
    assert answer_of(path) == answer_of(path)


def test_bad_rows_are_named_by_line_and_nothing_is_planned(tmp_path: Path) -> None:
    done = parley_plan(log(tmp_path, "yesterday,120,bob", "2026-08-06T18:00:00Z,-3,bob"))
    assert done.exit_code == 2
    assert done.stdout == ""
    for said in (f"line {len(ROWS) + 2}", f"line {len(ROWS) + 3}", "--skip-bad"):
        assert said in done.stderr


def test_bad_rows_are_left_out_when_that_is_asked_for_and_counted(tmp_path: Path) -> None:
    path = log(tmp_path, "yesterday,120,bob", "2026-08-06T18:00:00Z,-3,bob")
    done = parley_plan(path, "--skip-bad", "--json", "-")
    assert done.exit_code == 0, done.output
    assert "2 bad rows" in done.stderr
    assert json.loads(done.stdout)["traffic"]["requests"] == len(ROWS)


def test_names_of_files_are_shown_as_they_are(tmp_path: Path) -> None:
    path = log(tmp_path, "yesterday,120,[/b]")
    strange = path.rename(tmp_path / "a[bold]b.csv")
    done = parley_plan(strange, "--skip-bad", "--json", tmp_path / "[bold].json")
    assert done.exit_code == 0, done.output
    assert "a[bold]b.csv were left out" in " ".join(done.stderr.split())
    assert "log a[bold]b.csv" in done.stdout
    assert "[bold].json" in done.stderr


def test_a_wish_of_seconds_or_of_dollars_decides(tmp_path: Path) -> None:
    path = log(tmp_path)
    slow, fast = (answer_of(path, "--p95", limit) for limit in (120, 16))
    assert slow["recommended"] != fast["recommended"]
    assert answer_of(path)["wanted"] == {"kind": "p95", "most": 30, "stated": False, "met": True}
    assert answer_of(path, "--budget", 10)["wanted"] == {
        "kind": "budget", "most": 10, "stated": True, "met": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give either a LOG"),
        (["x.csv", "--profile", "brief"], "Give either a LOG"),
        (["x.csv", "--p95", "3", "--budget", "4"], "contradicts --p95"),
        (["x.csv"], "x.csv"),
        (["--profile", "nobody"], "nobody"),
        (["--profile", "brief", "--shape", "triple"], "there is no shape triple"),
        (["--profile", "brief", "--speeds", "fast"], "documents, l4, cpu"),
        (["--profile", "brief", "--gpu", "TPU"], "Known are AMPERE_16"),
        (["--profile", "brief", "--replies", "nowhere"], "nowhere is no folder"),
        (["--profile", "brief", "--quota", "1", "--shape", "orch"], "at least 3 are needed"),
    ],
)
def test_what_cannot_be_is_said_and_exits_with_2(arguments: list[str], said: str) -> None:
    done = parley_plan(*arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_own_replies_take_the_place_of_claims(tmp_path: Path) -> None:
    folder = tmp_path / "replies"
    folder.mkdir()
    for number, seconds in enumerate(LENGTHS):
        (folder / f"{number}.json").write_text(json.dumps(of_single(seconds)))
    answer = answer_of(log(tmp_path), "--replies", folder, "--shape", "single")
    inputs = {item["name"]: item for item in answer["inputs"]}  # type: ignore[attr-defined]
    work = inputs["single: work for a second of audio"]
    assert work["basis"] == "measured"
    assert work["value"] == pytest.approx(0.06)


def test_a_price_of_the_orchestrator_is_given_and_no_longer_assumed(tmp_path: Path) -> None:
    answer = answer_of(log(tmp_path), "--cpu-price", 0.36, "--shape", "orch")
    (price,) = [
        item
        for item in answer["inputs"]  # type: ignore[attr-defined]
        if item["name"].startswith("price of the orchestrator")
    ]
    assert (price["basis"], price["value"]) == ("given", pytest.approx(0.0001))


def test_an_answer_that_cannot_be_written_is_shown_all_the_same(tmp_path: Path) -> None:
    done = parley_plan(log(tmp_path), "--json", tmp_path / "none" / "plan.json")
    assert done.exit_code == 1
    assert "What to take" in done.stdout
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--profile", "brief"], "needs a LOG to write to"), (["x.csv"], "RUNPOD_API_KEY is not set")],
)
def test_watching_an_endpoint_needs_a_log_and_a_key(arguments: list[str], said: str) -> None:
    done = parley_plan(*arguments, "--record", "ep")
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(("endpoint", "status"), [("ep", 0), ("nobody", 2)])
async def test_an_endpoint_is_watched_and_then_planned_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, status: int
) -> None:
    async with LocalPlatform(api_key="local") as platform:
        platform.add("ep")
        monkeypatch.setenv("RUNPOD_API_KEY", "local")
        monkeypatch.setenv("RUNPOD_API_BASE", platform.url)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", platform.base_url)
        done = await asyncio.to_thread(
            parley_plan, log(tmp_path), "--record", endpoint, "--hours", 0.001
        )
    assert done.exit_code == status, done.output
    assert ("0 jobs of ep are in" if status == 0 else "nobody") in done.stderr


@pytest.mark.parametrize("command", [["plan", "--profile", "brief"], ["coldstart", "report", "x"]])
def test_a_client_without_the_extra_is_told_what_to_install(command: list[str]) -> None:
    hidden = "import sys; sys.modules['numpy'] = None; from parley.cli import main; main()"
    done = subprocess.run(  # noqa: S603  this Python
        [sys.executable, "-c", hidden, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert " ".join(done.stderr.split()) == "This needs numpy: pip install 'parley[plan]'."
