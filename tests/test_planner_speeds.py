"""How long work and starts take: from files, and from a user's own replies."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.cold_start import ColdStart
from handlers.replies import DiarizationReply, Reply, TranscriptionReply, Usage
from handlers.timeline import AudioFacts
from planner.errors import RepliesTooFew, RepliesUnreadable, SpeedsInvalid, SpeedsUnknown
from planner.options.fitting import fit
from planner.options.own_replies import NEEDED, Measured, read_replies
from planner.options.speeds import FILE, ROLES, read_speeds

DAY = date(2026, 11, 21)
BASE = read_speeds("documents")
LENGTHS = (30.0, 60.0, 90.0, 120.0, 240.0, 600.0)


@pytest.mark.parametrize(
    ("name", "bases"), [("documents", {"claimed"}), ("l4", {"claimed"}), ("cpu", {"measured"})]
)
def test_every_set_says_what_it_rests_on(name: str, bases: set[str]) -> None:
    speeds = read_speeds(name)
    assert speeds.bases == bases
    assert set(speeds.roles) == set(ROLES)
    assert all(speed.work.source and speed.work.day for speed in speeds.roles.values())


def test_a_figure_of_two_numbers_is_computed_with_in_the_middle() -> None:
    start = BASE.roles["single"].starts["cached"]
    assert (start.low, start.middle, start.high) == (10, 15, 20)
    assert str(start) == "15 (10 to 20)"
    slow = BASE.at("high")
    assert slow.roles["single"].starts["cached"].middle == 20
    assert slow.roles["single"].per_audio_second.middle == 0.1083
    assert slow.flashboot is not None
    assert slow.flashboot.seconds.middle == 2.3


def written(folder: Path, *, replacing: str, by: str) -> str:
    text = FILE.read_text().replace(replacing, by, 1)
    path = folder / "speeds.toml"
    path.write_text(text)
    return str(path)


def test_a_users_own_file_is_read_like_parleys(tmp_path: Path) -> None:
    path = written(
        tmp_path, replacing="per_audio_second = [0.0667, 0.1083]", by="per_audio_second = 0.01"
    )
    assert read_speeds(path).roles["single"].per_audio_second.middle == 0.01


@pytest.mark.parametrize(
    ("replacing", "by", "named"),
    [
        ("cached = [10, 20]", "cached = [20, 10]", "documents.single.start.cached: write a number"),
        ("cached = [10, 20]", "cached = -1", "documents.single.start.cached"),
        ("cached = [10, 20]", "cached = nan", "documents.single.start.cached"),
        ("cached = [10, 20]", "cached = 'soon'", "documents.single.start.cached"),
        ("fixed = 0", "fixed = true", "documents.single.fixed"),
        ("at_once = 1", "at_once = 0", "documents.single.at_once"),
        (
            "[documents.diarization]",
            "[documents.speakers]",
            "documents.diarization: Field required",
        ),
        ('basis = "claimed"', 'basis = "felt"', "documents.flashboot.basis"),
        ("date = 2026-11-20", "date = 'today'", "documents.date"),
    ],
)
def test_what_cannot_be_is_named_by_its_key(
    tmp_path: Path, replacing: str, by: str, named: str
) -> None:
    with pytest.raises(SpeedsInvalid) as caught:
        read_speeds(written(tmp_path, replacing=replacing, by=by))
    assert any(problem.startswith(named) for problem in caught.value.problems), caught.value
    assert caught.value.status == 2


@pytest.mark.parametrize("text", ["", "documents = 3", "[[", "\x00", "x = 1979-13-01"])
def test_a_file_that_is_none_of_speeds_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "speeds.toml"
    path.write_text(text)
    with pytest.raises(SpeedsInvalid, match="cannot be used; correct"):
        read_speeds(str(path))


def test_an_unknown_set_names_those_that_there_are() -> None:
    with pytest.raises(SpeedsUnknown, match=r"fast is neither .* documents, l4, cpu"):
        read_speeds("fast")


points = st.lists(st.floats(1, 7200), min_size=10, max_size=60, unique_by=round)


@given(points, st.floats(0, 20), st.floats(0.001, 2), st.data())
def test_a_line_is_found_though_a_fifth_of_the_points_are_wrong(
    audio: list[float], fixed: float, slope: float, data: st.DataObject
) -> None:
    x = np.array(audio)
    y = fixed + slope * x
    wrong = data.draw(st.sets(st.integers(0, len(x) - 1), max_size=len(x) // 5))
    for place in wrong:
        y[place] = y[place] * 2 + 30
    line = fit(x, y)
    assert line.slope == pytest.approx(slope, rel=0.02)
    assert line.fixed == pytest.approx(fixed, abs=0.02 * (fixed + slope * np.median(x)))
    assert line.kept + line.left_out == len(x)
    assert line.left_out >= len(wrong)


@given(st.lists(st.tuples(st.floats(0.1, 1e5), st.floats(0, 1e5)), min_size=1, max_size=50))
def test_neither_part_of_a_line_is_ever_below_0(found: list[tuple[float, float]]) -> None:
    audio, seconds = (np.array(column) for column in zip(*found, strict=True))
    line = fit(audio, seconds)
    assert line.fixed >= 0
    assert line.slope >= 0
    assert line.kept >= 1


def test_recordings_of_one_length_tell_no_fixed_part() -> None:
    line = fit(np.full(8, 60.0), np.full(8, 6.0))
    assert line.fixed == 0
    assert line.slope == pytest.approx(0.1)


def facts(seconds: float) -> dict[str, Any]:
    return {
        "audio": AudioFacts(seconds, "0" * 64, 10, "wav", "pcm_s16le", 16000, 1),
        "usage": Usage(audio_seconds=seconds, processing_seconds=1.0),
        "warnings": (),
    }


def whole(seconds: float, timings: dict[str, float], start: float | None = None) -> dict[str, Any]:
    """What an endpoint says that answers whole jobs."""
    return Reply(
        text="",
        language=None,
        segments=(),
        speakers=(),
        turns=(),
        formats={},
        models={},
        timings=timings,
        cold_start=ColdStart(start, {"interpreter": 0.2}) if start else None,
        **facts(seconds),
    ).body()


def of_single(seconds: float) -> dict[str, Any]:
    timings = {"transcribe": 0.02 * seconds, "diarize": 0.05 * seconds}
    return whole(seconds, timings | {"total": 1 + 0.06 * seconds}, start=9.0)


def of_orch(seconds: float) -> dict[str, Any]:
    return whole(
        seconds,
        {
            "transcribe.total": 0.5 + 0.02 * seconds,
            "transcribe.cold_start": 6.0,
            "diarize.total": 0.05 * seconds,
            "total": 1 + 0.05 * seconds,
        },
    )


def of_transcription(seconds: float) -> dict[str, Any]:
    return TranscriptionReply(
        words=(), language=None, model=None, timings={"total": 0.03 * seconds}, **facts(seconds)
    ).body()


def of_diarization(seconds: float) -> dict[str, Any]:
    return DiarizationReply(
        turns=(), exclusive=(), embeddings={}, model=None, timings={"total": 0.07 * seconds},
        **facts(seconds),
    ).body()  # fmt: skip


def read(folder: Path, *kinds: Callable[[float], dict[str, Any]]) -> Measured:
    """Write a reply of each kind and length, every other one as /status says it, and read them."""
    for kind in kinds:
        for number, seconds in enumerate(LENGTHS):
            body = kind(seconds)
            status = {"id": "x", "status": "COMPLETED", "output": body}
            path = folder / f"{kind.__name__}-{number}.json"
            path.write_text(json.dumps(status if number % 2 else body))
    return read_replies(folder, base=BASE, day=DAY)


def test_replies_of_single_measure_it_and_both_engines_beside_each_other(tmp_path: Path) -> None:
    roles = read(tmp_path, of_single).speeds.roles
    assert roles["single"].fixed.middle == pytest.approx(1)
    assert roles["single"].per_audio_second.middle == pytest.approx(0.06)
    assert roles["single"].starts["cached"].middle == 9
    assert roles["single"].work.basis == roles["single"].start.basis == "measured"
    assert roles["diarization"].per_audio_second.middle == pytest.approx(0.05)
    assert "beside" in roles["diarization"].work.source
    assert roles["diarization"].start.basis == "claimed"  # no reply told
    assert roles["orchestrator"] == BASE.roles["orchestrator"]


def test_what_usage_says_of_workers_goes_before_the_clock(tmp_path: Path) -> None:
    def shared(seconds: float) -> dict[str, Any]:
        body = of_single(seconds)
        spent = {"worker_seconds": 0.03 * seconds, "dollars_per_second": 0.00019}
        body["usage"]["workers"] = {"single": spent}
        return body

    found = read(tmp_path, shared)
    assert found.speeds.roles["single"].per_audio_second.middle == pytest.approx(0.03)
    assert found.dollars_per_second == 0.00019


def test_replies_of_an_orchestrator_measure_the_endpoints_behind_it(tmp_path: Path) -> None:
    roles = read(tmp_path, of_orch).speeds.roles
    assert roles["transcription"].fixed.middle == pytest.approx(0.5)
    assert roles["transcription"].starts["cached"].middle == 6
    assert roles["diarization"].per_audio_second.middle == pytest.approx(0.05)
    assert roles["diarization"].start.basis == "claimed"
    assert roles["single"].per_audio_second.middle == pytest.approx(0.07)  # the sum
    assert roles["single"].work.basis == "assumed"


def test_replies_of_both_gpu_endpoints_measure_each(tmp_path: Path) -> None:
    roles = read(tmp_path, of_transcription, of_diarization).speeds.roles
    assert roles["transcription"].per_audio_second.middle == pytest.approx(0.03)
    assert roles["diarization"].per_audio_second.middle == pytest.approx(0.07)


def test_too_few_replies_are_counted_by_role(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(of_transcription(60)))
    with pytest.raises(RepliesTooFew, match=f"transcription 1, and {NEEDED} of a role") as caught:
        read_replies(tmp_path, base=BASE, day=DAY)
    assert caught.value.counts == {"transcription": 1}


@pytest.mark.parametrize(
    "text",
    [
        "", "[", "[]", "null", "3", '"reply"', "{}", '{"output": null}', '{"output": {"audio": 3}}',
        '{"audio": {"seconds": "long"}, "timings": {"total": 1}, "words": []}',
        '{"audio": {"seconds": 60}, "timings": {"total": NaN}, "segments": []}',
        '{"audio": {"seconds": 60}, "timings": {"total": -1}, "segments": []}',
        '{"audio": {"seconds": 60}, "timings": {"total": 1}, "segments": [], "cold_start": 3}',
        '{"audio": {"seconds": true}, "timings": {"total": 1}, "turns": []}',
        '{"audio": {"seconds": 60}, "timings": {"total": 1%s}, "segments": []}' % ("0" * 400),
        "[" * 100_000,
    ],
)  # fmt: skip
def test_files_that_are_no_replies_are_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RepliesUnreadable, match="no reply with its timings"):
        read_replies(tmp_path, base=BASE, day=DAY)
    assert read(tmp_path, of_single).speeds.roles["single"].fixed.middle == pytest.approx(1)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RepliesUnreadable, match="is no folder"):
        read_replies(tmp_path / "none", base=BASE, day=DAY)
