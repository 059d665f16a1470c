"""What each command does with an account."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp
import typer

from deploy import smoke
from deploy.apply import Outcome, apply, check_supply, destroy, doomed, volumes_of
from deploy.endpoint import Deployed, Gpu, State
from deploy.errors import ImageMissing, ModelRefused, ValueMissing, VariableInvalid
from deploy.hub import HUB, gives
from deploy.images import build_and_push, source_tag
from deploy.manifest import EndpointTable, Manifest, Shape
from deploy.manifest_file import FOLDER, read_manifest
from deploy.plan import CreateEndpoint, Plan, RemoveEndpoint, UpdateEndpoint, plan, render, summary
from deploy.registry import is_there
from deploy.runpod import RunPod
from deploy.runpod.wire import Wire
from deploy.secrets import is_reference
from deploy.settings import Settings
from deploy.wanted import Surroundings, aim, image_of, mine
from deploy.warm import warm
from handlers.prices import PriceList

_UNFINISHED: Final = 1
_YES: Final = "--yes"
_TOKEN: Final = "HF_TOKEN"  # noqa: S105  the variable's name
_BUILDS: Final = (
    "gated weights are put into it here. Accept their conditions on their page, and export a read "
    "token of https://huggingface.co/settings/tokens. Nothing was created."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the commands work with.

    Attributes:
        manifest: of the shape.
        settings: the environment.
        platform: the account.
        session: connections, for others than RunPod.
        tell: writes a line, without secrets.

    """

    manifest: Manifest
    settings: Settings
    platform: RunPod
    session: aiohttp.ClientSession
    tell: Callable[[str], None]

    def around(self, *, share_key: bool) -> Surroundings:
        """What the manifest does not say."""
        settings = self.settings
        return Surroundings(
            variables=settings.variables,
            registry=settings.registry,
            tag=settings.tag or source_tag(),
            moment=datetime.now(UTC),
            share_key=share_key,
        )


async def show_plan(desk: Desk, *, share_key: bool) -> int:
    around = desk.around(share_key=share_key)
    state = await desk.platform.read()
    _show(plan(aim(desk.manifest, around, state), state), desk)
    return 0


async def bring_up(desk: Desk, *, share_key: bool, yes: bool, within: float | None) -> int:
    manifest, platform, settings = desk.manifest, desk.platform, desk.settings
    around = desk.around(share_key=share_key)
    state = await platform.read()
    wanted = aim(manifest, around, state)
    planned = plan(wanted, state)
    _show(planned, desk)
    asked = [
        change.existing.spec.name
        for change in planned.changes
        if isinstance(change, RemoveEndpoint) and change.asks
    ]
    if asked and not _agreed(f"Delete {', '.join(asked)}?", yes=yes):
        return _UNFINISHED
    if _touches_machines(planned):
        await check_supply(wanted, platform)
    await _check_models(desk, around)
    await _provide_images(desk, around)
    outcome = await apply(manifest, around=around, platform=platform, tell=desk.tell)
    _show_left(outcome, desk)
    if within is None:
        return 0
    target = smoke.Target.of(
        manifest, _found(manifest, outcome.state), base_url=settings.endpoint_base
    )
    desk.tell("The sample is being transcribed.")
    reply = await smoke.transcribe(
        target, platform=platform, api_key=settings.api_key, within=within, tell=desk.tell
    )
    costs = await smoke.cost(target, reply, platform=platform, listed=PriceList.read())
    lines = [*smoke.excerpt(reply), "Weights:", *smoke.origins(reply), *smoke.guide(target), *costs]
    for line in lines:
        desk.tell(line)
    return 0


async def show_status(desk: Desk) -> int:
    state = await desk.platform.read()
    complete = True
    for table in desk.manifest.endpoints:
        one = mine(table.name, shape=desk.manifest.shape, state=state)
        if one is None:
            desk.tell(f"{table.name}: not there")
            complete = False
            continue
        spec = one.spec
        machines = (
            ", ".join(spec.machines.pools)
            if isinstance(spec.machines, Gpu)
            else ", ".join(f"{cpu.flavor} with {cpu.vcpus} vCPUs" for cpu in spec.machines)
        )
        desk.tell(f"{spec.name}: {one.id}, {await desk.platform.workers(one.id)}")
        desk.tell(f"    {spec.image} on {machines}")
        desk.tell(f"    workers {spec.workers.least} to {spec.workers.most}")
        for model in spec.models:
            desk.tell(f"    cached {model}")
    return 0 if complete else _UNFINISHED


async def tear_down(desk: Desk, *, yes: bool, with_volume: bool) -> int:
    manifest, platform = desk.manifest, desk.platform
    state = await platform.read()
    names = [f"{one.spec.name} ({one.id})" for one in doomed(manifest, state)]
    volumes = [f"network volume {one.spec.name}" for one in volumes_of(manifest, state)]
    if with_volume:
        names += volumes
    elif volumes:
        desk.tell(f"{volumes[0]} stays, with its data; --with-volume deletes it too.")
    if names and not _agreed(f"Delete {', '.join(names)}?", yes=yes):
        return _UNFINISHED
    await destroy(manifest, platform=platform, tell=desk.tell, with_volume=with_volume)
    desk.tell(f"Nothing of {manifest.shape} is left.")
    return 0


async def keep_warm(desk: Desk) -> int:
    complete = await warm(
        desk.manifest, platform=desk.platform, moment=datetime.now(UTC), tell=desk.tell
    )
    return 0 if complete else _UNFINISHED


