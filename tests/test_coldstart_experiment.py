"""Cold starts one after the other, on a platform that answers as a script says."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from handlers.errors import EndpointAccessDenied
from orchestrator.patience import Patience
from planner.coldstart.answers import Expected
from planner.coldstart.attempt import Order, attempt, billed
from planner.coldstart.command import Price, Request, budget_of, job_of, run
from planner.coldstart.cooling import Cooling
from planner.coldstart.costs import Budget
from planner.coldstart.experiment import News
from planner.coldstart.outcomes import Outcome
from planner.coldstart.runs import Run, Runs
from planner.coldstart.store import read
from planner.coldstart.subject import Subject
from planner.errors import (
    AlwaysWarm,
    ColdCostDeclined,
    ColdCostUnknown,
    ColdJobInvalid,
    ColdJobRefused,
    NeverCold,
    RunsFileOther,
    RunsFileUnusable,
)
from tests.scripted_platform import KEY, Answer, Platform, accepts, gives, says, scripted

COLD: Answer = gives({"workers": {"idle": 0, "running": 0}, "jobs": {"inQueue": 0}})
START = {"seconds": 1.5, "phases": {"transcriber found": 0.5, "transcriber built": 0.25}}
TIMES = {"delayTime": 2000, "executionTime": 500, "workerId": "w"}
DONE = says("COMPLETED", output={"text": "good morning", "cold_start": START}, **TIMES)


def request(platform: Platform, folder: Path, **changes: Any) -> Request:
    return Request(
        **{
            "file": folder / "runs.jsonl",
            "endpoint": "ep",
            "api_key": KEY,
            "base_url": platform.base_url,
            "job_input": {"say": "good morning"},
            "expected": Expected(kind="any"),
            "runs": 2,
            "within": 30.0,
            "cooling": Cooling(within=1.0, settle=0.0, pause=0.01),
            "watch": 0.01,
            **changes,
        }
    )


async def made(asked: Request, *, told: Callable[[News], None] = lambda _news: None) -> Runs:
    await run(asked, agreed=lambda _: False, tell=lambda _: None, told=told)
    return read(asked.file)


async def test_each_run_is_broken_down_and_kept(tmp_path: Path) -> None:
    async with scripted(status=[says("IN_QUEUE"), DONE]) as platform:
        found = await made(request(platform, tmp_path))
    assert [one.outcome for one in found.runs] == ["ok", "ok"]
    for one in found.runs:
        assert {n: s for n, s in one.parts.items() if n != "network"} == {
            "queue": 0.5,
            "start": 0.75,
            "weights": 0.5,
            "load": 0.25,
            "first_result": 0.5,
        }
        assert sum(one.parts.values()) == pytest.approx(one.seconds, abs=1e-6)
        assert (one.cold_by, one.worker, one.job) == ("reply", "w", "job-1")
        assert one.billed_seconds == 7.0  # 2 s of the process and the job, 5 s idle
    assert platform.to("run")[0].body["policy"]["ttl"] == 40_000


async def test_the_same_command_goes_on_where_it_was(tmp_path: Path) -> None:
    async with scripted(status=[DONE]) as platform:
        await made(request(platform, tmp_path, runs=1))
        found = await made(request(platform, tmp_path, runs=3))
        again = await made(request(platform, tmp_path, runs=3))
        with pytest.raises(RunsFileOther, match="input_sha256"):
            await made(request(platform, tmp_path, job_input={"say": "something else"}))
    assert [one.number for one in found.runs] == [1, 2, 3]
    assert again == found
    assert len(platform.to("run")) == 3


async def test_an_address_that_is_signed_anew_is_the_same(tmp_path: Path) -> None:
    async with scripted(status=[DONE]) as platform:
        for signature in ("a", "b"):
            address = f"https://host.example/talk.wav?signature={signature}"
            await made(request(platform, tmp_path, job_input={"audio_url": address}))
    text = (tmp_path / "runs.jsonl").read_text()
    assert "host.example" not in text
    assert KEY not in text


async def test_a_run_half_done_is_named_and_its_job_cancelled(tmp_path: Path) -> None:
    news: list[News] = []
    async with scripted(status=[DONE]) as platform:
        asked = request(platform, tmp_path, runs=1)
        await made(asked)
        lines = asked.file.read_text().splitlines()
        asked.file.write_text("\n".join(lines[:-1]) + "\n")  # killed before its end was written
        assert [begun.job for begun in read(asked.file).half_done] == ["job-1"]
        found = await made(asked, told=news.append)
        assert [asked.job for asked in platform.to("cancel")] == ["job-1"]
    assert [(one.number, one.outcome) for one in found.runs] == [(1, "interrupted"), (2, "ok")]
    assert "its job was job-1" in found.runs[0].detail
    assert news[0].what == "half_done"


async def test_stopping_cancels_the_job_and_keeps_the_run(tmp_path: Path) -> None:
    async with scripted(status=[says("IN_PROGRESS")]) as platform:
        asked = request(platform, tmp_path)
        task = asyncio.create_task(made(asked))
        await platform.until_asked("status")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [one.job for one in platform.to("cancel")] == ["job-1"]
    (kept,) = read(asked.file).runs
    assert (kept.outcome, kept.job) == ("interrupted", "job-1")
    assert kept.seconds is not None
    assert kept.billed_seconds is not None
    assert kept.billed_seconds >= kept.seconds + 5  # it idles too


async def test_a_job_that_cannot_be_written_down_is_cancelled() -> None:
    def full(job: str) -> None:
        raise RunsFileUnusable(job, reason="No space left on device")

    order = Order(job_input={"say": "yes"}, expected=Expected(kind="any"), within=30.0)
    async with (
        scripted(status=[says("IN_PROGRESS")]) as platform,
        aiohttp.ClientSession() as session,
    ):
        subject = Subject("ep", session=session, api_key=KEY, base_url=platform.base_url)
        with pytest.raises(RunsFileUnusable, match="No space"):
            await attempt(subject, order, number=1, submitted=full)
        assert [one.job for one in platform.to("cancel")] == ["job-1"]


async def test_a_deadline_cancels_the_job_and_names_the_reason(tmp_path: Path) -> None:
    throttled = gives({"workers": {"throttled": 2}, "jobs": {}})
    async with scripted(status=[says("IN_QUEUE")], health=[COLD, throttled]) as platform:
        found = await made(request(platform, tmp_path, runs=1, within=0.5))
        assert len(platform.to("cancel")) == 1
    (late,) = found.runs
    assert (late.outcome, late.mishaps, late.billed_seconds) == ("no_capacity", ("no_capacity",), 0)
    assert [dict(seen.workers) for seen in late.sights] == [{"throttled": 2}]


async def test_nothing_is_submitted_while_workers_are_there(tmp_path: Path) -> None:
    busy = gives({"workers": {"idle": 1}, "jobs": {}})
    waiting = gives({"workers": {}, "jobs": {"inQueue": 1}})
    async with scripted(status=[DONE], health=[busy, waiting, COLD]) as platform:
        seen: list[News] = []
        await made(request(platform, tmp_path, runs=1), told=seen.append)
        assert platform.asked.index(platform.to("run")[0]) >= 3
    texts = [news.text for news in seen if news.what == "waiting"]
    assert texts == ["1 workers idle", "1 jobs that wait or run"]


@pytest.mark.parametrize(
    "health",
    [
        {"workers": {"running": 1}},
        {"workers": {"idle": 1}},
        {"workers": {}, "jobs": {"inProgress": 1}},
        {"jobs": {}},
    ],
)
async def test_an_endpoint_that_is_never_cold_is_told(tmp_path: Path, health: Any) -> None:
    async with scripted(status=[DONE], health=[gives(health)]) as platform:
        cooling = Cooling(within=0.1, settle=0.0, pause=0.01)
        with pytest.raises(NeverCold, match="not cold within"):
            await made(request(platform, tmp_path, cooling=cooling))
        assert not platform.to("run")
    assert not read(tmp_path / "runs.jsonl").runs


async def test_workers_that_sleep_may_count_as_gone(tmp_path: Path) -> None:
    asleep = gives({"workers": {"idle": 3, "ready": 3}, "jobs": {}})
    async with scripted(status=[DONE], health=[asleep]) as platform:
        cooling = Cooling(within=5.0, settle=0.0, pause=0.01, asleep_after=0.1)
        found = await made(request(platform, tmp_path, runs=1, cooling=cooling))
    assert [one.outcome for one in found.runs] == ["ok"]


async def test_warm_workers_are_not_counted_and_end_the_experiment(tmp_path: Path) -> None:
    old = {"seconds": 100.0, "phases": {}}
    warm = says("COMPLETED", output={"text": "yes", "cold_start": old}, **TIMES)
    async with scripted(status=[warm]) as platform:
        with pytest.raises(AlwaysWarm, match="3 runs in a row"):
            await made(request(platform, tmp_path))
    found = read(tmp_path / "runs.jsonl")
    assert [one.outcome for one in found.runs] == ["warm"] * 3
    assert not found.counted


async def test_an_orchestrator_is_cold_with_its_engines(tmp_path: Path) -> None:
    engines = {"transcribe": 0.3, "transcribe.delay": 0.1}
    output = {"text": "yes", "cold_start": START, "timings": engines}
    answer = says("COMPLETED", output=output, **TIMES)
    async with scripted(status=[answer]) as platform:
        alone = await made(request(platform, tmp_path, runs=1))
        asked = request(platform, tmp_path, also_cold=["ep"], file=tmp_path / "all.jsonl")
        with pytest.raises(AlwaysWarm):
            await made(asked)
    assert [one.outcome for one in alone.runs] == ["ok"]
    assert [one.outcome for one in read(asked.file).runs] == ["warm"] * 3


async def test_a_job_that_is_refused_ends_the_experiment(tmp_path: Path) -> None:
    error = {"code": "wrong_endpoint", "message": "Another kind.", "retryable": False}
    refusal = says("FAILED", error=json.dumps(error), **TIMES)
    async with scripted(status=[refusal]) as platform:
        with pytest.raises(ColdJobRefused, match="Another kind"):
            await made(request(platform, tmp_path))
    (kept,) = read(tmp_path / "runs.jsonl").runs
    assert (kept.outcome, kept.code, kept.is_counted) == ("refused", "wrong_endpoint", False)


async def test_a_key_that_is_withdrawn_meanwhile_leaves_a_run_that_is_billed(
    tmp_path: Path,
) -> None:
    async with scripted(status=[gives({}, status=401)]) as platform:
        with pytest.raises(EndpointAccessDenied):
            await made(request(platform, tmp_path))
    (kept,) = read(tmp_path / "runs.jsonl").runs
    assert (kept.outcome, kept.job) == ("refused", "job-1")
    assert kept.billed_seconds


@pytest.mark.parametrize(("route", "kept"), [("run", ["refused"]), ("health", [])])
async def test_a_wrong_key_is_no_cold_start(tmp_path: Path, route: str, kept: list[str]) -> None:
    async with scripted(**{route: [gives({}, status=401)]}) as platform:
        with pytest.raises(EndpointAccessDenied):
            await made(request(platform, tmp_path))
    found = read(tmp_path / "runs.jsonl")
    assert [(one.outcome, one.billed_seconds) for one in found.runs] == [(name, 0) for name in kept]
    assert (found.counted, found.half_done) == ([], [])


@pytest.mark.parametrize(
    ("output", "expected", "outcome"),
    [
        ({"text": "Good morning!"}, Expected(kind="any", text="good MORNING"), "ok"),
        ({"text": "Goodbye."}, Expected(kind="any", text="good"), "wrong_answer"),
        ({"deep": [{"text": "it's on"}]}, Expected(kind="any", text="its on"), "ok"),
        ({"text": "good"}, Expected(kind="transcribe"), "wrong_answer"),
        ("text", Expected(kind="diarize"), "wrong_answer"),
        (None, Expected(kind="any"), "result_lost"),
        ({"result_url": "file:///etc/passwd"}, Expected(kind="any"), "wrong_answer"),
        ({"text": "\ud800" * 9}, Expected(kind="transcribe"), "wrong_answer"),
    ],
)
async def test_answers_are_checked(
    tmp_path: Path, output: object, expected: Expected, outcome: str
) -> None:
    async with scripted(status=[says("COMPLETED", output=output, **TIMES)]) as platform:
        found = await made(request(platform, tmp_path, runs=1, expected=expected))
    assert [one.outcome for one in found.runs] == [outcome]


async def test_the_platform_may_have_a_bad_moment(tmp_path: Path) -> None:
    bad = [gives({}, status=502)] * 6  # more than one question is asked again
    async with scripted(status=[*bad, DONE]) as platform:
        found = await made(request(platform, tmp_path, runs=1))
    assert [(one.outcome, one.mishaps) for one in found.runs] == [("ok", ("unreachable",))]


async def test_a_platform_that_goes_silent_may_bill_all_the_same(tmp_path: Path) -> None:
    bad = gives({}, status=502)
    patience = Patience(first_pause=0.01, longest_pause=0.01, attempts=1, outage_seconds=0.05)
    async with scripted(status=[bad]) as platform:
        silent = await made(request(platform, tmp_path, runs=1, patience=patience))
    async with scripted(run=[bad]) as platform:
        asked = request(platform, tmp_path, runs=1, patience=patience, file=tmp_path / "b.jsonl")
        closed = await made(asked)
    assert [one.outcome for one in (*silent.runs, *closed.runs)] == ["unreachable"] * 2
    assert silent.runs[0].billed_seconds
    assert closed.runs[0].billed_seconds == 0


@pytest.mark.parametrize(
    "told", [pytest.param(10**400, id="immense"), 1e13, 1e308, -5000, "soon", True]
)
async def test_times_that_cannot_be_are_none(tmp_path: Path, told: object) -> None:
    start = {"seconds": told, "phases": {"transcriber built": told}}
    output = {"text": "yes", "cold_start": start, "timings": {"diarize": told}}
    answer = says("COMPLETED", output=output, delayTime=told, executionTime=told, workerId="w")
    async with scripted(status=[answer]) as platform:
        found = await made(request(platform, tmp_path, runs=1))
    (kept,) = found.runs
    assert kept.outcome == "ok"
    assert set(kept.parts) <= {"network"}


@pytest.mark.parametrize("end", [DONE, says("IN_PROGRESS")])
async def test_a_long_name_of_a_job_leaves_a_file_that_can_be_read(
    tmp_path: Path, end: Answer
) -> None:
    name = "j" * 500
    async with scripted(run=[accepts(name)], status=[end]) as platform:
        asked = request(platform, tmp_path, runs=1)
        task = asyncio.create_task(made(asked))
        await platform.until_asked("status")
        if end is not DONE:
            task.cancel()
        await asyncio.wait({task})
        cancelled = [one.job for one in platform.to("cancel")]
    (kept,) = read(asked.file).runs
    assert kept.job == name[:200]
    assert cancelled == ([] if end is DONE else [name])


@pytest.mark.parametrize(
    ("field", "value"), [("note", "x" * 1001), ("label", "x" * 201), ("label", "\ud800")]
)
async def test_what_the_file_cannot_keep_is_refused(tmp_path: Path, field: str, value: str) -> None:
    async with scripted() as platform:
        with pytest.raises(ColdJobInvalid, match=f"The {field} cannot be kept"):
            await made(request(platform, tmp_path, **{field: value}))
        assert not platform.asked
    assert not (tmp_path / "runs.jsonl").exists()


def answering(*answers: bool) -> tuple[list[str], Callable[[str], bool]]:
    asked: list[str] = []

    def agreed(question: str) -> bool:
        asked.append(question)
        return answers[len(asked) - 1]

    return asked, agreed


async def test_above_a_stated_amount_somebody_has_to_agree(tmp_path: Path) -> None:
    price = Price(dollars_per_second=0.001, ask_above=0.05)
    async with scripted(status=[DONE]) as platform:
        asked, no, yes = request(platform, tmp_path, price=price), False, True
        questions, agreed = answering(no, yes)
        with pytest.raises(ColdCostDeclined, match=r"up to \$0.07"):
            await run(asked, agreed=agreed, tell=lambda _: None, told=lambda _: None)
        assert not platform.to("run")
        await run(asked, agreed=agreed, tell=lambda _: None, told=lambda _: None)
    assert questions == [questions[0]] * 2
    assert "2 runs cost up to $0.07 ($3.60 an hour: as given)." in questions[0]
    assert len(read(asked.file).good) == 2


async def test_a_bound_stops_before_it_may_be_passed(tmp_path: Path) -> None:
    # a run may take 36 s, and takes 7
    price = Price(dollars_per_second=0.01, at_most=0.50, ask_above=1.0)
    async with scripted(status=[DONE]) as platform:
        asked = request(platform, tmp_path, price=price, runs=9)
        ending = await run(asked, agreed=lambda _: False, tell=lambda _: None, told=lambda _: None)
    assert ending == "budget"
    assert len(read(asked.file).runs) == 3


async def test_warm_runs_use_up_what_was_agreed_to(tmp_path: Path) -> None:
    # a run may take 36 s, and a warm one is billed for 26: a third may pass the 72 of two runs
    old = {"seconds": 100.0, "phases": {}}
    warm = says(
        "COMPLETED", output={"cold_start": old}, delayTime=20_000, executionTime=500, workerId="w"
    )
    price = Price(dollars_per_second=0.01)
    async with scripted(status=[warm, warm, DONE]) as platform:
        asked = request(platform, tmp_path, price=price)
        ending = await run(asked, agreed=lambda _: False, tell=lambda _: None, told=lambda _: None)
    assert ending == "budget"
    assert [one.outcome for one in read(asked.file).runs] == ["warm", "warm"]


def test_runs_that_all_last_until_their_deadline_are_what_was_agreed_to() -> None:
    budget = Budget(dollars_per_second=0.00019, source="as given", within=30.0, idle_seconds=5.0)
    late = Run(number=1, outcome="timed_out", seconds=30.02)  # seen a moment after it
    runs = [late.model_copy(update={"billed_seconds": billed(late, idle=5.0)})] * 40
    agreed = replace(budget, at_most=budget.bound(40))
    assert all(agreed.allows(runs[:done]) for done in range(40))
    assert not agreed.allows(runs)


def test_what_is_not_known_is_taken_for_billed() -> None:
    budget = Budget(
        dollars_per_second=0.01, source="as given", within=30.0, idle_seconds=5.0, at_most=1.0
    )
    killed = Run(number=1, outcome="interrupted")
    known = Run(number=2, outcome="ok", seconds=9.0, billed_seconds=14.0)
    assert budget.spent([killed, known]) == pytest.approx(0.50)
    assert budget.allows([killed, known])
    assert not budget.allows([killed, killed])


@pytest.mark.parametrize(
    ("outcome", "job", "seconds"),
    [
        ("unreachable", None, 0.0),
        ("unreachable", "j", 15.0),
        ("refused", None, 0.0),
        ("refused", "j", 15.0),
        ("no_worker", "j", 0.0),
        ("no_capacity", "j", 0.0),
        ("never_ready", "j", 15.0),
        ("interrupted", None, 15.0),
    ],
)
def test_only_what_no_worker_did_is_free(outcome: Outcome, job: str | None, seconds: float) -> None:
    tried = Run(number=1, outcome=outcome, seconds=10.0, job=job)
    assert billed(tried, idle=5.0) == seconds


async def test_a_bound_needs_a_price(tmp_path: Path) -> None:
    async with scripted() as platform:
        price = Price(at_most=5.0)
        asked = request(platform, tmp_path, base_url="https://api.example/v2", price=price)
        with pytest.raises(ColdCostUnknown, match="--at-most needs a price"):
            await run(asked, agreed=lambda _: True, tell=lambda _: None, told=lambda _: None)


async def test_without_a_price_somebody_has_to_agree(tmp_path: Path) -> None:
    def asked(platform: Platform, pools: Sequence[str]) -> Request:
        price = Price(pools=pools)
        return request(platform, tmp_path, base_url="https://api.example/v2", price=price)

    async with scripted() as platform:
        unpriced = asked(platform, [])
        assert budget_of(unpriced) is None
        with pytest.raises(ColdCostUnknown, match="neither a pool nor a price"):
            await run(unpriced, agreed=lambda _: False, tell=lambda _: None, told=lambda _: None)
        two = budget_of(asked(platform, ["AMPERE_24", "AMPERE_48"]))
        assert two
        assert two.dollars_per_second == pytest.approx(0.00019 + 0.00034)
        with pytest.raises(ColdCostUnknown, match="NO_SUCH_POOL"):
            budget_of(asked(platform, ["NO_SUCH_POOL"]))
        here = budget_of(request(platform, tmp_path))
        assert here
        assert here.dollars_per_second == 0


def test_the_job_is_made_of_what_is_given(tmp_path: Path) -> None:
    audio, raw = tmp_path / "talk.wav", tmp_path / "job.json"
    audio.write_bytes(b"sound")
    raw.write_text('{"say": "hello"}')
    assert job_of("transcribe", audio=audio) == {"audio_base64": "c291bmQ=", "task": "transcribe"}
    address = "https://host.example/talk.wav"
    assert job_of("any", audio=address) == {"audio_url": address}
    assert job_of("any", raw=raw) == {"say": "hello"}
    raw.write_text("[]")
    audio.write_bytes(b"x" * 8_000_000)
    for wrong in ({"raw": raw}, {"audio": audio}, {"audio": tmp_path / "none"}):
        with pytest.raises(ColdJobInvalid):
            job_of("any", **wrong)


async def test_the_platform_took_the_job_and_forgot_it(tmp_path: Path) -> None:
    gone = gives({"error": "no such job"}, status=404)
    async with scripted(run=[accepts()], status=[gone]) as platform:
        asked = request(platform, tmp_path, runs=1, within=60.0)
        found = await made(asked)
        assert not platform.to("cancel")
    assert [one.outcome for one in found.runs] == ["forgotten"]
