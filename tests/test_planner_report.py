"""The answer for people, for programs, and as pictures."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from benchmarks.planning import DOCUMENT, example, inserted
from planner.options.advice import Goal, Turn
from planner.options.pictures import NAMES, draw
from planner.options.report import body, show
from planner.options.speeds import read_speeds
from planner.options.strategies import SHAPES
from planner.options.study import Study, study
from planner.options.wording import changes, money, seconds, share, warnings
from tests.plans import CPU, DAY, premises_of, trace_of

EVENINGS = [
    day * DAY + 18 * 3600 + minute * 60 for day in range(21) for minute in (0, 1, 2, 5, 8, 40)
]


def study_of(goal: Goal, **changed: object) -> Study:
    premises = premises_of(trace_of(EVENINGS, days=21), **changed)
    return study(premises, goal=goal, shapes=SHAPES, largest=2)


@pytest.fixture(scope="module")
def found() -> Study:
    return study_of(Goal(most=40))


def shown(study: Study) -> str:
    out = StringIO()
    show(study, Console(file=out, width=160))
    return out.getvalue()


def test_the_json_holds_every_option_with_its_figures(found: Study) -> None:
    answer = json.loads(json.dumps(body(found), allow_nan=False))
    assert len(answer["options"]) == len(found.results)
    for option, result in zip(answer["options"], found.results, strict=True):
        assert option["name"] == result.name
        assert option["shape"] == result.option.shape
        assert option["strategy"] == result.option.strategy.name
        assert option["cost_per_month"] == pytest.approx(result.cost_per_month, rel=1e-5)
        assert option["cost_per_audio_hour"] == pytest.approx(result.cost_per_audio_hour, rel=1e-5)
        assert option["latency"]["p50"] <= option["latency"]["p95"] <= option["latency"]["p99"]
        assert 0 <= option["cold_share"] <= 1
        assert 0 <= option["utilisation"] <= 1
    names = {option["name"] for option in answer["options"]}
    assert answer["recommended"] == found.choice.best.name
    assert {answer["recommended"], answer["next_best"]} <= names
    assert answer["traffic"]["requests"] == len(EVENINGS)
    assert [step["stage"] for step in answer["migration"]] == ["cached", "split", "orch"]


def test_every_input_has_a_basis_a_source_and_a_date(found: Study) -> None:
    inputs = body(found)["inputs"]
    assert all(item["basis"] and item["source"] for item in inputs)
    dated = [item for item in inputs if item["role"] and item["kind"] != "jobs at once"]
    assert all(item["date"] == "2026-11-20" for item in dated)
    claimed = [item["name"] for item in inputs if item["basis"] == "claimed"]
    assert "diarization: work for a second of audio" in claimed
    (cpu,) = [item for item in inputs if item["name"].startswith("price of the orchestrator")]
    assert cpu["basis"] == "assumed"


def test_the_smallest_price_is_told_as_exactly_as_the_largest() -> None:
    cheap = study_of(Goal(), cpu=replace(CPU, dollars_per_second=0.06 / 3600))
    told = {item["name"]: item["value"] for item in body(cheap)["inputs"]}
    assert told["price of the orchestrator, 2 vCPUs"] == pytest.approx(0.06 / 3600, rel=1e-5)


def test_the_words_hold_the_numbers_of_the_best_and_of_the_next(found: Study) -> None:
    words = " ".join(body(found)["words"])
    best, following = found.choice.best, found.choice.following
    assert following is not None
    for result in (best, following):
        assert result.name in words
        assert money(result.cost_per_month) in words
        assert seconds(result.p95) in words
    assert "within 40 s" in words
    assert share(best.cold_share) in words


def test_a_default_wish_is_said_to_be_one() -> None:
    assert "Parley's default" in shown(study_of(Goal()))
    assert "Parley's default" not in shown(study_of(Goal(stated=True)))


def test_what_nothing_can_do_is_said() -> None:
    text = " ".join(shown(study_of(Goal(most=0.5, stated=True))).split())
    assert "No option does that. This one misses it least" in text


def test_a_budget_is_told_in_dollars() -> None:
    assert "at most $25.00 a month" in shown(study_of(Goal(kind="budget", most=25, stated=True)))


def test_the_tables_show_every_option_and_input(found: Study) -> None:
    text = shown(found)
    for result in found.results:
        assert result.name in text
    for word in (
        "Traffic",
        "From one endpoint to three",
        "claimed",
        "assumed",
        "orchestrator: start",
    ):
        assert word in text


def test_what_a_log_or_a_file_says_is_shown_as_it_is() -> None:
    trace = trace_of(EVENINGS, days=21)
    named = replace(
        trace,
        users=np.arange(len(trace), dtype=np.int32) % 3,
        names=("[/bold]", "[link=https://a]b[/link]", ":smile:"),
    )
    speeds = replace(read_speeds("documents"), title="[red]mine[/red]")
    premises = premises_of(named, speeds=speeds, traffic_source="log a[/b].csv")
    text = shown(study(premises, goal=Goal(), shapes=["single"], largest=1))
    for said in (*named.names, speeds.title, premises.traffic_source):
        assert said in text


def test_where_nothing_does_it_today_it_is_said_what_does_at_another_volume() -> None:
    crowd = trace_of([hour * 3600 + at * 5 for hour in range(24) for at in range(150)])
    crowded = study(premises_of(crowd, quota=2), goal=Goal(), shapes=["split"], largest=64)
    assert not crowded.choice.met
    (turn,) = crowded.option_turns
    words = " ".join(changes(crowded))
    assert f"{turn.after} does what is wanted" in words
    assert "stays the same" not in words


@pytest.mark.parametrize(("factor", "said"), [(2.5, False), (3.5, True)])
def test_where_copies_of_a_week_lie_over_each_other_it_is_said(
    found: Study, factor: float, *, said: bool
) -> None:
    turn = Turn(factor=factor, before="a", after="b")
    turned = replace(found, option_turns=(turn,), shape_turns=(), limits=())
    text = "Above 3 times as much as today, copies of the same burst"
    assert (text in " ".join(changes(turned))) is said


def test_pings_are_told_how_to_send(found: Study) -> None:
    pinged = next(r for r in found.results if r.option.strategy.kind == "pings")
    others = [r for r in found.results if r.option.strategy.kind == "reactive"]
    choice = replace(found.choice, best=others[0], following=others[1], elsewhere=())
    assert not any("deploy ping" in text for text in warnings(replace(found, choice=choice)))
    for told in (replace(choice, best=pinged), replace(choice, elsewhere=(pinged,))):
        (text,) = [text for text in warnings(replace(found, choice=told)) if "ping" in text]
        assert f"`python -m deploy ping {pinged.option.shape}` every 5 minutes" in text


def test_recordings_longer_than_parley_takes_are_counted() -> None:
    long = premises_of(trace_of([0, 1, 2], audio=6 * 3600 + 1))
    told = " ".join(warnings(study(long, goal=Goal(), shapes=["single"], largest=1)))
    assert "3 of the requests have more than 6 hours of audio" in told


def test_no_plan_leaves_out_that_gpus_were_not_measured(found: Study) -> None:
    (told,) = [text for text in warnings(found) if "Parley measured no GPU" in text]
    assert "diarization's work" in told
    on_processors = study_of(Goal(), speeds=read_speeds("cpu"))
    assert any("Parley measured no GPU" in text for text in warnings(on_processors))


def test_an_account_too_small_for_the_busiest_hour_is_warned_of() -> None:
    busy = trace_of([hour * 3600 + at * 20 for hour in range(24) for at in range(150)], audio=1200)
    crowded = study(premises_of(busy, quota=2), goal=Goal(), shapes=["split"], largest=1)
    told = " ".join(warnings(crowded))
    assert "work for 2.7 workers of diarization, and the quota leaves 1" in told
    assert "Only 1 days of traffic" in told


def test_a_pause_of_days_is_warned_of() -> None:
    paused = study(
        premises_of(trace_of([0, 5 * DAY], days=20)), goal=Goal(), shapes=["single"], largest=1
    )
    assert any("Nothing came for 15.0 days" in text for text in warnings(paused))


def test_pictures_are_the_same_for_the_same_input(found: Study, tmp_path: Path) -> None:
    first, second = (draw(found, tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [f"planning-{name}.svg" for name in NAMES]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert ET.parse(one).getroot().tag.endswith("svg")  # noqa: S314  our own
        assert b"dc:date" not in one.read_bytes()


@pytest.mark.parametrize(
    ("value", "text"), [(3.25, "3.2 s"), (119.0, "119.0 s"), (600, "10.0 min"), (9000, "2.5 h")]
)
def test_times_are_told_as_people_do(value: float, text: str) -> None:
    assert seconds(value) == text


def test_the_worked_example_of_the_document_is_what_is_printed_today() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    options = example(largest=1).partition("What to take")[0]
    assert options in document, "make it anew: python -m benchmarks.planning"
    assert inserted(document, "another").count("```text\nanother\n```") == 1
    with pytest.raises(ValueError, match="0 places"):
        inserted("no place", "another")
