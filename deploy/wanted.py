"""What a manifest asks for, here and now: with images, ids, secrets and the hour of the day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from deploy.endpoint import (
    MARK,
    Cpu,
    Deployed,
    EndpointSpec,
    Gpu,
    Pending,
    Scaling,
    State,
    VolumeSpec,
    Workers,
)
from deploy.errors import OrchestratorKeyMissing, RegistryMissing, ValueMissing
from deploy.images import tagged
from deploy.manifest import EndpointTable, Manifest, OfEndpoint, Shape, placeholder

ORCHESTRATOR_KEY: Final = "PARLEY_ORCHESTRATOR_KEY"
_ACCOUNT_KEY: Final = "RUNPOD_API_KEY"
_TOKEN: Final = "HF_TOKEN"  # noqa: S105  the variable's name
_COMMIT_LENGTH: Final = 40
_ADVICE: Final = {
    _TOKEN: (
        "it reads gated models. Accept their conditions on their pages, make a read token at "
        "https://huggingface.co/settings/tokens and export it, or export HF_TOKEN='{{ "
        "RUNPOD_SECRET_hf_token }}' where RunPod keeps it. Nothing was created."
    )
}
_NO_ADVICE: Final = "the manifest says ${...} without a question mark. Nothing was created."


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is not in the manifest.

    Attributes:
        variables: of whoever deploys; secrets among them.
        registry: where images are, such as `ghcr.io/you`.
        tag: of the images.
        moment: what the schedules are held against; it knows its zone.
        share_key: give the orchestrator the account's own key where it has none.

    """

    variables: Mapping[str, str] = field(repr=False)
    registry: str | None
    tag: str
    moment: datetime
    share_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The endpoints that a shape should have, those that others need first."""

    shape: Shape
    endpoints: tuple[EndpointSpec, ...]
    volume: VolumeSpec | None = None


def aim(manifest: Manifest, around: Surroundings, state: State) -> Aim:
    """Say what there should be.

    A variable that is not set leaves what an endpoint has already; one that is set to nothing
    removes it.

    Raises:
        ConfigError: something that is needed is nowhere.

    """
    tables = sorted(manifest.endpoints, key=_needs_others)
    volume = manifest.volume
    return Aim(
        shape=manifest.shape,
        endpoints=tuple(_spec(table, manifest, around, state) for table in tables),
        volume=VolumeSpec(**volume.model_dump()) if volume else None,
    )


def own(name: str, *, shape: Shape, state: State) -> Deployed | None:
    """The endpoint of this name that Parley made: this shape's if there is one."""
    marked = [one for one in state.called(name) if one.spec.mark is not None]
    return min(marked, key=lambda one: one.spec.mark != shape, default=None)


def mine(name: str, *, shape: Shape, state: State) -> Deployed | None:
    """The endpoint of this name that is this shape's."""
    found = own(name, shape=shape, state=state)
    return found if found and found.spec.mark == shape else None


def image_of(table: EndpointTable, around: Surroundings) -> str:
    """Where an endpoint's image is.

    Raises:
        RegistryMissing: nobody says.

    """
    if not around.registry:
        raise RegistryMissing
    return f"{around.registry.rstrip('/')}/{table.image}:{tagged(around.tag, table.variant)}"


def least_workers(table: EndpointTable, moment: datetime) -> int:
    """How many workers are kept running at a moment."""
    warm = table.warm
    return warm.workers if warm and warm.schedule.is_active(moment) else table.workers.min


def _needs_others(table: EndpointTable) -> bool:
    return any(isinstance(placeholder(text), OfEndpoint) for text in table.environment.values())


def _spec(
    table: EndpointTable, manifest: Manifest, around: Surroundings, state: State
) -> EndpointSpec:
    existing = own(table.name, shape=manifest.shape, state=state)
    machines = (
        Gpu(**table.gpu.model_dump())
        if table.gpu
        else tuple(Cpu(flavor=cpu.flavor, vcpus=cpu.vcpus) for cpu in table.cpu)
    )
    volume = manifest.volume if table.gpu else None
    return EndpointSpec(
        name=table.name,
        image=image_of(table, around),
        disk_gb=table.disk_gb,
        registry=table.registry,
        machines=machines,
        workers=Workers(
            least=least_workers(table, around.moment),
            most=table.workers.max,
            idle_seconds=table.workers.idle_seconds,
        ),
        scaling=Scaling(type=table.scaling.type, value=table.scaling.value),
        timeout_ms=table.timeout_seconds * 1000,
        flashboot=table.flashboot,
        data_centers=(volume.data_center,) if volume else tuple(sorted(table.data_centers)),
        volumes=(_volume_id(VolumeSpec(**volume.model_dump()), state),) if volume else (),
        models=_settled(
            [model.reference for model in table.models if model.source == "store"],
            existing.spec.models if existing else (),
        ),
        environment=_environment(table, manifest, around, state, existing),
    )


def _volume_id(volume: VolumeSpec, state: State) -> str | Pending:
    for one in state.volumes:
        if (one.spec.name, one.spec.data_center) == (volume.name, volume.data_center):
            return one.id
    return Pending(name=volume.name)


def _environment(
    table: EndpointTable,
    manifest: Manifest,
    around: Surroundings,
    state: State,
    existing: Deployed | None,
) -> dict[str, str | Pending]:
    values: dict[str, str | Pending] = {MARK: manifest.shape}
    for name, text in table.environment.items():
        named = placeholder(text)
        if named is None:
            values[name] = text
        elif isinstance(named, OfEndpoint):
            other = manifest.role(named.role).name
            found = own(other, shape=manifest.shape, state=state)
            values[name] = found.id if found else Pending(name=other)
        else:
            kept = existing.spec.environment.get(name) if existing else None
            value = around.variables.get(named.name, kept)
            if not value and named.needed:
                value = _instead(named.name, endpoint=table.name, around=around)
            if value:
                values[name] = value
    gated = any(model.gated and model.source != "image" for model in table.models)
    if gated and not values.get(_TOKEN):
        raise ValueMissing(_TOKEN, endpoint=table.name, reason=_ADVICE[_TOKEN])
    return values


def _instead(variable: str, *, endpoint: str, around: Surroundings) -> str:
    """What stands in for a variable that is needed and not set."""
    if variable == ORCHESTRATOR_KEY:
        key = around.variables.get(_ACCOUNT_KEY)
        if around.share_key and key:
            return key
        raise OrchestratorKeyMissing(endpoint)
    raise ValueMissing(variable, endpoint=endpoint, reason=_ADVICE.get(variable, _NO_ADVICE))


def _settled(wanted: Sequence[str], existing: Sequence[str]) -> tuple[str, ...]:
    """The references that are wanted; a branch is what RunPod made of it: one of its commits."""
    return tuple(
        next((had for had in existing if _is_commit_of(had, reference)), reference)
        for reference in wanted
    )


def _is_commit_of(had: str, reference: str) -> bool:
    repository, _, revision = had.rpartition(":")
    asked, _, asked_revision = reference.rpartition(":")
    same = repository.lower() == asked.lower()
    return same and (
        revision == asked_revision or (_is_commit(revision) and not _is_commit(asked_revision))
    )


def _is_commit(revision: str) -> bool:
    digits = set("0123456789abcdef")
    return len(revision) == _COMMIT_LENGTH and set(revision.lower()) <= digits
