"""The answer in words, with the numbers behind it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from handlers.prices import HOUR
from handlers.settings import Settings
from planner.options.advice import NOTHING, Choice, Goal, Turn, rule_of_thumb
from planner.options.evidence import Input, claims
from planner.options.migration import PAYS, Step
from planner.options.plan import Result
from planner.options.strategies import MANIFEST_TIMEOUT, Starts, most_workers
from planner.options.study import Study

_DAY: Final = 86400.0
_WEEK_DAYS: Final = 7
_SHORT_DAYS: Final = 14.0
_UNUSED_DAYS: Final = 3
"""Days without a request after which RunPod lowers an endpoint's maximum."""
_LONGEST: Final[float] = Settings.model_fields["max_audio_seconds"].default
"""Seconds of audio that Parley takes where nobody sets another limit."""


def money(dollars: float) -> str:
    """Dollars as people write them: cents below a thousand."""
    return f"${dollars:,.2f}" if abs(dollars) < 1000 else f"${dollars:,.0f}"  # noqa: PLR2004


def seconds(value: float) -> str:
    """Seconds as people say them."""
    if value < 120:  # noqa: PLR2004
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 2 * 3600 else f"{value / 3600:.1f} h"


def share(value: float) -> str:
    """A part of all."""
    return f"{value:.1%}".replace("%", " %")


def count(value: float) -> str:
    """Requests as people say them: none after the point, but of few."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004


def recommendation(study: Study) -> Iterator[str]:
    """Say what to take and why, a sentence or two each."""
    best, goal = study.choice.best, study.goal
    stated = "" if goal.stated else " (nobody said, so this is Parley's default: --p95, --budget)"
    yield f"Wanted: {goal}{stated}."
    if not study.choice.met:
        yield f"No option does that. This one misses it least: {best.name}."
    else:
        yield f"Take {best.name}."
    yield (
        f"It costs {money(best.cost_per_month)} a month, {money(best.cost_per_audio_hour)} for an "
        f"hour of audio. Half of the requests are answered within {seconds(best.p50)}, 95 % within "
        f"{seconds(best.p95)}, 99 % within {seconds(best.p99)}, all within "
        f"{seconds(best.longest)}."
    )
    yield (
        f"{share(best.cold_share)} of the requests meet a cold start, of which there are "
        f"{best.starts_per_month:,.0f} a month. GPU workers have work {share(best.utilisation)} of "
        f"the time that they are ready; what is paid for is {share(best.billed['start'])} start, "
        f"{share(best.billed['work'])} work and {share(best.billed['idle'])} idle."
    )
    if best.unfinished_share:
        yield (
            f"{share(best.unfinished_share)} of the requests get no answer: their work is cut off "
            f"after {seconds(MANIFEST_TIMEOUT)}, the manifests' timeout_seconds, or they are "
            "dropped after a day in the queue."
        )
    yield "In its manifest: " + "; ".join(_told(role, told) for role, told in best.settings.items())
    if study.choice.following is not None:
        yield f"Next best: {_why_not(study.choice.following, best, goal)}"
    for other in study.choice.elsewhere:
        if other is not study.choice.following:
            yield f"Best of {other.option.shape}: {_why_not(other, best, goal)}"
    yield from _thumb(study)


def _thumb(study: Study) -> Iterator[str]:
    """Say what the documents' rule of thumb would have cost."""
    best, per_day = study.choice.best, study.traffic.per_day
    told = rule_of_thumb(study.results, per_day=per_day)
    if told is not None:
        answer = "the same" if told is best else told.name
        yield (
            f"The rule of thumb (docs/planning.md) says {answer} for {count(per_day)} requests a "
            f"day: {money(told.cost_per_month)} a month, 95 % within {seconds(told.p95)}."
        )


