"""One use of the command: the job, what it may cost, the endpoints, the runs."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import aiohttp
from pydantic import ValidationError
from yarl import URL

from handlers.prices import HOUR, PriceList, PriceUnknown
from orchestrator.endpoint import Patience
from orchestrator.exchange import REQUEST_BYTES
from planner.coldstart.answers import Expected, Kind
from planner.coldstart.attempt import Order
from planner.coldstart.cooling import Cooling
from planner.coldstart.costs import Budget
from planner.coldstart.experiment import Ending, Plan, Told, carry_out
from planner.coldstart.runs import Experiment
from planner.coldstart.store import opened
from planner.coldstart.subject import Subject
from planner.errors import ColdCostDeclined, ColdCostUnknown, ColdJobInvalid

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_ADDRESSES: Final = ("http", "https", "data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a worker costs, as far as somebody said it.

    Attributes:
        pools: of RunPod's, one for each endpoint that has a GPU worker started.
        dollars_per_second: of all workers of a run together; goes before `pools`.
        ask_above: dollars above which somebody has to agree.
        at_most: dollars that all runs of the file may cost; None: no bound.

    """

    pools: Sequence[str] = ()
    dollars_per_second: float | None = None
    ask_above: float = 1.0
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted.

    Attributes:
        file: that keeps the runs.
        endpoint: that is asked.
        also_cold: others that have to be cold.
        api_key: may use them.
        base_url: where they are.
        job_input: of the job; see `job_of`.
        expected: of the answer.
        runs: how many, those in the file counted in.
        within: seconds of a run.
        idle_seconds: for which a worker stays after a job.
        cooling: when an endpoint is cold.
        watch: seconds between two looks at the workers.
        price: what it may cost.
        label: what reports call it.
        note: anything that a reader should know.
        patience: of every request.

    """

    file: Path
    endpoint: str
    api_key: str = field(repr=False)
    base_url: str = field(repr=False)
    job_input: Mapping[str, Any] = field(repr=False)
    expected: Expected
    runs: int
    also_cold: Sequence[str] = ()
    within: float = 600.0
    idle_seconds: float = 5.0
    cooling: Cooling = field(default_factory=Cooling)
    watch: float = 2.0
    price: Price = field(default_factory=Price)
    label: str = ""
    note: str = ""
    patience: Patience = field(default_factory=Patience)

    @property
    def experiment(self) -> Experiment:
        """What the file says of it; the input's digest stands for it, since it may hold keys.

        An address that was signed anew is the same address.

        Raises:
            ColdJobInvalid: a name, the note or a time is longer than the file keeps.

        """
        audio = self.job_input.get("audio_url")
        address = {"audio_url": audio.partition("?")[0]} if isinstance(audio, str) else {}
        text = json.dumps({**self.job_input, **address}, sort_keys=True).encode()
        expected = f"\n{self.expected.text}".encode() if self.expected.text else b""
        try:
            return Experiment(
                label=self.label or self.endpoint,
                endpoint=self.endpoint,
                platform=_origin(self.base_url),
                kind=self.expected.kind,
                input_sha256=hashlib.sha256(text + expected).hexdigest(),
                deadline=self.within,
                also_cold=tuple(self.also_cold),
                note=self.note,
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            message = f"The {first['loc'][0]} cannot be kept: {first['msg']}. Give another."
            raise ColdJobInvalid(message) from None


def job_of(kind: Kind, *, audio: str | Path | None = None, raw: Path | None = None) -> Any:  # noqa: ANN401
    """Make the input of a job.

    Args:
        kind: of the endpoint; what the job says it expects.
        audio: an address, or a file that is sent along.
        raw: a file that holds the whole input as JSON, instead.

    Raises:
        ColdJobInvalid: a file cannot be read, or is too large to be sent along.

    """
    if raw is not None:
        return _object(raw)
    task = {} if kind == "any" else {"task": kind}
    if isinstance(audio, str) and audio.partition(":")[0].lower() in _ADDRESSES:
        return {"audio_url": audio, **task}
    path = Path(audio or "")
    content = _read(path)
    if len(content) * 4 / 3 > REQUEST_BYTES * 0.99:
        message = (
            f"{path} is too large to be sent along: RunPod takes {REQUEST_BYTES} bytes. Give a URL."
        )
        raise ColdJobInvalid(message)
    return {"audio_base64": base64.b64encode(content).decode(), **task}


def budget_of(request: Request) -> Budget | None:
    """What it may cost; None where nobody says what a worker costs.

    Raises:
        ColdCostUnknown: a pool has no price, or there is a bound and none at all.

    """
    price, source = request.price.dollars_per_second, "as given"
    if price is None and request.price.pools:
        try:
            rates = [PriceList.read().gpu(pool) for pool in request.price.pools]
        except PriceUnknown as error:
            raise ColdCostUnknown(reason=str(error)) from None
        price = sum(rate.dollars_per_second for rate in rates)
        source = ", ".join(dict.fromkeys(rate.source for rate in rates))
    if price is None and URL(request.base_url).host in _LOOPBACK:
        price, source = 0.0, "this machine"
    if price is None:
        if request.price.at_most is not None:
            raise ColdCostUnknown(reason="--at-most needs a price, else leave it out.")
        return None
    return Budget(
        dollars_per_second=price,
        source=source,
        within=request.within,
        idle_seconds=request.idle_seconds,
        at_most=request.price.at_most,
    )


async def run(
    request: Request,
    *,
    agreed: Callable[[str], bool],
    tell: Callable[[str], None],
    told: Told,
) -> Ending:
    """Make the runs that the file lacks.

    Args:
        request: what is wanted.
        agreed: asked, in words, where it may cost more than `Price.ask_above`, or nobody knows.
        tell: what it may cost, in words.
        told: what happens.

    Raises:
        ColdStartError: it cannot be done, or not to its end.
        EndpointError: the key or the endpoint's id is wrong.

    """
    budget = budget_of(request)
    order = Order(
        job_input=request.job_input,
        expected=request.expected,
        within=request.within,
        watch=request.watch,
        idle_seconds=request.idle_seconds,
        all_cold=bool(request.also_cold),
    )
    with opened(request.file, request.experiment) as file:
        missing = max(0, request.runs - len(file.runs.counted))
        if missing:
            budget = _agree(budget, request, missing, done=file.runs.runs, agreed=agreed, tell=tell)
        plan = Plan(runs=request.runs, order=order, cooling=request.cooling, budget=budget)
        async with aiohttp.ClientSession(trust_env=True) as session:
            subject, *others = (
                Subject(
                    name,
                    session=session,
                    api_key=request.api_key,
                    base_url=request.base_url,
                    patience=request.patience,
                )
                for name in (request.endpoint, *request.also_cold)
            )
            return await carry_out(plan, subject=subject, also_cold=others, file=file, told=told)


def _agree(  # noqa: PLR0913  what the question is made of
    budget: Budget | None,
    request: Request,
    missing: int,
    *,
    done: Sequence[Any],
    agreed: Callable[[str], bool],
    tell: Callable[[str], None],
) -> Budget | None:
    """Have the cost agreed to; gives the budget that ends where that does, also of warm runs."""
    if budget is None:
        if not agreed(f"{missing} runs, and nobody says what a worker costs. Go on?"):
            raise ColdCostUnknown(reason="neither a pool nor a price is given.")
        return None
    if not budget.dollars_per_second:
        return budget
    spent, bound = budget.spent(done), budget.bound(missing)
    if budget.at_most is not None:
        bound = min(bound, max(0.0, budget.at_most - spent))
    estimate = budget.estimate(missing, done=done)
    likely = f", about ${estimate:.2f} as runs went so far" if estimate is not None else ""
    text = (
        f"{missing} runs cost up to ${bound:.2f}{likely} "
        f"(${budget.dollars_per_second * HOUR:.2f} an hour: {budget.source})."
    )
    tell(text)
    if bound > request.price.ask_above and not agreed(f"{text} Go on?"):
        raise ColdCostDeclined(dollars=bound)
    most = spent + bound
    return replace(budget, at_most=most if budget.at_most is None else min(budget.at_most, most))


def _object(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(_read(path))
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict) or not raw:
        message = f'{path} holds no JSON object. Write the "input" of a job into it.'
        raise ColdJobInvalid(message)
    return raw


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(REQUEST_BYTES + 1)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}. Give the path of a file, or a URL."
        raise ColdJobInvalid(message) from error


def _origin(base_url: str) -> str:
    try:
        return str(URL(base_url).origin())
    except ValueError:
        return ""
