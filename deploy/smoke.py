"""Asks new endpoints for the transcript of the sample, and says how to go on."""

import asyncio
import io
import time
import wave
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.endpoint import Deployed, Gpu
from deploy.errors import (
    DeployError,
    NotAnswering,
    SmokeFailed,
    TranscriptEmpty,
    VariableInvalid,
)
from deploy.manifest import Manifest, Role, Shape
from deploy.platform import Offer, Platform
from handlers.errors import DeadlineExceeded, ParleyError
from handlers.prices import PriceList, Rate, of_an_hour, rates
from handlers.replies import Reply
from handlers.settings import SettingsError
from orchestrator.client import AsyncClient

Tell = Callable[[str], None]

SAMPLE: Final = Path(__file__).parent.parent / "demo" / "sample" / "meeting.flac"
RUNPOD: Final = "https://api.runpod.ai/v2"

_FIRST_LOOK_SECONDS: Final = 2.0
_LONGEST_LOOK_SECONDS: Final = 20.0
"""Between two looks at the workers: RunPod limits the requests of a minute, and of an hour."""
_LINES: Final = 4
_RATE: Final = 16_000
"""Samples a second."""
_RUN: Final = "/run"
_DENIED: Final = "endpoint_access_denied"
_KEY_HINT: Final = (
    " Where that is an endpoint that the orchestrator calls, PARLEY_ORCHESTRATOR_KEY is meant: "
    "give it one that may use both, and run the same command again."
)
_NO_HINT: Final = "the job waits in the queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The endpoints of a shape, by what they do.

    Attributes:
        shape: what they are together.
        endpoints: by role.
        base_url: where their jobs are given.

    """

    shape: Shape
    endpoints: Mapping[Role, Deployed]
    base_url: str

    @classmethod
    def of(
        cls, manifest: Manifest, found: Mapping[str, Deployed], *, base_url: str | None
    ) -> "Target":
        """Find the endpoints of a manifest among those that there are, by name.

        Args:
            manifest: names them.
            found: by name.
            base_url: where their jobs are given; None asks the endpoints themselves.

        """
        endpoints = {table.role: found[table.name] for table in manifest.endpoints}
        told = next((one for one in endpoints.values() if one.run_url), None)
        own = _base(told) if told else RUNPOD
        return cls(shape=manifest.shape, endpoints=endpoints, base_url=base_url or own)

    @property
    def asked(self) -> tuple[Deployed, ...]:
        """Those that callers ask."""
        by_shape: dict[Shape, tuple[Role, ...]] = {
            "single": ("single",),
            "split": ("transcription", "diarization"),
            "orch": ("orchestrator",),
        }
        return tuple(self.endpoints[role] for role in by_shape[self.shape])

    def client(self, *, api_key: str) -> AsyncClient:
        """What asks them."""
        ids = [one.id for one in self.asked]
        base = self.base_url
        if self.shape == "split":
            words, speakers = ids
            return AsyncClient.split(
                transcription=words, diarization=speakers, api_key=api_key, base_url=base
            )
        make = AsyncClient.single if self.shape == "single" else AsyncClient.orch
        return make(ids[0], api_key=api_key, base_url=base)


async def transcribe(
    target: Target, *, platform: Platform, api_key: str, within: float, tell: Tell
) -> Reply:
    """Have the sample transcribed, and tell meanwhile what the workers do.

    Raises:
        TranscriptEmpty: it came back without words.
        DeployError: as `ask`.

    """
    reply = await ask(target, SAMPLE, platform=platform, api_key=api_key, within=within, tell=tell)
    if not reply.text.strip():
        raise TranscriptEmpty
    return reply


async def ping(
    target: Target, *, platform: Platform, api_key: str, within: float, tell: Tell
) -> None:
    """Give every endpoint a second of silence, so that a worker of each is awake from now on.

    Raises:
        DeployError: as `ask`.

    """
    reply = await ask(
        target, _silence(), platform=platform, api_key=api_key, within=within, tell=tell
    )
    names = ", ".join(one.spec.name for one in target.asked)
    tell(f"{names}: answered after {reply.usage.processing_seconds:.1f} s of work")


async def ask(  # noqa: PLR0913  none of them has a default
    target: Target,
    audio: Path | bytes,
    *,
    platform: Platform,
    api_key: str,
    within: float,
    tell: Tell,
) -> Reply:
    """Have a recording transcribed, and tell meanwhile what the workers do.

    Raises:
        NotAnswering: nobody did it in time.
        SmokeFailed: somebody says that it cannot be done.
        VariableInvalid: PARLEY_... holds what cannot be.

    """
    try:
        asking = target.client(api_key=api_key)
    except SettingsError as error:
        what = "The environment"
        raise VariableInvalid(what, reason=f"holds what cannot be: {error}.") from None
    async with (
        asking as client,
        _watched(target, platform=platform, tell=tell) as seen,
    ):
        try:
            return await client.transcribe(audio, within=within)
        except DeadlineExceeded:
            names = ", ".join(one.spec.name for one in target.asked)
            raise NotAnswering(
                endpoint=names, seconds=within, seen="; ".join(seen.values()) or _NO_HINT
            ) from None
        except ParleyError as error:
            hint = _KEY_HINT if target.shape == "orch" and error.code == _DENIED else ""
            raise SmokeFailed(code=error.code, message=f"{error}{hint}") from None


def _silence() -> bytes:
    """A second that every worker answers at once: a WAV file, 16-bit mono at 16 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        sound.writeframes(bytes(2 * _RATE))
    return file.getvalue()