def changes(study: Study) -> Iterator[str]:
    """Say at what volume the answer would change, and what else would change it."""
    if study.largest > 1:
        yield (
            f"Looked at were {count(study.per_day(1 / study.largest))} to "
            f"{count(study.per_day(study.largest))} requests a day, {study.largest:g} times less "
            f"and more than today's {count(study.per_day(1))}, with the same "
            f"{study.premises.quota} workers; of the most, {study.volume_days:.0f} days were "
            "simulated."
        )
        if study.choice.met:
            yield _turns(study, study.option_turns, what="option")
            yield _turns(study, study.shape_turns, what="shape")
        yield from _limits(study)
        yield from _crowded(study)
    if study.placing is not None:
        yield (
            f"{study.choice.best.name} does what is wanted as long as finding a machine takes at "
            f"most about {seconds(study.placing)} before each start. RunPod's part of a start was "
            "never measured (--placing)."
        )
    for end, there in study.ends:
        result = there.best
        answer = "the same" if result.name == study.choice.best.name else result.name
        missed = "" if there.met else ", which misses what is wanted least"
        yield (
            f"With the {'least' if end == 'low' else 'most'} that is said of every speed and start "
            f"the answer is {answer}{missed}: {money(result.cost_per_month)} a month, 95 % within "
            f"{seconds(result.p95)}."
        )
    for variant in study.variants:
        yield (
            f"{_VARIANTS[variant.option.starts]}, it costs {money(variant.cost_per_month)} a "
            f"month, and 95 % are answered within {seconds(variant.p95)}; "
            f"{share(variant.cold_share)} of the requests meet a cold start."
        )


def step_in_words(step: Step, study: Study) -> str:
    """Say whether a step of the migration path pays, and from where on."""
    if study.largest == 1:
        return "pays" if step.pays else "does not pay"
    if not step.breaks_even:
        ends = (count(study.per_day(factor)) for factor in (1 / study.largest, study.largest))
        return f"{'pays always' if step.pays else 'never pays'} here ({' to '.join(ends)} a day)"
    told = ["pays" if step.pays else "does not pay"]
    for turn in step.breaks_even:
        side = "above" if turn.factor > 1 else "below"
        told.append(
            f"{'it does' if turn.after == PAYS else 'not'} {side} about "
            f"{count(study.per_day(turn.factor))} a day"
        )
    return "; ".join(told)


def warnings(study: Study) -> Iterator[str]:
    """Say what makes the answer less sure, or the account too small."""
    said = claims(study.inputs)
    if said:
        kinds = (
            f"{kind}: {', '.join(_about(item for item in said if item.basis == kind))}"
            for kind in ("claimed", "assumed")
            if any(item.basis == kind for item in said)
        )
        yield (
            f"{len(said)} of {len(study.inputs)} inputs were not measured ({'; '.join(kinds)}). "
            "Parley measured no GPU. Measure your own endpoints (--replies) before you rely on "
            "dollars and seconds: which option is cheaper is surer than by how much."
        )
    days = study.traffic.days
    if days < _SHORT_DAYS:
        yield f"Only {days:.3g} days of traffic were seen; a month is taken to be like them."
    most = most_workers(study.choice.best.option.shape, quota=study.premises.quota)
    for role, load in study.peak_load.items():
        if load > most[role]:
            yield (
                f"In its busiest hour the traffic brings work for {load:.1f} workers of {role}, "
                f"and the quota leaves {most[role]}: requests wait. RunPod allows 10 workers from "
                "$100 of balance (--quota 10)."
            )
    if study.longest_gap > _UNUSED_DAYS * _DAY:
        yield (
            f"Nothing came for {study.longest_gap / _DAY:.1f} days. RunPod lowers the maximum of "
            "endpoints that nobody uses for three days, and sets it to 0 after seven; that is not "
            "simulated."
        )
    if too_long := int((study.premises.trace.audio_seconds > _LONGEST).sum()):
        yield (
            f"{too_long:,} of the requests have more than {_LONGEST / HOUR:g} hours of audio. "
            "Parley refuses these (PARLEY_MAX_AUDIO_SECONDS); they are simulated as if it did not."
        )
    yield from _to_do(study.choice)


