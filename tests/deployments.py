"""An account of RunPod in memory, and manifests to deploy to it."""

import copy
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from deploy.endpoint import (
    Deployed,
    EndpointSpec,
    Gpu,
    State,
    Template,
    Volume,
    VolumeSpec,
)
from deploy.errors import QuotaRefused
from deploy.manifest import Manifest, Shape
from deploy.manifest_file import FOLDER, parse_manifest
from deploy.platform import Offer, WorkerCounts
from deploy.wanted import Surroundings

MONDAY_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = "rpa_account-key-of-the-tests"
TOKEN = "hf_tokenofthetests"  # noqa: S105  nobody takes it
ORCHESTRATOR_KEY = "rpa_orchestrator-key-of-the-tests"
BUCKET_SECRET = "bucket-secret-of-the-tests"  # noqa: S105  nor this
SECRETS = (KEY, TOKEN, ORCHESTRATOR_KEY, BUCKET_SECRET)
VARIABLES = {
    "RUNPOD_API_KEY": KEY,
    "HF_TOKEN": TOKEN,
    "PARLEY_ORCHESTRATOR_KEY": ORCHESTRATOR_KEY,
    "BUCKET_SECRET_ACCESS_KEY": BUCKET_SECRET,
}


class Killed(BaseException):
    """The process ended here."""


def surroundings(**changes: Any) -> Surroundings:
    around = Surroundings(
        variables=VARIABLES, registry="ghcr.io/somebody", tag="1.0", moment=MONDAY_NOON
    )
    return replace(around, **changes)


def values_of(shape: Shape) -> dict[str, Any]:
    """What the shape's own manifest says."""
    return tomllib.loads((FOLDER / f"{shape}.toml").read_text())


def manifest_of(shape: Shape, change: Callable[[dict[str, Any]], Any] | None = None) -> Manifest:
    """The shape's own manifest, changed."""
    values = copy.deepcopy(values_of(shape))
    if change:
        change(values)
    return parse_manifest(values, file="changed.toml")


def called(values: dict[str, Any], role: str) -> dict[str, Any]:
    """The table of the endpoint of a role."""
    found: dict[str, Any] = next(one for one in values["endpoints"] if one["role"] == role)
    return found


