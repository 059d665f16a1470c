"""What has to change so that an account holds what is wanted: pure, and shown as a diff."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from deploy.differences import Difference, differences, told
from deploy.endpoint import (
    MARK,
    Deployed,
    EndpointSpec,
    Gpu,
    State,
    Volume,
    VolumeSpec,
)
from deploy.errors import CannotChange, NameTaken, QuotaExceeded
from deploy.wanted import Aim, own


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolume:
    """A volume that is not there."""

    spec: VolumeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowVolume:
    """A volume that is too small."""

    volume: Volume
    size_gb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateEndpoint:
    """An endpoint that is not there."""

    spec: EndpointSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateEndpoint:
    """An endpoint that differs."""

    existing: Deployed
    spec: EndpointSpec
    differences: tuple[Difference, ...]

    @property
    def keys(self) -> frozenset[str]:
        """What differs."""
        return frozenset(difference.key for difference in self.differences)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveEndpoint:
    """An endpoint of the shape that should not be there.

    Attributes:
        existing: it.
        why: for a reader.
        asks: whether somebody has to agree first.

    """

    existing: Deployed
    why: str
    asks: bool


Change = CreateVolume | GrowVolume | CreateEndpoint | UpdateEndpoint | RemoveEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Changes in the order in which they are made, and what is right already."""

    changes: tuple[Change, ...]
    right: tuple[str, ...] = field(default=())


def plan(aim: Aim, state: State) -> Plan:
    """Compare what is wanted with what there is.

    Raises:
        NameTaken: an endpoint of a wanted name is not this shape's.
        CannotChange: what is wanted needs another endpoint.
        QuotaExceeded: the account does not allow so many workers.

    """
    found = {spec.name: own(spec.name, shape=aim.shape, state=state) for spec in aim.endpoints}
    for spec in aim.endpoints:
        _check_owner(spec, found[spec.name], aim=aim, state=state)
    removals = tuple(_removals(aim, found, state))
    changes = [*_volume_changes(aim.volume, state), *removals]
    right = []
    for spec in aim.endpoints:
        existing = found[spec.name]
        if existing is None:
            changes.append(CreateEndpoint(spec=spec))
            continue
        if isinstance(existing.spec.machines, Gpu) != isinstance(spec.machines, Gpu):
            reason = "GPU and CPU endpoints cannot become each other"
            raise CannotChange(spec.name, reason=reason, shape=aim.shape)
        if found_differences := differences(existing.spec, spec):
            changes.append(
                UpdateEndpoint(existing=existing, spec=spec, differences=found_differences)
            )
        else:
            right.append(f"{spec.name} ({existing.id})")
    _check_quota(aim, found, removals, state)
    return Plan(changes=tuple(changes), right=tuple(right))


def render(plan: Plan) -> list[str]:
    """Write a plan as lines of a diff: + is new, ~ changes, - goes, = stays."""
    lines = [line for change in plan.changes for line in _lines(change)]
    return [*lines, *(f"= {name}" for name in plan.right)]


def summary(plan: Plan) -> str:
    """Count what a plan changes."""
    kinds = {"+": 0, "~": 0, "-": 0}
    for change in plan.changes:
        kinds[_sign(change)] += 1
    if not plan.changes:
        return "No changes: everything is as the manifest says."
    return f"{kinds['+']} to create, {kinds['~']} to change, {kinds['-']} to delete."


def _check_owner(spec: EndpointSpec, existing: Deployed | None, *, aim: Aim, state: State) -> None:
    if existing is None:
        if strangers := state.called(spec.name):
            raise NameTaken(
                spec.name,
                reason=f"Parley did not make it ({strangers[0].id} has no {MARK})",
                advice="Rename it, or give another name in the manifest.",
            )
        return
    owner = existing.spec.mark
    if owner == aim.shape:
        return
    # a shape that grows may take over what another has, if it leaves nothing of it behind
    wanted = {one.name for one in aim.endpoints}
    left = sorted(
        one.spec.name
        for one in state.endpoints
        if one.spec.mark == owner and one.spec.name not in wanted
    )
    if left:
        raise NameTaken(
            spec.name,
            reason=f"it belongs to the shape {owner}, with {', '.join(left)}",
            advice=f"Run `make destroy-{owner}` first, or give another name in the manifest.",
        )


def _removals(
    aim: Aim, found: Mapping[str, Deployed | None], state: State
) -> Iterator[RemoveEndpoint]:
    for one in state.endpoints:
        if one.spec.mark != aim.shape:
            continue
        if one.spec.name not in found:
            yield RemoveEndpoint(existing=one, why="no longer in the manifest", asks=True)
        elif (kept := found[one.spec.name]) is not None and kept.id != one.id:
            why = f"the same as {kept.id}, left by a run that was cut off"
            yield RemoveEndpoint(existing=one, why=why, asks=False)


def _volume_changes(wanted: VolumeSpec | None, state: State) -> list[Change]:
    if wanted is None:
        return []
    for one in state.volumes:
        if (one.spec.name, one.spec.data_center) == (wanted.name, wanted.data_center):
            small = one.spec.size_gb < wanted.size_gb
            return [GrowVolume(volume=one, size_gb=wanted.size_gb)] if small else []
    return [CreateVolume(spec=wanted)]


def _check_quota(
    aim: Aim,
    found: Mapping[str, Deployed | None],
    removals: Sequence[RemoveEndpoint],
    state: State,
) -> None:
    before = {one.id: one.spec.workers.most for one in state.endpoints}
    gone = {removal.existing.id for removal in removals}
    ours = {one.id for one in found.values() if one is not None}
    kept = [one for one in state.endpoints if one.id not in gone | ours]
    most = [
        *((spec.name, spec.workers.most) for spec in aim.endpoints),
        *((one.spec.name, one.spec.workers.most) for one in kept),
    ]
    total = sum(count for _, count in most)
    grows = total > sum(before.values())
    if state.quota is not None and grows and total > state.quota:
        raise QuotaExceeded(
            quota=state.quota,
            wanted=total,
            endpoints=[f"{name} {count}" for name, count in most if count],
        )


def _sign(change: Change) -> str:
    if isinstance(change, CreateVolume | CreateEndpoint):
        return "+"
    return "-" if isinstance(change, RemoveEndpoint) else "~"


def _lines(change: Change) -> Iterable[str]:
    sign = _sign(change)
    match change:
        case CreateVolume(spec=volume):
            size = f"{volume.size_gb} GB in {volume.data_center}"
            return [f"{sign} network volume {volume.name}: {size}"]
        case GrowVolume(volume=volume, size_gb=size):
            return [f"{sign} network volume {volume.spec.name}: {volume.spec.size_gb} -> {size} GB"]
        case RemoveEndpoint(existing=existing, why=why):
            return [f"{sign} {existing.spec.name} ({existing.id}): {why}"]
        case CreateEndpoint(spec=spec):
            return [f"{sign} {spec.name}", *(f"    {key}: {value}" for key, value in told(spec))]
        case UpdateEndpoint(existing=existing, differences=found):
            changes = [f"    {one.key}: {one.old} -> {one.new}" for one in found]
            return [f"{sign} {existing.spec.name} ({existing.id})", *changes]


def made(spec: EndpointSpec) -> EndpointSpec:
    """What the first call makes of a new endpoint: models come after it, and workers after them."""
    if not spec.models:
        return spec
    return replace(spec, models=(), workers=replace(spec.workers, least=0))
