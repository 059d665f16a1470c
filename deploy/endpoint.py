"""What an endpoint is, as Parley wants it and as RunPod has it: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ScalingType = Literal["QUEUE_DELAY", "REQUEST_COUNT"]
FlashBoot = Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"]

MARK = "PARLEY_DEPLOYMENT"
"""The variable that says which shape an endpoint belongs to: without it, it is not Parley's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """Machines with GPUs: any of the pools that has one.

    Attributes:
        pools: RunPod's ids of groups of like cards.
        excluded: ids of cards that are not to be taken, though they are in a pool.
        count: of each worker.
        min_cuda: least CUDA version of the driver, `major.minor`; None takes any.

    """

    pools: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    count: int = 1
    min_cuda: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """Machines without: a flavor, which says how much memory a vCPU has, and how many vCPUs."""

    flavor: str
    vcpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """When there are more workers.

    Attributes:
        type: QUEUE_DELAY: a job waits longer than `value` seconds; REQUEST_COUNT: more than
            `value` jobs, waiting or running, for each worker.
        value: of that.

    """

    type: ScalingType = "QUEUE_DELAY"
    value: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How many there are.

    Attributes:
        least: that are kept when there is nothing to do.
        most: at once.
        idle_seconds: after which one above `least` is stopped; None where RunPod does not say.

    """

    least: int = 0
    most: int = 3
    idle_seconds: int | None = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The id of an endpoint, or a volume, of this name that is still to be made."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSpec:
    """All that can be said of an endpoint.

    Attributes:
        name: unique among those of Parley.
        image: with its tag.
        disk_gb: of the container.
        registry: RunPod's id of credentials for the image; None where everybody may read it.
        machines: GPUs, or CPUs in the order in which they are preferred.
        workers: how many.
        scaling: when more.
        timeout_ms: how long a job may run.
        flashboot: RunPod's faster revival.
        data_centers: where; empty is anywhere.
        volumes: ids of network volumes.
        models: references of cached models, `https://huggingface.co/<repository>:<revision>`.
        environment: of the container. Its values may be secrets, so it is in no repr.

    """

    name: str
    image: str
    disk_gb: int
    machines: Gpu | tuple[Cpu, ...]
    workers: Workers
    scaling: Scaling
    timeout_ms: int
    flashboot: FlashBoot
    environment: Mapping[str, str | Pending] = field(repr=False)
    registry: str | None = None
    data_centers: tuple[str, ...] = ()
    volumes: tuple[str | Pending, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def mark(self) -> str | None:
        """The shape that it belongs to."""
        said = self.environment.get(MARK)
        return said if isinstance(said, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """An endpoint that exists.

    Attributes:
        id: RunPod's.
        spec: as RunPod tells it.
        created: when, as RunPod writes it; texts of this form sort by time.
        run_url: where its jobs are given, None where RunPod does not say.

    """

    id: str
    spec: EndpointSpec
    created: str = ""
    run_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """A network volume.

    Attributes:
        name: by which it is found again.
        size_gb: it can grow later, and never shrink.
        data_center: where it is, for good.

    """

    name: str
    size_gb: int
    data_center: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A network volume that exists."""

    id: str
    spec: VolumeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What RunPod keeps of an endpoint's container, and whose it is."""

    id: str
    name: str
    mark: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What an account holds.

    Attributes:
        endpoints: all, also those that are not Parley's.
        volumes: all.
        quota: most workers of all endpoints together; None where RunPod does not say.

    """

    endpoints: tuple[Deployed, ...] = ()
    volumes: tuple[Volume, ...] = ()
    quota: int | None = None

    def called(self, name: str) -> tuple[Deployed, ...]:
        """Endpoints of this name, the oldest first."""
        found = [one for one in self.endpoints if one.spec.name == name]
        return tuple(sorted(found, key=lambda one: (one.created, one.id)))
