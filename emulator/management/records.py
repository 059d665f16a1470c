"""What an account has: endpoints, templates, network volumes, registry credentials."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

from emulator.management.schemas import FlashBoot
from emulator.manifest import Scaling

_LETTERS: Final = string.ascii_lowercase + string.digits
_ID_LENGTH: Final = 14


def new_id() -> str:
    """Make an id as RunPod's are: small letters and digits."""
    first = secrets.choice(string.ascii_lowercase)
    return first + "".join(secrets.choice(_LETTERS) for _ in range(_ID_LENGTH - 1))


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a worker runs; `disk` is in GB. Values of `env` may be secret, and are not shown."""

    image: str
    args: str = ""
    disk: int = 20
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: tuple[str, ...] = ()
    registry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """Which GPUs workers may run on."""

    pools: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    count: int = 1
    cuda_versions: tuple[str, ...] = ()
    least_cuda: str = ""


@dataclass(frozen=True, slots=True)
class Cpu:
    """One alternative of a CPU worker."""

    flavor: str
    vcpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of an endpoint, and what it changed: (field, old, new)."""

    version: int
    changes: tuple[tuple[str, Any, Any], ...] = field(default=(), repr=False)
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint.

    Args:
        id: its part of the URLs.
        name: for people; several endpoints may have the same.
        container: what its workers run.
        template_id: the template that is bound to it.
        gpu: where its workers run, or else `cpu`.
        cpu: alternatives, the best first.
        workers_min: see `emulator.manifest`.
        workers_max: too.
        idle_timeout: in seconds.
        scaling: when there are more workers.
        data_centers: where; none is anywhere.
        volumes: ids of network volumes.
        timeout: of a job in milliseconds; 0 is none.
        flashboot: kept, without an effect here.
        models: references to cached models, with their commits.
        created: when.
        releases: the versions, the newest last.

    """

    id: str = field(default_factory=new_id)
    name: str
    container: Container
    template_id: str
    gpu: Gpu | None = None
    cpu: tuple[Cpu, ...] = ()
    workers_min: int = 0
    workers_max: int = 3
    idle_timeout: int = 10
    scaling: Scaling = field(default_factory=Scaling)
    data_centers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    timeout: int = 0
    flashboot: FlashBoot = "OFF"
    models: tuple[str, ...] = ()
    created: datetime = field(default_factory=now)
    releases: tuple[Release, ...] = field(default_factory=lambda: (Release(version=1),))

    @property
    def version(self) -> int:
        return self.releases[-1].version

    def released(self, before: Self) -> Self:
        """Add a release where what its workers run, or where, is not what it was before."""
        changes = tuple(_changes(before, self))
        if not changes:
            return self
        release = Release(version=before.version + 1, changes=changes)
        return replace(self, releases=(*before.releases, release))


def _changes(old: Endpoint, new: Endpoint) -> list[tuple[str, Any, Any]]:
    """List what makes a release, under the names that the API's description gives for instance."""

    def facts(endpoint: Endpoint) -> dict[str, Any]:
        container, gpu = endpoint.container, endpoint.gpu
        return {
            "template.imageName": container.image,
            "template.dockerArgs": container.args,
            "template.containerDiskInGb": container.disk,
            "template.env": dict(container.env),
            "template.ports": list(container.ports),
            "template.containerRegistryAuthId": container.registry,
            "gpuIds": gpu_ids(gpu),
            "gpuCount": gpu.count if gpu else 0,
            "allowedCudaVersions": ",".join(gpu.cuda_versions) if gpu else "",
            "minCudaVersion": gpu.least_cuda if gpu else "",
            "instanceIds": [f"{cpu.flavor}-{cpu.vcpus}" for cpu in endpoint.cpu],
            "locations": ",".join(endpoint.data_centers),
            "networkVolumeIds": list(endpoint.volumes),
            "modelReferences": list(endpoint.models),
        }

    before, after = facts(old), facts(new)
    return [(name, before[name], after[name]) for name in after if before[name] != after[name]]


def gpu_ids(gpu: Gpu | None) -> str:
    """Write a choice of GPUs as GraphQL has it: `POOL,POOL,-TYPE`."""
    return ",".join([*gpu.pools, *(f"-{name}" for name in gpu.excluded)]) if gpu else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A preset of a container; `bound_to` is the endpoint that it goes with, or empty."""

    id: str = field(default_factory=new_id)
    name: str
    container: Container
    is_serverless: bool = False
    is_public: bool = False
    category: Literal["CPU", "NVIDIA", "AMD"] = "NVIDIA"
    starts_ssh: bool = True
    starts_jupyter: bool = True
    cuda_versions: tuple[str, ...] = ()
    disk_size: int = 0
    """Of a persistent mount in GB; 0 is none."""
    disk_path: str = ""
    readme: str = ""
    bound_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A network volume; `size` is in GB."""

    id: str = field(default_factory=new_id)
    name: str
    size: int
    data_center: str
    type: Literal["STANDARD", "HIGH_PERFORMANCE"] = "STANDARD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Credentials of a registry; here only their name is kept."""

    id: str = field(default_factory=new_id)
    name: str
