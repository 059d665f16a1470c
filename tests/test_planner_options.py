"""What can be chosen, within an account's workers."""

from collections.abc import Sequence
from datetime import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.manifest import WarmTable, WorkersTable
from planner.errors import QuotaTooSmall
from planner.options.speeds import read_speeds
from planner.options.strategies import (
    SHAPES,
    Option,
    Strategy,
    busiest_hours,
    most_workers,
    options,
    settings,
    strategies,
    wired,
)
from planner.simulator.hours import HoursSchedule
from planner.simulator.shapes import ROLES, ShapeName

if TYPE_CHECKING:
    from pydantic import BaseModel

EVENING = [0] * 17 + [10] * 6 + [0]
SPEEDS = read_speeds("documents")
ALL = strategies(EVENING)


def strategy(name: str) -> Strategy:
    return next(found for found in ALL if found.name == name)


@given(
    quota=st.integers(3, 40),
    shapes=st.lists(st.sampled_from(SHAPES), min_size=1, unique=True),
)
def test_no_option_has_more_workers_than_the_account(
    quota: int, shapes: Sequence[ShapeName]
) -> None:
    for option in options(ALL, shapes=shapes, quota=quota):
        fleets = wired(option, SPEEDS, quota=quota).fleets
        assert sum(fleet.rules.workers_max for fleet in fleets.values()) <= quota
        assert set(fleets) == set(ROLES[option.shape])


def test_the_default_quota_is_divided_as_the_manifests_say() -> None:
    assert most_workers("split") == {"transcription": 2, "diarization": 3}
    assert most_workers("orch") == {"orchestrator": 1, "transcription": 2, "diarization": 2}


def test_two_kept_workers_are_no_option_where_there_is_only_one() -> None:
    names = {option.name for option in options(ALL, shapes=["split"], quota=3)}
    assert "split, min workers 1" in names
    assert "split, min workers 2" not in names


def test_an_account_too_small_for_a_shape_is_told_so() -> None:
    assert {option.shape for option in options(ALL, shapes=SHAPES, quota=2)} == {"single", "split"}
    with pytest.raises(QuotaTooSmall, match=r"orch: at least 3 are needed.*--quota"):
        options(ALL, shapes=["orch"], quota=2)


def test_every_option_has_a_name_of_its_own() -> None:
    names = [option.name for option in options(ALL, shapes=SHAPES, quota=5)]
    assert len(set(names)) == len(names) == len(SHAPES) * len(ALL)


@pytest.mark.parametrize(
    ("name", "least", "most", "idle"),
    [
        ("always on, 1 worker", 1, 1, 60),
        ("always on, all workers", 5, 5, 60),
        ("min workers 2", 2, 5, 60),
        ("idle 5 s", 0, 5, 5),
        ("idle 30 min", 0, 5, 1800),
    ],
)
def test_a_strategy_becomes_rules(name: str, least: int, most: int, idle: float) -> None:
    rules = wired(Option(shape="single", strategy=strategy(name)), SPEEDS).fleets["single"].rules
    assert (rules.workers_min, rules.workers_max, rules.idle_seconds) == (least, most, idle)


def test_active_hours_are_those_in_which_most_comes() -> None:
    rules = (
        wired(Option(shape="single", strategy=strategy("active 17:00-23:00")), SPEEDS)
        .fleets["single"]
        .rules
    )
    assert rules.schedule == HoursSchedule(begins=time(17), ends=time(23))
    assert rules.workers_min == 0


@given(st.lists(st.integers(0, 1000), min_size=24, max_size=24), st.integers(1, 23))
def test_no_other_hours_on_end_bring_more(by_hour: list[int], length: int) -> None:
    begin, end = busiest_hours(by_hour, length)
    assert (end - begin) % 24 == length

    def brought(first: int) -> int:
        return sum(by_hour[(first + hour) % 24] for hour in range(length))

    assert brought(begin) == max(brought(first) for first in range(24))


def test_pings_come_at_the_shortest_period_of_a_free_scheduler() -> None:
    for option in options(ALL, shapes=["single"], quota=5):
        rules = wired(option, SPEEDS).fleets["single"].rules
        assert rules.ping_every == (300 if option.strategy.kind == "pings" else None)


@pytest.mark.parametrize(
    ("starts", "seconds", "revived"),
    [("cached", 15.0, None), ("downloading", 45.0, None), ("flashboot", 15.0, 2.15)],
)
def test_what_a_start_finds_decides_how_long_it_takes(
    starts: str, seconds: float, revived: float | None
) -> None:
    option = Option(shape="single", strategy=strategy("idle 1 min"), starts=starts)  # type: ignore[arg-type]
    rules = wired(option, SPEEDS).fleets["single"].rules
    assert (rules.start_seconds, rules.revival_seconds) == (seconds, revived)


def test_finding_a_machine_comes_before_every_start() -> None:
    shape = wired(Option(shape="orch", strategy=ALL[0]), SPEEDS, placing=7.0)
    assert {fleet.rules.placing_seconds for fleet in shape.fleets.values()} == {7.0}


def test_settings_are_words_of_the_manifest() -> None:
    told = settings(Option(shape="split", strategy=strategy("active 17:00-23:00")))
    assert told["diarization"] == {
        "workers.min": 0,
        "workers.max": 3,
        "workers.idle_seconds": 60,
        "warm.workers": 1,
        "warm.hours": "17:00-23:00",
    }
    known: dict[str, type[BaseModel]] = {"workers": WorkersTable, "warm": WarmTable}
    for key in told["diarization"]:
        table, _, name = key.partition(".")
        assert name in known[table].model_fields
