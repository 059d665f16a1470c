"""Makes an account hold what is wanted: one call, then another look at what is left to do.

Nothing is remembered between runs: endpoints are found by their name and their mark. So a run that
was cut off after any call is completed by the next, and so is one whose answer was lost.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, assert_never

from deploy.endpoint import Deployed, Gpu, State, Volume
from deploy.errors import AnswerLost, NoCapacity, PoolUnknown
from deploy.manifest import Manifest
from deploy.plan import (
    Change,
    CreateEndpoint,
    CreateVolume,
    GrowVolume,
    Plan,
    RemoveEndpoint,
    UpdateEndpoint,
    made,
    plan,
)
from deploy.platform import Offer, Platform
from deploy.wanted import Aim, Surroundings, aim

Tell = Callable[[str], None]

_ROUNDS: Final = 2
"""How often it is read what RunPod made of it all; what it did not take is sent once more."""
_LOST: Final = 3
"""Lost answers after which it is given up."""
_LOOK_SECONDS: Final = 3.0
"""After a lost answer, until it is looked whether the request was carried out after all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an account holds afterwards, and what RunPod did not take."""

    state: State
    left: Plan


async def apply(
    manifest: Manifest,
    *,
    around: Surroundings,
    platform: Platform,
    tell: Tell,
    pause: float = _LOOK_SECONDS,
) -> Outcome:
    """Carry out what is left to do until nothing is.

    Args:
        manifest: what is wanted.
        around: what is not in it.
        platform: the account.
        tell: told each change when it is done.
        pause: seconds before it is looked again after an answer was lost.

    Raises:
        DeployError: what is done already stays, and is found by the next run.

    """
    state = await platform.read()
    lost = 0
    for _ in range(_ROUNDS):
        done: Change | None = None
        while (todo := plan(aim(manifest, around, state), state)).changes:
            if todo.changes[0] == done:  # it changes nothing
                break
            try:
                done = todo.changes[0]
                state = await _carry_out(done, platform, state, tell)
            except AnswerLost:
                lost += 1
                if lost == _LOST:
                    raise
                await asyncio.sleep(pause)
                state, done = await platform.read(), None
        state = await platform.read()
        todo = plan(aim(manifest, around, state), state)
        if not todo.changes:
            break
    return Outcome(state=state, left=todo)


async def check_supply(wanted: Aim, platform: Platform) -> None:
    """Look whether there are machines of the wanted kinds, before anything is created.

    Raises:
        PoolUnknown: RunPod has none that is called so.
        NoCapacity: it has none that is free.

    """
    places = {place for spec in wanted.endpoints for place in spec.data_centers}
    if places:
        known = await platform.data_centers()
        if strange := sorted(places - known):
            raise PoolUnknown(kind="data center", names=strange, known=sorted(known))
    for spec in wanted.endpoints:
        machines = spec.machines
        if isinstance(machines, Gpu):
            offers = await platform.gpu_offers(min_cuda=machines.min_cuda, count=machines.count)
            kind, names = "GPU pool", machines.pools
            found = [(name, offers.get(name)) for name in names]
            known = frozenset(offers)
        else:
            kind, names = "CPU flavor", tuple(cpu.flavor for cpu in machines)
            found, known = [], frozenset[str]()
            for cpu in machines:
                offers = await platform.cpu_offers(vcpus=cpu.vcpus)
                known |= frozenset(offers)
                found.append((cpu.flavor, offers.get(cpu.flavor)))
        if strange := [name for name, offer in found if offer is None]:
            raise PoolUnknown(kind=kind, names=strange, known=sorted(known))
        if not any(_is_free(offer, spec.data_centers) for _, offer in found if offer):
            cuda = machines.min_cuda if isinstance(machines, Gpu) else None
            asked = ", ".join(names) + (f" with CUDA {cuda} or later" if cuda else "")
            where = f"in {', '.join(spec.data_centers)}" if spec.data_centers else "anywhere"
            raise NoCapacity(spec.name, asked=asked, where=where)


async def destroy(
    manifest: Manifest, *, platform: Platform, tell: Tell, with_volume: bool = False
) -> None:
    """Delete all of a shape: its endpoints, what RunPod keeps of them, its volume if that is said.

    Endpoints are known by their mark, so that those of an earlier manifest go too.

    Raises:
        DeployError: run again, it goes on where it was.

    """
    state = await platform.read()
    for one in doomed(manifest, state):
        await platform.delete_endpoint(one.id)
        tell(f"- {one.spec.name} ({one.id}) is deleted.")
    for template in await platform.templates():
        if template.mark == manifest.shape:
            await platform.delete_template(template.id)
            tell(f"- template {template.name} ({template.id}) is deleted.")
    if with_volume:
        for volume in volumes_of(manifest, state):
            await platform.delete_volume(volume.id)
            tell(f"- network volume {volume.spec.name} ({volume.id}) is deleted.")


def doomed(manifest: Manifest, state: State) -> tuple[Deployed, ...]:
    """The endpoints of a shape; first those that call others."""
    callers = {endpoint.name for endpoint in manifest.endpoints if endpoint.role == "orchestrator"}
    ours = [one for one in state.endpoints if one.spec.mark == manifest.shape]
    return tuple(sorted(ours, key=lambda one: (one.spec.name not in callers, one.spec.name)))


def volumes_of(manifest: Manifest, state: State) -> Iterator[Volume]:
    """The network volumes that the manifest names."""
    wanted = manifest.volume
    for volume in state.volumes:
        spec = volume.spec
        if wanted and (spec.name, spec.data_center) == (wanted.name, wanted.data_center):
            yield volume


def _is_free(offer: Offer, places: tuple[str, ...]) -> bool:
    somewhere = offer.data_centers is None or not places
    return offer.available and (somewhere or bool(offer.data_centers & set(places)))  # type: ignore[operator]


async def _carry_out(change: Change, platform: Platform, state: State, tell: Tell) -> State:
    """Send one call, and tell what there is if RunPod did as it was told."""
    match change:
        case CreateVolume(spec=spec):
            volume = await platform.create_volume(spec)
            tell(f"+ network volume {spec.name} ({volume.id}) is there.")
            return replace(state, volumes=(*state.volumes, volume))
        case GrowVolume(volume=volume, size_gb=size):
            await platform.grow_volume(volume, size_gb=size)
            tell(f"~ network volume {volume.spec.name} has {size} GB.")
            grown = replace(volume, spec=replace(volume.spec, size_gb=size))
            others = tuple(one for one in state.volumes if one.id != volume.id)
            return replace(state, volumes=(*others, grown))
        case RemoveEndpoint(existing=existing):
            await platform.delete_endpoint(existing.id)
            tell(f"- {existing.spec.name} ({existing.id}) is deleted.")
            return _without(state, existing)
        case CreateEndpoint(spec=spec):
            created = await platform.create_endpoint(made(spec))
            tell(f"+ {spec.name} ({created.id}) is there.")
            return replace(state, endpoints=(*state.endpoints, replace(created, spec=made(spec))))
        case UpdateEndpoint():
            return await _update(change, platform, state, tell)
        case _:
            assert_never(change)


async def _update(change: UpdateEndpoint, platform: Platform, state: State, tell: Tell) -> State:
    existing, spec = change.existing, change.spec
    # models come last: whether an update by REST keeps them is nowhere said
    held_back = {"models", "workers.min"} if "models" in change.keys else set[str]()
    now = change.keys - held_back
    reached = spec
    if now and held_back:
        workers = replace(spec.workers, least=existing.spec.workers.least)
        reached = replace(spec, models=existing.spec.models, workers=workers)
    if now:
        await platform.update_endpoint(existing, reached, keys=now)
        tell(f"~ {spec.name} ({existing.id}): {', '.join(sorted(now))}.")
    else:
        await platform.set_models(existing, spec.models, least_workers=spec.workers.least)
        tell(f"~ {spec.name} ({existing.id}): models.")
    others = _without(state, existing).endpoints
    return replace(state, endpoints=(*others, replace(existing, spec=reached)))


def _without(state: State, existing: Deployed) -> State:
    others = tuple(one for one in state.endpoints if one.id != existing.id)
    return replace(state, endpoints=others)
