"""What runs say, and whether two experiments differ."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

import planner.coldstart
from planner.coldstart.breakdown import DEFINITIONS as PARTS
from planner.coldstart.chart import draw
from planner.coldstart.comparison import compare
from planner.coldstart.outcomes import DEFINITIONS as OUTCOMES
from planner.coldstart.outcomes import Outcome
from planner.coldstart.report import as_json, comparison_as_json, show, show_comparison
from planner.coldstart.runs import Experiment, Run, Runs
from planner.coldstart.store import read
from planner.coldstart.verdicts import Criteria, Verdict, examine
from planner.errors import CriteriaInvalid

DOCUMENT = Path(__file__).parent.parent / "docs" / "coldstart.md"
PROVIDER = Path(planner.coldstart.__file__).with_name("examples") / "provider.jsonl"
STEADY = [20.0, 21.0, 22.0, 19.0, 20.5, 21.5, 18.5, 20.2, 19.8, 22.4]


def experiment(
    seconds: Sequence[float], *, failed: Sequence[Outcome] = (), label: str = "here"
) -> Runs:
    good = [
        Run(number=place, outcome="ok", seconds=value, parts={"queue": 1.0, "load": value - 2})
        for place, value in enumerate(seconds, start=1)
    ]
    bad = [
        Run(number=place, outcome=name, seconds=60.0)
        for place, name in enumerate(failed, start=len(good) + 1)
    ]
    return Runs(experiment=Experiment(label=label, endpoint="ep"), runs=[*good, *bad])


def verdict(runs: Runs, about: str, criteria: Criteria | None = None) -> Verdict:
    return {found.about: found for found in examine(runs, criteria).verdicts}[about]


def test_the_provider_of_the_document_is_rejected() -> None:
    runs = read(PROVIDER)
    found = examine(runs, Criteria.read())
    assert found.success.value == 1 / 5
    assert found.overall == "rejected"
    answers = {one.about: one.answer for one in found.verdicts}
    assert answers == {
        "variance": "not enough runs",  # of one success there is none
        "failures": "disqualified",
        "reactive pool": "not viable",
    }
    (good,) = runs.good
    assert good.seconds == 491.6
    assert good.breakdown == {
        "provision": 0.7,
        "ssh": 21.6,
        "clone": 2.4,
        "torch": 46.4,
        "requirements": 20.3,
        "downloads": 368.2,
        "generation": 14.4,
        "rest": pytest.approx(17.6),
    }
    assert {"never_ready", "worker_lost"} < set(found.failures)


def test_a_verdict_stands_where_the_interval_agrees() -> None:
    assert verdict(experiment(STEADY), "variance").answer == "good"
    assert verdict(experiment([2.0, 60.0, 3.0, 45.0] * 10), "variance").answer == "bad"
    wavering = experiment([10.0, 18.0, 26.0] * 30)
    assert verdict(wavering, "variance").answer == "fair"
    assert verdict(experiment(STEADY * 4), "failures").answer == "acceptable"
    assert verdict(experiment(STEADY * 2), "reactive pool").answer == "viable"
    assert verdict(experiment(STEADY, failed=["no_capacity"] * 9), "failures").answer == (
        "disqualified"
    )


def test_with_too_few_runs_nothing_is_judged() -> None:
    # none of ten failed, and one in four may all the same
    few = examine(experiment(STEADY))
    answers = [one.answer for one in few.verdicts if one.about != "variance"]
    assert answers == ["not enough runs", "not enough runs"]
    assert few.overall == "not enough runs"
    # more than one in ten failed of these, and fewer may of all
    some = experiment(STEADY, failed=["no_capacity"] * 2)
    assert verdict(some, "failures").answer == "not enough runs"
    assert verdict(some, "reactive pool").answer == "not enough runs"
    assert verdict(experiment(STEADY[:9]), "variance").answer == "not enough runs"
    # nor where one half of the interval lies on the other side
    wide = [10.0, 11.0, 12.0, 30.0, 10.5, 9.5, 12.5, 11.5, 29.0, 10.0]
    assert verdict(experiment(wide), "variance").answer == "not enough runs"
    nothing = examine(experiment([]))
    assert (nothing.overall, nothing.times) == ("not enough runs", None)


def test_enough_good_runs_are_accepted() -> None:
    assert examine(experiment(STEADY * 4)).overall == "accepted"
    assert examine(experiment([2.0, 60.0, 3.0, 45.0] * 10)).overall == "rejected"


def test_what_is_surely_not_bad_is_accepted_be_it_good_or_fair() -> None:
    between = experiment([10.0, 11.0, 12.0, 20.0, 10.5, 9.5, 12.5, 11.5, 19.0, 10.0] * 4)
    found = verdict(between, "variance")
    assert found.estimate
    assert 0.3 in found.estimate.interval
    assert (found.answer, found.why) == ("fair", "surely not above 50%")
    assert examine(between).overall == "accepted"


def test_runs_that_do_not_count_change_nothing() -> None:
    plain = experiment(STEADY, failed=["no_capacity"])
    beside = experiment(STEADY, failed=["no_capacity", "warm", "refused", "interrupted"])
    assert examine(plain).success == examine(beside).success
    assert examine(plain).failures == examine(beside).failures


def test_criteria_are_a_file(tmp_path: Path) -> None:
    path = tmp_path / "criteria.toml"
    path.write_text("[failures]\ndisqualify_above = 0.4\n[variance]\nleast_runs = 3\n")
    criteria = Criteria.read(path)
    assert verdict(experiment(STEADY), "failures", criteria).answer == "acceptable"
    assert verdict(experiment(STEADY[:3]), "variance", criteria).answer == "good"
    assert Criteria.read() == Criteria()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[failures]\ndisqualify_above = 10\n", "failures.disqualify_above"),
        ("[failure]\ndisqualify_above = 0.1\n", "failure"),
        ("[variance]\ngood_below = 0.6\n", "good_below is above bad_above"),
        ("[variance]\nbad_above = nan\n", "variance.bad_above"),
        ("variance = [", "no TOML"),
    ],
)
def test_criteria_that_cannot_be_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "criteria.toml"
    path.write_text(text)
    with pytest.raises(CriteriaInvalid, match=problem):
        Criteria.read(path)


def test_a_real_difference_is_found_and_measured() -> None:
    slow, fast = experiment(STEADY), experiment([value - 8 for value in STEADY])
    found = compare(slow, fast)
    assert found.seconds.answer == "second is better"
    assert found.seconds.estimate
    assert found.seconds.estimate.value == pytest.approx(-8, abs=0.01)
    assert -8 in found.seconds.estimate.interval
    assert compare(fast, slow).seconds.answer == "first is better"
    assert found.parts["load"].estimate.value == pytest.approx(-8, abs=0.01)
    assert found.parts["queue"].estimate.value == 0


def test_where_most_runs_are_the_same_ranks_say_which_is_better() -> None:
    same, slower = experiment([10.0] * 40), experiment([10.0] * 28 + [11.0] * 12)
    later, earlier = compare(same, slower).seconds, compare(slower, same).seconds
    assert later.estimate
    assert later.estimate.value == 0
    assert later.answer == "first is better"
    assert later.why == "the second is later by ranks; the median difference is 0"
    assert earlier.answer == "second is better"
    assert "earlier by ranks" in earlier.why


def test_no_difference_is_not_called_one() -> None:
    found = compare(experiment(STEADY), experiment([value + 0.1 for value in STEADY[::-1]]))
    assert found.seconds.answer == "no difference shown"
    assert found.success.answer == "no difference shown"


def test_a_difference_of_success_is_found() -> None:
    bad = experiment(STEADY[:4], failed=["no_capacity"] * 6)
    found = compare(bad, experiment(STEADY)).success
    assert found.answer == "second is better"
    assert found.p_value == pytest.approx(0.0108, abs=1e-4)
    assert found.estimate
    assert found.estimate.value == pytest.approx(0.6)
    assert compare(experiment(STEADY), bad).success.answer == "first is better"


def test_of_too_few_runs_no_comparison_is_made() -> None:
    found = compare(experiment([10.0, 11.0]), experiment([100.0, 110.0, 120.0]))
    assert found.seconds.answer == "not enough runs"
    assert found.success.answer == "not enough runs"
    nothing = compare(experiment([]), experiment(STEADY))
    assert (nothing.seconds.answer, nothing.success.answer) == ("not enough runs",) * 2


def test_what_is_found_is_json_and_a_table() -> None:
    runs = experiment(STEADY, failed=["no_capacity", "warm"])
    body = as_json(examine(runs))
    assert body["counts"] == {"runs": 12, "counted": 11, "ok": 10, "half_done": 0}
    assert body["failures"]["no_capacity"]["value"] == 1 / 11
    assert body["seconds"]["p95"]["high"] is None  # ten runs do not bound it
    assert body["verdicts"]["variance"]["answer"] == "good"
    for run in body["runs"][:10]:
        assert math.fsum(run["parts"].values()) == pytest.approx(run["seconds"])
    console = Console(record=True, width=160, file=None, quiet=False)
    with console.capture() as shown:
        show(examine(runs), console)
        show_comparison(compare(runs, runs), console)
    for words in ("10 of 11 runs are ok, 1 more", "no_capacity", "at least", "no difference shown"):
        assert words in shown.get()
    assert comparison_as_json(compare(runs, runs))["seconds"]["answer"] == "no difference shown"


def test_names_that_came_with_a_file_are_no_markup() -> None:
    name = "x[/b] [red]y"
    runs = Runs(
        experiment=Experiment(label=name, endpoint="ep"),
        runs=[Run(number=1, outcome="ok", seconds=3.0, parts={name: 1.0})],
    )
    console = Console(record=True, width=160)
    with console.capture() as shown:
        show_comparison(compare(runs, runs), console)
        show(examine(runs), console)
    assert shown.get().count(name) == 5  # two labels and a part, a label and a part


def test_the_same_runs_are_the_same_picture(tmp_path: Path) -> None:
    runs = [experiment(STEADY, failed=["no_capacity"], label="$x$ & <y>"), read(PROVIDER)]
    draw(runs, tmp_path / "a.svg")
    draw(runs, tmp_path / "b.svg")
    first = (tmp_path / "a.svg").read_bytes()
    assert first == (tmp_path / "b.svg").read_bytes()
    draw(runs[:1], tmp_path / "c.svg")
    assert first != (tmp_path / "c.svg").read_bytes()


def test_every_part_and_outcome_is_explained() -> None:
    text = DOCUMENT.read_text()
    for name, meaning in [*PARTS.items(), *OUTCOMES.items()]:
        assert f"| `{name}` | {meaning} |" in text