def excerpt(reply: Reply) -> list[str]:
    """The first lines of a transcript."""
    lines = [
        f"    {segment.start:6.1f} - {segment.end:6.1f}  {segment.speaker}  {segment.text}"
        for segment in reply.segments[:_LINES]
    ]
    more = len(reply.segments) - _LINES
    return [*lines, f"    ... and {more} more"] if more > 0 else lines


def origins(reply: Reply) -> list[str]:
    """Where the weights came from, and what that means for the next start."""
    lines = []
    for role, model in reply.models.items():
        if model is None:
            continue
        slow = model.source in {"hub", "mirror"}
        note = ": this start downloaded them, and so will others" if slow else ""
        lines.append(f"    {role}: {model.name} from the {model.source}{note}")
    return lines


def guide(target: Target) -> list[str]:
    """The ids, and the calls to make."""
    base, first = target.base_url, target.asked[0]
    ids = [f"    {role}: {one.id}" for role, one in target.endpoints.items()]
    flags = {
        "single": f"--endpoint {first.id}",
        "orch": f"--shape orch --endpoint {first.id}",
        "split": f"--transcription {first.id} --diarization {target.asked[-1].id}",
    }[target.shape]
    elsewhere = "" if base == RUNPOD else f" --base-url {base}"
    lines = ["Endpoints:", *ids, "Call them:", f"    parley transcribe FILE {flags}{elsewhere}"]
    for one in target.asked:
        curl = '    curl --oauth2-bearer "$RUNPOD_API_KEY"'
        job = """-d '{"input": {"audio_url": "https://..."}}'"""
        lines += [f"{curl} {job} {base}/{one.id}/run", f"{curl} {base}/{one.id}/status/ID"]
    return lines


async def cost(target: Target, reply: Reply, *, platform: Platform, listed: PriceList) -> list[str]:
    """What an hour of audio costs at the pace of the sample, for each pool that there may be."""
    audio, lines, least = reply.usage.audio_seconds, [], 0.0
    for role, seconds in _worker_seconds(target.shape, reply).items():
        found = await _rates(target.endpoints[role], platform=platform, listed=listed)
        costs = [
            (rate, of_an_hour(rate, worker_seconds=seconds, audio_seconds=audio)) for rate in found
        ]
        least += costs[0][1] if costs else 0.0
        told = ", ".join(f"${dollars:.3f} on {rate.name}" for rate, dollars in costs)
        sources = ", ".join(dict.fromkeys(rate.source for rate in found))
        known = f"{told} ({sources})" if costs else "no price of its machines is known"
        lines.append(f"    {role}, {seconds:.1f} s of a worker for {audio:.0f} s of audio: {known}")
    head = (
        f"An hour of audio costs about ${least:.3f}, at the pace of this one job and on the first "
        "machines of each endpoint. Starts and idle seconds come on top; jobs that share a worker "
        "cost less."
    )
    return [head, *lines]


async def _rates(endpoint: Deployed, *, platform: Platform, listed: PriceList) -> list[Rate]:
    machines = endpoint.spec.machines
    if isinstance(machines, Gpu):
        offers = await platform.gpu_offers(min_cuda=machines.min_cuda, count=machines.count)
        return rates(machines.pools, units=machines.count, catalog=_hourly(offers), listed=listed)
    found: list[Rate] = []
    for cpu in machines:
        offers = await platform.cpu_offers(vcpus=cpu.vcpus)
        catalog = _hourly(offers)
        found += rates([cpu.flavor], units=cpu.vcpus, catalog=catalog, listed=listed)
    return found


def _hourly(offers: Mapping[str, Offer]) -> dict[str, float]:
    """What the catalog asks an hour, where it says it."""
    return {
        name: offer.dollars_per_hour for name, offer in offers.items() if offer.dollars_per_hour
    }


def _worker_seconds(shape: Shape, reply: Reply) -> dict[Role, float]:
    """How long each endpoint's worker had the sample."""
    whole, timings = reply.usage.processing_seconds, reply.timings
    if shape == "single":
        return {"single": whole}
    halves: dict[Role, float] = {
        "transcription": timings.get("transcribe.total", timings.get("transcribe", whole)),
        "diarization": timings.get("diarize.total", timings.get("diarize", whole)),
    }
    return halves | ({"orchestrator": whole} if shape == "orch" else {})


@asynccontextmanager
async def _watched(
    target: Target, *, platform: Platform, tell: Tell
) -> AsyncIterator[Mapping[str, str]]:
    """Tell what the workers do, when that changes; the mapping holds what was seen last."""
    seen: dict[str, str] = {}
    began = time.monotonic()

    async def look() -> None:
        pause = _FIRST_LOOK_SECONDS
        while True:
            for one in target.endpoints.values():
                with suppress(DeployError):  # the job itself says whether the platform is there
                    now = f"{one.spec.name}: {await platform.workers(one.id)}"
                    if seen.get(one.id) != now:
                        seen[one.id] = now
                        tell(f"    {time.monotonic() - began:5.0f} s  {now}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_LOOK_SECONDS)

    task = asyncio.create_task(look())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _base(endpoint: Deployed) -> str:
    """What comes before the id in the URL of an endpoint."""
    url = (endpoint.run_url or "").removesuffix(_RUN)
    return url.removesuffix(f"/{endpoint.id}") or RUNPOD
