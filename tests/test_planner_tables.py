"""Every figure of the tables that this project began with, computed from what they are made of."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.prices import PriceList
from planner.errors import TablesInvalid
from planner.money.table_inputs import INPUTS, Inputs, Range
from planner.money.tables import Row, main, shown, tables


@cache
def rows() -> dict[tuple[str, str], Row]:
    """Every row, by the titles of its table and its own."""
    found = tables(Inputs.read(), PriceList.read())
    return {(table.title, row.name): row for table in found for row in table.rows}


def row(title: str, name: str) -> Row:
    (found,) = (row for (its, own), row in rows().items() if its.startswith(title) and own == name)
    return found


def two_figures(number: float) -> float:
    """As the documents round."""
    return float(f"{number:.1e}")


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("diarization, one request", 0.0017, 0.0027),
        ("transcription, one request", 0.0010, 0.0017),
        ("orchestrator, one request", 0.0001, 0.0001),
        ("single, one request", 0.0027, 0.0044),
        ("split, one request", 0.0027, 0.0044),
        ("orch, one request", 0.0028, 0.0045),
    ],
)
def test_a_request_costs_what_the_documents_say(name: str, low: float, high: float) -> None:
    found = row("A request of 120 s", name).documents
    assert (two_figures(found.low), two_figures(found.high)) == (low, high)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        *((f"{shape}, 100 requests", 0.27, 0.44) for shape in ("single", "split")),
        *((f"{shape}, 1,000 requests", 2.7, 4.4) for shape in ("single", "split")),
        *((f"{shape}, 10,000 requests", 27, 44) for shape in ("single", "split")),
        ("orch, 100 requests", 0.28, 0.45),
        ("orch, 1,000 requests", 2.8, 4.5),
        ("orch, 10,000 requests", 28, 45),
    ],
)
def test_a_month_costs_what_the_documents_say(name: str, low: float, high: float) -> None:
    found = row("A month", name).documents
    assert (two_figures(found.low), two_figures(found.high)) == (low, high)


def test_one_after_the_other_costs_the_same_and_is_half_as_slow_again() -> None:
    title = "Split"
    assert row(title, "slower, by their 50 %").documents == Range.of(50.0)
    at_ends = row(title, "slower, at either end of their ranges").documents
    assert (at_ends.low, at_ends.high) == pytest.approx((60.0, 62.5))
    either = row(title, "GPU dollars, either way").documents
    assert either.low == pytest.approx(row("A request", "split, one request").documents.low)
    assert either.high == pytest.approx(row("A request", "split, one request").documents.high)


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        ("24/7", 216),
        ("10:00-02:00 UTC", 144),
        ("14:00-02:00 UTC", 108),
        ("17:00-23:00 UTC", 54),
    ],
)
def test_a_fixed_schedule_costs_what_the_documents_say(name: str, dollars: float) -> None:
    assert row("Fixed schedules", name).documents.low == pytest.approx(dollars)
    assert row("Fixed schedules", name).documents.high == pytest.approx(dollars)


def test_a_reactive_pool_costs_what_the_documents_say() -> None:
    title = "Reactive pool"
    assert row(title, "hours").documents == Range.of(40.0)
    assert row(title, "warm").documents.low == pytest.approx(12)
    assert row(title, "cold starts").documents.low == pytest.approx(6)
    whole = row(title, "all").documents
    assert (round(whole.low), round(whole.high)) == (18, 25)


def test_a_volume_and_a_baked_image_cost_what_the_documents_say() -> None:
    title = "Weights, 10 restarts"
    assert row(title, "baked, minutes").documents == Range.of(147)
    assert row(title, "volume, minutes").documents == Range.of(37)
    assert round(row(title, "baked").documents.low, 2) == 1.76
    assert round(row(title, "volume").documents.low, 2) == 5.06


@pytest.mark.parametrize(
    ("title", "name", "low", "high"),
    [
        # (start + 8 to 13 s of work + 5 s idle) of one worker at $0.00034 a second
        ("A request", "single, one request", 43 * 0.00034, 78 * 0.00034),
        # two workers: 5 to 10 s of start and 5 s idle each, 8 to 13 s of work together
        ("A request", "split, one request", 28 * 0.00034, 43 * 0.00034),
        # and a CPU worker: start, the slower engine with its start, 5 s idle
        (
            "A request",
            "orch, one request",
            28 * 0.00034 + 18.4 * 0.0001,
            43 * 0.00034 + 32.5 * 0.0001,
        ),
        ("A month", "single, 100 requests", 4300 * 0.00034, 7800 * 0.00034),
        ("Fixed schedules", "24/7", 720 * 0.684, 720 * 0.684),
        ("Fixed schedules", "17:00-23:00 UTC", 30 * 21_665 * 0.00019, 30 * 21_665 * 0.00019),
        ("Reactive pool", "warm", 40 * 0.684, 40 * 0.684),
        ("Reactive pool", "cold starts", 120 * 30 * 0.00019, 120 * 60 * 0.00019),
        # container, load and idle: 95 s of each of ten starts
        ("Weights", "baked", 950 * 0.00019, 950 * 0.00019),
        # 10 s more of each, 600 s of one, and 25 GB
        ("Weights", "volume", 1650 * 0.00019 + 1.75, 1650 * 0.00019 + 1.75),
    ],
)
def test_by_runpods_rules_it_is_this(title: str, name: str, low: float, high: float) -> None:
    found = row(title, name).runpod
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high))


def test_every_difference_is_explained_in_a_line() -> None:
    differing = [
        one for one in rows().values() if one.runpod is not None and one.runpod != one.documents
    ]
    assert differing
    assert all(one.why and "\n" not in one.why for one in differing)


def test_the_command_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    told = capsys.readouterr().out
    for figure in ("$216.00", "$54.00", "$1.76", "$5.06", "147 min", "$0.0017-0.0027", "50 %"):
        assert figure in told


def without(key: str) -> Callable[[str], str]:
    return lambda text: "\n".join(
        line for line in text.splitlines() if not line.startswith(f"{key} ")
    )


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (without("audio_seconds"), "requests.audio_seconds: Field required"),
        (lambda text: text.replace("[5, 8]", "[8, 5]"), "diarization_seconds"),
        (lambda text: text.replace("[5, 8]", "[5, nan]"), "diarization_seconds"),
        (lambda text: text.replace("[5, 8]", "[0, 8]"), "diarization_seconds"),
        (lambda text: text.replace("restarts = 10", "restarts = 0"), "weights.restarts"),
        (lambda text: f"more = 1\n{text}", "more: Extra inputs"),
        (lambda text: text.replace("[requests]", "[requests"), "cannot be used"),
        (lambda text: text.replace("names = [", "names = [[], "), "schedules.names"),
        (lambda text: text.replace("hours = [24, ", "hours = ["), "as many names as hours"),
        (lambda text: text.replace("AMPERE_48", "MOON_1"), "No price of the pool MOON_1"),
    ],
)
def test_inputs_that_cannot_be_are_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[str], str],
    told: str,
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(spoil(INPUTS.read_text()))
    assert main([str(path)]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TablesInvalid, match=r"none\.toml"):
        Inputs.read(tmp_path / "none.toml")


ranges = st.builds(
    lambda low, more: Range(low, low + more),
    st.floats(0, 1e6, allow_nan=False),
    st.floats(0, 1e6, allow_nan=False),
)


@given(ranges, ranges, st.floats(0, 1e3))
def test_ranges_stay_in_order(one: Range, other: Range, factor: float) -> None:
    for found in (one + other, one * factor):
        assert 0 <= found.low <= found.high


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (Range(0.00172, 0.00268), "$", "$0.0017-0.0027"),
        (Range(18, 25.2), "$", "$18.00-25.20"),
        (Range.of(1234.5), "$", "$1,234.50"),
        (Range.of(147), "min", "147 min"),
        (Range(60, 62.5), "%", "60-62.5 %"),
    ],
)
def test_figures_are_shown_with_the_digits_that_matter(value: Range, unit: str, told: str) -> None:
    assert shown(value, unit) == told