async def ping(desk: Desk, *, within: float) -> int:
    manifest, settings = desk.manifest, desk.settings
    found = _found(manifest, await desk.platform.read())
    missing = [table.name for table in manifest.endpoints if table.name not in found]
    if missing:
        desk.tell(f"{', '.join(missing)}: not there. Run `make deploy-{manifest.shape}`.")
        return _UNFINISHED
    await smoke.ping(
        smoke.Target.of(manifest, found, base_url=settings.endpoint_base),
        platform=desk.platform,
        api_key=settings.api_key,
        within=within,
        tell=desk.tell,
    )
    return 0


def _found(manifest: Manifest, state: State) -> dict[str, Deployed]:
    """The endpoints of a manifest that there are, by name."""
    named = {
        table.name: mine(table.name, shape=manifest.shape, state=state)
        for table in manifest.endpoints
    }
    return {name: one for name, one in named.items() if one}


def _show(planned: Plan, desk: Desk) -> None:
    for line in [*render(planned), *_notes(desk.manifest), summary(planned)]:
        desk.tell(line)


def _notes(manifest: Manifest) -> list[str]:
    """Where each model comes from, which decides how long a start takes."""
    where = {
        "store": "cached by RunPod before a worker starts",
        "image": "in the image",
        "volume": "on the network volume, after the first worker downloaded it",
    }
    return [
        f"  {table.name}: {model.repository} is {where[model.source]}"
        for table in manifest.endpoints
        for model in table.models
    ]


def _show_left(outcome: Outcome, desk: Desk) -> None:
    """Say what RunPod keeps otherwise than it was told."""
    if outcome.left.changes:
        desk.tell("RunPod did not take this, though it refused nothing:")
        for line in render(outcome.left):
            desk.tell(f"    {line}")


def _touches_machines(planned: Plan) -> bool:
    kinds = ("gpu", "cpu", "data_centers")
    return any(
        isinstance(change, CreateEndpoint)
        or (
            isinstance(change, UpdateEndpoint)
            and any(key.partition(".")[0] in kinds for key in change.keys)
        )
        for change in planned.changes
    )


async def _check_models(desk: Desk, around: Surroundings) -> None:
    """Ask the hub whether it gives what is gated to the token that workers get.

    Raises:
        ModelRefused: it does not.

    """
    token = around.variables.get(_TOKEN, "")
    if desk.settings.is_local or not token or is_reference(token):
        return
    hub = desk.settings.hub or HUB
    gated = {
        model.repository
        for table in desk.manifest.endpoints
        for model in table.models
        if model.gated
    }
    for repository in sorted(gated):
        given = await gives(repository, token=token, session=desk.session, hub=hub)
        if given is False:
            raise ModelRefused(repository)
        if given is None:
            desk.tell(f"The hub did not say whether it gives {repository} to this HF_TOKEN.")


async def _provide_images(desk: Desk, around: Surroundings) -> None:
    """Have the images where RunPod will look for them.

    Raises:
        ImageError: they are not there.

    """
    if desk.settings.is_local:
        desk.tell("The platform is on this machine: images are neither built nor looked for.")
        return
    tables = {image_of(table, around): table for table in desk.manifest.endpoints}
    there = {image: await is_there(image, session=desk.session) for image in tables}
    missing = [image for image, found in there.items() if not found]
    if desk.settings.tag is None and missing:
        wanted = [(tables[image].image, tables[image].variant) for image in missing]
        _check_token([tables[image] for image in missing], around)
        desk.tell(f"Building and pushing {', '.join(missing)}.")
        registry = (around.registry or "").rstrip("/")
        await asyncio.to_thread(build_and_push, wanted, registry=registry, tag=around.tag)
        there |= {image: await is_there(image, session=desk.session) for image in missing}
    for image, found in there.items():
        if found is False and tables[image].registry is None:
            raise ImageMissing(image)
        if found is None:
            desk.tell(f"The registry did not say whether it has {image}.")


def _check_token(tables: Sequence[EndpointTable], around: Surroundings) -> None:
    """See that images with gated weights can be built.

    Raises:
        ValueMissing: they cannot.

    """
    token = around.variables.get(_TOKEN, "")
    for table in tables:
        gated = any(model.gated and model.source == "image" for model in table.models)
        if gated and (not token or is_reference(token)):
            raise ValueMissing(_TOKEN, endpoint=f"the image of {table.name}", reason=_BUILDS)


def _agreed(question: str, *, yes: bool) -> bool:
    """Ask somebody; nobody there is a no."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise VariableInvalid(_YES, reason=f"is needed where nobody can answer: {question}")
    return typer.confirm(question)


@asynccontextmanager
async def open_desk(
    shape: Shape, manifest: Path | None, *, tell: Callable[[str], None]
) -> AsyncIterator[Desk]:
    settings = Settings.read(os.environ)
    read = read_manifest(manifest or FOLDER / f"{shape}.toml")
    if read.shape != shape:
        reason = f"is of the shape {read.shape}, and {shape} was asked for."
        raise VariableInvalid(str(manifest), reason=reason)
    async with aiohttp.ClientSession(trust_env=True) as session:
        wire = Wire(
            session=session,
            base=settings.api_base,
            key=settings.api_key,
            secrets=settings.secrets,
        )
        yield Desk(
            manifest=read,
            settings=settings,
            platform=RunPod(wire),
            session=session,
            tell=lambda line: tell(settings.secrets.hide(line)),
        )