def _to_do(choice: Choice) -> Iterator[str]:
    """Say what options need that no manifest brings about."""
    if choice.best.option.strategy.kind == "hours":
        yield "Active hours need `parley warm` to be called from a cron (docs/deploying.md)."
    named = [choice.best, *([choice.following] if choice.following else []), *choice.elsewhere]
    for result in named:
        every = result.option.strategy.ping_every
        if every is not None:
            yield (
                f"Pings, as of {result.name}, are jobs that you send: call `python -m deploy ping "
                f"{result.option.shape}` every {every / 60:g} minutes, day and night, from a cron. "
                "It gives each endpoint a second of silence (docs/deploying.md)."
            )
            return


def _why_not(other: Result, best: Result, goal: Goal) -> str:
    facts = (
        f"{money(other.cost_per_month)} a month, 95 % within {seconds(other.p95)}, "
        f"{share(other.cold_share)} cold"
    )
    dearer, slower = other.cost_per_month - best.cost_per_month, other.p95 - best.p95
    reasons = []
    if other.unfinished_share:
        reasons.append(f"{share(other.unfinished_share)} of the requests get no answer")
    if not goal.met(other):
        missed = seconds(other.p95) if goal.kind == "p95" else money(other.cost_per_month)
        reasons.append(f"it misses what is wanted ({missed})")
    if dearer > 0:
        reasons.append(f"it costs {money(dearer)} a month more")
    if slower > 0:
        reasons.append(f"95 % wait up to {seconds(slower)} longer")
    if dearer < 0:
        reasons.append(f"though it costs {money(-dearer)} less")
    elif slower < 0:
        reasons.append(f"though 95 % are answered {seconds(-slower)} sooner")
    return f"{other.name} ({facts}). Not it, because {', '.join(reasons) or 'it is the same'}."


def _turns(study: Study, found: Sequence[Turn], *, what: str) -> str:
    other = sorted(
        (turn for turn in found if NOTHING not in {turn.before, turn.after}), key=_factor
    )
    if not other:
        return f"The {what} to take stays the same."
    said = (f"{_from(turn, study)} it is {turn.after}" for turn in other)
    return f"The {what} to take changes: {'; '.join(said)}."


def _limits(study: Study) -> Iterator[str]:
    """Say from which volume on nothing does what is wanted, or what then does."""
    does = {turn.factor: turn.after for turn in study.option_turns}
    for turn in study.limits:
        begins = _from(turn, study)
        what = "no option does" if turn.after == NOTHING else f"{does[turn.factor]} does"
        yield f"{begins[0].upper()}{begins[1:]} {what} what is wanted."


def _crowded(study: Study) -> Iterator[str]:
    """Say that copies of one week lie over each other where there are more of them than weeks."""
    weeks = max(1, int(study.traffic.days // _WEEK_DAYS))
    if any(t.factor > weeks for t in (*study.option_turns, *study.shape_turns, *study.limits)):
        more = f"{weeks} times as much as today" if weeks > 1 else "today's traffic"
        yield (
            f"Above {more}, copies of the same burst come within the same hour of the week, closer "
            "than new ones would: what changes there may change later than is said."
        )


def _factor(turn: Turn) -> float:
    return turn.factor


def _from(turn: Turn, study: Study) -> str:
    """Say from which volume on."""
    side = "above" if turn.factor > 1 else "below"
    return (
        f"{side} about {count(study.per_day(turn.factor))} requests a day "
        f"({turn.factor:.2g} times today's)"
    )


def _told(role: str, told: Mapping[str, object]) -> str:
    return f"{role} " + ", ".join(f"{key} = {value}" for key, value in told.items())


def _about(found: Iterable[Input]) -> Iterable[str]:
    """What inputs are about, each once."""
    return dict.fromkeys(
        f"{item.name.partition(':')[0]}'s {item.kind}" if item.role else item.name for item in found
    )


_VARIANTS: Final[Mapping[Starts, str]] = {
    "cached": "With all weights cached",
    "downloading": "Where each start downloads the diarizer's weights",
    "flashboot": "Where FlashBoot revives workers as fast as RunPod once published",
}