@dataclass
class Account:
    """Does what RunPod is documented to do, and ends the process when it is told to.

    Attributes:
        dies_after: calls that change something, after which the process ends; its answer is lost.
        before: called with the name of each method, and may raise.
        after: the same, when it has done its work.
        takes_updates: whether an update changes anything.
    """

    quota: int | None = 5
    endpoints: dict[str, Deployed] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    leftovers: dict[str, Template] = field(default_factory=dict)
    dies_after: int | None = None
    before: Callable[[str], None] = lambda _name: None
    after: Callable[[str], None] = lambda _name: None
    pools: tuple[str, ...] = ("AMPERE_16", "AMPERE_24", "ADA_24")
    free: Collection[str] = ("AMPERE_16", "AMPERE_24", "ADA_24", "cpu3c", "cpu3g", "cpu5c")
    takes_updates: bool = True
    changes: list[str] = field(default_factory=list)
    made: int = 0
    counts: WorkerCounts = field(default_factory=lambda: WorkerCounts(idle=1))

    def _did(self, name: str) -> None:
        self.changes.append(name)
        if self.dies_after is not None and len(self.changes) >= self.dies_after:
            self.dies_after = None
            raise Killed
        self.after(name)

    def _new_id(self, kind: str) -> str:
        self.made += 1
        return f"{kind}{self.made}"

    def _require_room(self, spec: EndpointSpec, *, but: str = "") -> None:
        others = sum(one.spec.workers.most for one in self.endpoints.values() if one.id != but)
        if self.quota is not None and others + spec.workers.most > self.quota:
            raise QuotaRefused(reason="Max workers must not exceed your workers quota")

    async def read(self) -> State:
        self.before("read")
        return State(
            endpoints=tuple(self.endpoints.values()),
            volumes=tuple(self.volumes.values()),
            quota=self.quota,
        )

    async def create_endpoint(self, spec: EndpointSpec) -> Deployed:
        self.before("create_endpoint")
        assert not spec.models, "REST v2 has no field for models"
        assert all(isinstance(value, str) for value in spec.environment.values())
        assert all(volume in self.volumes for volume in spec.volumes)
        self._require_room(spec)
        one = Deployed(
            id=self._new_id("ep"),
            spec=spec,
            created=f"2026-11-21T00:00:{self.made:02}Z",
            run_url=None,
        )
        self.endpoints[one.id] = one
        self._did("create_endpoint")
        return one

    async def update_endpoint(
        self, existing: Deployed, spec: EndpointSpec, *, keys: Collection[str]
    ) -> None:
        self.before("update_endpoint")
        assert "models" not in keys
        self._require_room(spec, but=existing.id)
        if self.takes_updates:
            one = self.endpoints[existing.id]
            self.endpoints[existing.id] = replace(one, spec=_with(one.spec, spec, keys))
        self._did("update_endpoint")

    async def set_models(
        self, existing: Deployed, models: Sequence[str], *, least_workers: int
    ) -> None:
        self.before("set_models")
        one = self.endpoints[existing.id]
        assert isinstance(one.spec.machines, Gpu), "models are for GPU endpoints"
        spec = replace(
            one.spec,
            models=tuple(_pinned(model) for model in models),
            workers=replace(one.spec.workers, least=least_workers),
        )
        self.endpoints[existing.id] = replace(one, spec=spec)
        self._did("set_models")

    async def set_workers(self, existing: Deployed, *, least: int) -> None:
        self.before("set_workers")
        one = self.endpoints[existing.id]
        workers = replace(one.spec.workers, least=least)
        self.endpoints[existing.id] = replace(one, spec=replace(one.spec, workers=workers))
        self._did("set_workers")

    async def delete_endpoint(self, endpoint: str) -> None:
        self.before("delete_endpoint")
        self.endpoints.pop(endpoint, None)
        self._did("delete_endpoint")

    async def workers(self, endpoint: str) -> WorkerCounts:
        self.before("workers")
        assert endpoint in self.endpoints
        return self.counts

    async def create_volume(self, spec: VolumeSpec) -> Volume:
        self.before("create_volume")
        volume = Volume(id=self._new_id("vol"), spec=spec)
        self.volumes[volume.id] = volume
        self._did("create_volume")
        return volume

    async def grow_volume(self, volume: Volume, *, size_gb: int) -> None:
        self.before("grow_volume")
        one = self.volumes[volume.id]
        assert size_gb > one.spec.size_gb
        self.volumes[volume.id] = replace(one, spec=replace(one.spec, size_gb=size_gb))
        self._did("grow_volume")

    async def delete_volume(self, volume: str) -> None:
        self.before("delete_volume")
        self.volumes.pop(volume, None)
        self._did("delete_volume")

    async def templates(self) -> tuple[Template, ...]:
        return tuple(self.leftovers.values())

    async def delete_template(self, template: str) -> None:
        self.leftovers.pop(template, None)
        self._did("delete_template")

    async def gpu_offers(self, *, min_cuda: str | None, count: int) -> Mapping[str, Offer]:
        assert min_cuda == "13.0"
        assert count == 1
        return {
            pool: Offer(
                id=pool,
                available=pool in self.free,
                data_centers=frozenset({"EU-RO-1"}),
                dollars_per_hour=0.36,
            )
            for pool in self.pools
        }

    async def cpu_offers(self, *, vcpus: int) -> Mapping[str, Offer]:
        assert vcpus >= 2
        flavors = ("cpu3c", "cpu3g", "cpu5c")
        return {name: Offer(id=name, available=name in self.free) for name in flavors}

    async def data_centers(self) -> frozenset[str]:
        return frozenset({"EU-RO-1", "US-TX-3"})

    def by_name(self) -> dict[str, EndpointSpec]:
        """What there is, without ids; ids that others hold are names."""
        names = {one.id: one.spec.name for one in self.endpoints.values()}
        found = {
            one.spec.name: replace(
                one.spec,
                environment={
                    name: names.get(str(value), str(value))
                    for name, value in one.spec.environment.items()
                },
            )
            for one in self.endpoints.values()
        }
        assert len(found) == len(self.endpoints), "a duplicate"
        return found


def _pinned(model: str) -> str:
    repository, _, revision = model.rpartition(":")
    return f"{repository}:{'5' * 40}" if revision == "main" else model


def _with(old: EndpointSpec, new: EndpointSpec, keys: Collection[str]) -> EndpointSpec:
    """The old one with the sections of the new that these keys are in."""
    fields = {
        "gpu": "machines",
        "cpu": "machines",
        "timeout_seconds": "timeout_ms",
    }
    sections = {key.partition(".")[0] for key in keys}
    taken = {fields.get(name, name) for name in sections}
    return replace(old, **{name: getattr(new, name) for name in taken})
