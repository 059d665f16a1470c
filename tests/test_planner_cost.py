"""Sums of what was spent: out of replies, out of RunPod's records, beside a plan."""

import io
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from handlers.replies import Reply, Usage
from handlers.timeline import AudioFacts, Spent
from planner.errors import AccountAnswerInvalid, CostFileInvalid, CostFileUnusable
from planner.money.bills import read_bills
from planner.money.cost import Part, compare, summarise
from planner.money.cost_files import read_files, read_plan
from planner.money.cost_report import Spending, dollars, show
from planner.money.management import Account, Management
from tests.accounts import account
from tests.test_management_billing import worked
from tests.test_planner_catalog import answering

MONDAY, TUESDAY = date(2026, 11, 16), date(2026, 11, 17)
PRICE = 0.0002


def spent(seconds: float, *, price: float | None = PRICE, endpoint: str | None = None) -> Spent:
    return Spent(
        worker_seconds=seconds,
        dollars_per_second=price,
        cost_dollars=None if price is None else price * seconds,
        cost_basis="as tests have it",
        endpoint=endpoint,
    )


def reply(
    workers: Mapping[str, Spent],
    *,
    day: date = MONDAY,
    audio: float = 60.0,
    timings: Mapping[str, float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A reply as an endpoint gives it."""
    usage = Usage(
        audio_seconds=audio,
        processing_seconds=5.0,
        finished=datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC),
    )
    body = Reply(
        text="",
        language=None,
        segments=(),
        speakers=(),
        turns=(),
        formats={},
        audio=AudioFacts(audio, "0" * 64, 10, "wav", "pcm_s16le", 16000, 1),
        models={},
        timings=dict(timings or {}),
        usage=usage.charged(workers),
        warnings=(),
    ).body()
    return {**body, **more}


SINGLE = reply({"single": spent(10.0, endpoint="abc")}, cold_start={"seconds": 20.0})
SPLIT = reply(
    {"transcription": spent(4.0), "diarization": spent(6.0)},
    day=TUESDAY,
    timings={"transcribe.cold_start": 5.0, "diarize.delay": 1.0},
)
ORCH = reply(
    {
        "transcription": spent(4.0),
        "diarization": spent(6.0),
        "orchestrator": spent(0.5, price=None),
    },
    cold_start={"seconds": 3.0},
)


def written(folder: Path, name: str, *values: Any) -> Path:
    path = folder / name
    path.write_text("\n".join(json.dumps(value) for value in values))
    return path


def parts_of(tmp_path: Path, *values: Any) -> list[Part]:
    return read_files([written(tmp_path, "replies.jsonl", *values)]).parts


def test_a_reply_that_transcribe_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    path.write_text(json.dumps(SINGLE, indent=2))
    (part,) = read_files([path]).parts
    assert part == Part(
        day=MONDAY,
        endpoint="single (abc)",
        shape="single",
        request=0,
        audio_seconds=60.0,
        worker_seconds=10.0,
        dollars=0.002,
        start_seconds=20.0,
        start_dollars=20.0 * PRICE,
    )


def test_jobs_lists_and_lines_hold_replies_too(tmp_path: Path) -> None:
    job = {"id": "a", "status": "COMPLETED", "output": SINGLE}
    paths = [
        written(tmp_path, "lines.txt", SINGLE, SPLIT),
        written(tmp_path, "one.json", job),
        written(tmp_path, "list.json", [SINGLE, job]),
    ]
    found = read_files(paths).parts
    assert len(found) == 1 + 2 + 1 + 2
    assert {part.request for part in found} == set(range(5))


def test_sums_are_by_day_endpoint_and_shape(tmp_path: Path) -> None:
    summary = summarise(parts_of(tmp_path, SINGLE, SPLIT, SINGLE, ORCH))
    assert {key: round(line.dollars, 6) for key, line in summary.lines.items()} == {
        ("2026-11-16", "diarization", "orch"): 0.0012,
        ("2026-11-16", "orchestrator", "orch"): 0.0,
        ("2026-11-16", "single (abc)", "single"): 0.004,
        ("2026-11-16", "transcription", "orch"): 0.0008,
        ("2026-11-17", "diarization", "split"): 0.0012,
        ("2026-11-17", "transcription", "split"): 0.0008,
    }
    total = summary.total
    assert total.requests == 4
    assert total.audio_seconds == 240.0
    assert total.cold_starts == 4
    assert total.start_dollars == pytest.approx((20 + 5 + 20) * PRICE)
    assert total.unpriced_seconds == pytest.approx(0.5 + 3.0)


def test_a_price_that_lacks_leaves_no_cost_of_an_hour(tmp_path: Path) -> None:
    lines = summarise(parts_of(tmp_path, SPLIT, ORCH), by=["shape"]).lines
    assert lines["orch",].per_audio_hour is lines["orch",].per_month is None
    assert lines["split",].per_audio_hour == pytest.approx((10 + 5) * PRICE * 60)


def test_what_an_older_worker_says_counts_without_a_price(tmp_path: Path) -> None:
    old = {**SINGLE, "usage": {"audio_seconds": 60.0, "processing_seconds": 5.0}}
    (part,) = parts_of(tmp_path, old)
    assert (part.day, part.shape, part.dollars, part.worker_seconds) == (None, "unknown", None, 5.0)
    summary = summarise([part])
    assert list(summary.lines) == [("unknown", "unknown", "unknown")]
    assert summary.total.per_month is None


def test_days_are_those_of_utc(tmp_path: Path) -> None:
    late = datetime(2026, 11, 16, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    usage = {**SINGLE["usage"], "finished": late.isoformat()}
    (part,) = parts_of(tmp_path, {**SINGLE, "usage": usage})
    assert part.day == TUESDAY


@pytest.mark.parametrize(
    ("name", "text", "line", "why"),
    [
        ("a.jsonl", '{"usage": 1}\n', 1, "usage"),
        ("a.jsonl", f"{json.dumps(SINGLE)}\n\n{{broken\n", 3, "no JSON"),
        ("a.jsonl", f"{json.dumps(SINGLE)}\n[1]\n", 2, "no JSON object"),
        ("a.json", '{\n "usage": {\n  oops', 3, "no JSON"),
        ("a.json", '{\n "transcript": 1\n}', 1, "usage: Field required"),
        ("a.json", '{"output": {"result_url": "https://x"}}', 1, "a link stands for the reply"),
        ("a.json", '{"records": 1}', 1, "no list"),
        ("a.json", '{"records": [{"totalAmount": 1}]}', 1, "startTime"),
        ("a.json", "", 1, "no JSON"),
        ("a.json", "[" * 100_000, 1, "nested too deeply"),
        ("a.jsonl", json.dumps(SINGLE).replace("60.0", "-60"), 1, "usage.audio_seconds"),
        ("a.jsonl", json.dumps(SINGLE).replace("60.0", "NaN"), 1, "usage.audio_seconds"),
        ("a.jsonl", json.dumps(SINGLE).replace("23:30", "25:30"), 1, "usage.finished"),
        ("a.jsonl", json.dumps(SINGLE).replace("60.0", "1e308"), 1, "usage.audio_seconds"),
        ("a.json", json.dumps({"output": {"words": [], "usage": {}}}), 1, "half of an answer"),
        ("a.json", json.dumps({"output": {"exclusive": [], "usage": {}}}), 1, "half of an answer"),
        (
            "a.json",
            json.dumps({"usage": {**SINGLE["usage"], "finished": "0001-01-01T00:00:00+14:00"}}),
            1,
            "no day that can be meant",
        ),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(
    tmp_path: Path, name: str, text: str, line: int, why: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CostFileInvalid) as caught:
        read_files([path])
    assert str(caught.value).startswith(f"{path} does not hold replies")
    ((found, told),) = caught.value.problems
    assert found == line
    assert why in told


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CostFileInvalid, match="line 1"):
        read_files([path])


def test_all_bad_lines_are_named_and_the_rest_is_used_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(["{", json.dumps(SINGLE)] * 30))
    with pytest.raises(CostFileInvalid, match="and 10 more") as caught:
        read_files([path])
    assert [line for line, _ in caught.value.problems] == list(range(1, 60, 2))
    found = read_files([path], skip_bad=True)
    assert len(found.parts) == len(found.skipped) == 30
    assert found.skipped[0].startswith(f"{path}, line 1: no JSON")


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(CostFileUnusable, match=path.name):
            read_files([path])


def test_saved_records_of_billing_are_read(tmp_path: Path) -> None:
    record = {
        "startTime": "2026-06-01T00:00:00Z",
        "endTime": "2026-06-02T00:00:00Z",
        "serverlessId": "4m7x2k9q",
        "totalAmount": 8.9,
        "gpuAmount": 7.5,
        "cpuAmount": 0,
        "diskAmount": 0.4,
        "feeAmount": 1.0,
    }
    (bill,) = read_files([written(tmp_path, "bill.json", {"records": [record]})]).bills
    part = bill.part(names={"4m7x2k9q": "parley-single"}, shapes={"4m7x2k9q": "single"})
    assert part == Part(
        day=date(2026, 6, 1), endpoint="parley-single (4m7x2k9q)", shape="single", dollars=8.9
    )


async def test_runpods_records_are_read_with_names_and_shapes(tmp_path: Path) -> None:
    async with account(tmp_path) as runpod, aiohttp.ClientSession() as session:
        endpoint = await worked(runpod, env={"PARLEY_DEPLOYMENT": "split"})
        whom = Account.read(
            {"RUNPOD_API_KEY": "local", "RUNPOD_API_BASE": runpod.url}, what="records"
        )
        management = Management(whom, session=session)
        (part,) = await read_bills(management, days=2)
        assert await read_bills(management, days=2, endpoint="another") == []
    assert part.endpoint == f"echo ({endpoint['id']})"
    assert part.shape == "split"
    assert part.dollars is not None
    assert part.dollars >= 1.12 / 3600


@pytest.mark.parametrize("answer", [{}, {"records": 1}, {"records": [{}]}])
async def test_what_is_no_bill_is_refused(answer: Any) -> None:
    async with answering(answer) as management:
        with pytest.raises(AccountAnswerInvalid, match="records of billing"):
            await read_bills(management, days=1)


PLAN = {
    "options": [
        {"name": "single, idle 5 s", "shape": "single", "cost_per_month": 0.1},
        {
            "name": "split, idle 5 s",
            "shape": "split",
            "cost_per_month": 0.05,
            "cost_per_audio_hour": 0.2,
        },
        {"name": "orch, idle 5 s", "shape": "orch", "cost_per_month": 1.0},
    ],
    "recommended": "split, idle 5 s",
    "words": [],
}


def test_a_plan_is_held_against_its_own_shape(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path, "plan.json", PLAN))
    parts = parts_of(tmp_path, SINGLE, SPLIT)
    compared = compare(summarise(parts, by=["shape"]), plan)
    assert [one.option.name for one in compared] == ["single, idle 5 s", "split, idle 5 s"]
    single, split = compared
    assert single.per_month == pytest.approx(30 * (10 + 20) * PRICE)
    assert single.over == pytest.approx(30 * 30 * PRICE / 0.1 - 1)
    assert split.option.is_recommended
    assert split.per_audio_hour == pytest.approx(15 * PRICE * 60)


def test_a_recommended_shape_that_was_not_used_is_held_against_all(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path, "plan.json", PLAN))
    compared = compare(summarise(parts_of(tmp_path, SINGLE), by=["shape"]), plan)
    assert [one.option.shape for one in compared] == ["single", "split"]


@pytest.mark.parametrize(
    ("text", "line"),
    [("{}", 1), ('{"options": []}', 1), ("{\n\n oops", 3), ('{"options": [{"name": 1}]}', 1)],
)
def test_what_is_no_plan_is_named(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(CostFileInvalid, match="parley plan --json") as caught:
        read_plan(path)
    assert caught.value.problems[0][0] == line


def test_a_month_is_thirty_days_like_those_that_were_seen() -> None:
    days = [MONDAY, MONDAY + timedelta(days=2)]  # nothing on Tuesday
    parts = [Part(day=day, endpoint="a", shape="single", dollars=3.0) for day in days]
    assert summarise(parts).total.per_month == pytest.approx(30 * 6.0 / 3)


amounts = st.floats(0, 1e6, allow_nan=False)
some_parts = st.lists(
    st.builds(
        Part,
        day=st.sampled_from([None, MONDAY, TUESDAY]),
        endpoint=st.sampled_from("abc"),
        shape=st.sampled_from(["single", "split"]),
        request=st.integers(0, 5),
        audio_seconds=st.just(60.0),
        worker_seconds=amounts,
        dollars=st.none() | amounts,
        start_seconds=amounts,
        start_dollars=st.none() | amounts,
    )
)


@given(some_parts, st.lists(st.sampled_from(["day", "endpoint", "shape"]), unique=True))
def test_lines_add_up_to_the_total(parts: list[Part], by: list[Any]) -> None:
    summary = summarise(parts, by=by)
    for name in ("worker_seconds", "dollars", "start_dollars", "unpriced_seconds", "cold_starts"):
        together = sum(getattr(line, name) for line in summary.lines.values())
        assert together == pytest.approx(getattr(summary.total, name))
    assert summary.total.requests == len({part.request for part in parts})
    assert summary.total.audio_seconds == 60.0 * summary.total.requests
    assert summary.total.all_dollars >= 0


@pytest.mark.parametrize("width", [80, 120])
def test_no_sum_is_cut_off_on_a_screen(tmp_path: Path, width: int) -> None:
    written = io.StringIO()
    summary = summarise(parts_of(tmp_path, SINGLE))
    show(Spending(replies=summary), Console(file=written, width=width))
    assert "…" not in written.getvalue()
    assert dollars(summary.total.all_dollars) in written.getvalue()
