"""`parley emulate`: the shapes of Parley on a RunPod of this machine."""

import asyncio
import errno
import importlib
import logging
import os
import signal
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from parley.emulate_guide import ALWAYS, guide, sample

if TYPE_CHECKING:
    from emulator.faults import Fault
    from emulator.management.api import Setup
    from emulator.manifest import Manifest

__all__ = ["Plan", "emulate", "run", "sample"]

_DEFAULT_PORT: Final = 8700
_ACCOUNT: Final = "RUNPOD_SECRET_"
_FAULT_FORM: Final = "KIND:ENDPOINT[:every=N][:times=N][:seconds=S][:route=R]"
# the platform serves the sample from this machine
_DEVELOPMENT: Final = {"PARLEY_ALLOW_PRIVATE_ADDRESSES": "true"}


def emulate(  # noqa: PLR0913  one parameter an option
    shape: Annotated[
        Literal["single", "split", "orch", "empty"] | None,
        typer.Argument(metavar="[single|split|orch|empty]", help="What to start."),
    ] = None,
    *,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Endpoints of a TOML file, not a shape.")
    ] = None,
    port: Annotated[
        int,
        typer.Option(metavar="N", help="Where to listen; 0 is any that is free.", min=0, max=65535),
    ] = _DEFAULT_PORT,
    models: Annotated[
        Literal["demo", "real"],
        typer.Option(metavar="demo|real", help="Small ones, or what the environment names."),
    ] = "demo",
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A variable of all workers. Repeatable."),
    ] = None,
    logs: Annotated[Path, typer.Option(metavar="DIR", help="Takes a log for each worker.")] = Path(
        "out/logs"
    ),
    fault: Annotated[
        list[str] | None, typer.Option(metavar="FAULT", help="What goes wrong. Repeatable.")
    ] = None,
    warm: Annotated[
        bool, typer.Option("--warm", metavar=" ", help="Keep a worker of each endpoint running.")
    ] = False,
    quota: Annotated[
        int | None,
        typer.Option(metavar="N", help="Workers that the account may have; 5 as a rule.", min=0),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What stands for images, beside Parley's.")
    ] = None,
    model_store: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Models that endpoints may refer to, as a hub's cache."),
    ] = None,
) -> None:
    r"""Run endpoints on this machine, as RunPod would, for development.

    Workers of the unmodified SDK start when there is work. Ctrl-C stops all of them.

    With [bold]empty[/bold] there are none until a tool deploys some as it would on RunPod: the
    management API is at the same address. The account's secrets are RUNPOD_SECRET_<name> here.

    [bold]Examples[/bold]
      parley emulate orch
      parley emulate single --warm --port 9000
      parley emulate split --fault kill_worker:parley-diarization:seconds=2
      parley emulate --manifest endpoints.toml --models real --env HF_TOKEN=hf_...
      parley emulate empty --quota 10 --fault answer_429:*:route=management:seconds=2

    [bold]Faults[/bold]
      KIND:ENDPOINT\[:every=N]\[:times=N]\[:seconds=S]\[:route=R]
      KIND: kill_worker no_capacity slow_start delay_result drop_result answer_500
      of the management API: answer_401 answer_422 answer_429 answer_late close_connection
      lose_answer graphql_error empty_pool
      ENDPOINT: an id, a pool for empty_pool, or * for all; times=always: until it is cleared
    """
    from emulator.manifest import ManifestError  # noqa: PLC0415

    if (shape is None) == (manifest is None):
        message = "Give single, split or orch, or empty, or else --manifest FILE."
        raise typer.BadParameter(message, param_hint="SHAPE")
    if shape == "empty" and warm:
        message = "There is no endpoint yet that could be kept warm; give it workers.min."
        raise typer.BadParameter(message, param_hint="--warm")
    variables = _variables(env or [])
    try:
        chosen = _adapted(_read(shape, manifest), environment=variables, warm=warm, quota=quota)
        setup = _setup(images, model_store, models)
    except ManifestError as error:
        hint = "--manifest, --env, --quota or --images"
        raise typer.BadParameter(str(error), param_hint=hint) from None
    ids = [spec.id for spec in chosen.endpoints]
    plan = Plan(
        manifest=chosen,
        port=port,
        environment={**_DEVELOPMENT, **_environment(models), **({} if ids else variables)},
        logs=logs.resolve(),
        faults=[_fault(text, endpoints=ids) for text in fault or []],
        setup=setup,
    )
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        asyncio.run(run(plan))
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        reason = os.strerror(error.errno)
        message = f"Port {port} cannot be used: {reason}. Give another, or 0 for a free one."
        raise typer.BadParameter(message, param_hint="--port") from None
    typer.echo(f"All workers are stopped. Their logs are in {plan.logs}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run.

    Attributes:
        manifest: the endpoints.
        port: of the platform.
        environment: of all workers.
        logs: takes a folder for each endpoint.
        faults: what goes wrong from the start.
        setup: what endpoints that are created are run with.

    """

    manifest: "Manifest"
    port: int
    environment: Mapping[str, str]
    logs: Path
    faults: Sequence["Fault"] = ()
    setup: "Setup | None" = None


async def run(plan: Plan) -> None:
    """Run it until SIGINT or SIGTERM; a second signal ends the process, and the workers with it.

    Raises:
        OSError: the port is taken.

    """
    from emulator.endpoint import local_runpod  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        for listened in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(listened)
        stop.set()  # first: nobody may read any more what is told
        typer.echo("\nStopping the workers.")

    async with local_runpod(
        plan.manifest,
        logs=plan.logs,
        environment=plan.environment,
        port=plan.port,
        setup=plan.setup,
    ) as runpod:
        for wanted in plan.faults:
            runpod.faults.add(wanted)
        typer.echo(guide(runpod, plan))
        with suppress(NotImplementedError):  # Windows: an interrupt cancels as asyncio does it
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, end)
        await stop.wait()


def _read(shape: str | None, manifest: Path | None) -> "Manifest":
    """Read the endpoints of a shape, or of a file.

    Raises:
        ManifestError: the file cannot be used.

    """
    from emulator.manifest import SHAPES, Manifest, read_manifest  # noqa: PLC0415

    if shape == "empty":
        return Manifest()
    return read_manifest(manifest or SHAPES / f"{shape}.toml")


def _setup(images: Path | None, store: Path | None, models: Literal["demo", "real"]) -> "Setup":
    """Tell what endpoints that are created are run with.

    Raises:
        ManifestError: the table of images cannot be used.

    """
    from emulator.management.api import Setup  # noqa: PLC0415
    from emulator.management.images import OWN, read_images  # noqa: PLC0415

    if store is not None and not store.is_dir():
        message = f"{store} is no folder."
        raise typer.BadParameter(message, param_hint="--model-store")
    hub = _environment(models).get("HF_HUB_CACHE")
    secrets = {
        name.removeprefix(_ACCOUNT): value
        for name, value in os.environ.items()
        if name.startswith(_ACCOUNT)
    }
    return Setup(
        images=read_images(OWN, *([images] if images else [])),
        store=store or (Path(hub) if hub else None),
        secrets=secrets,
    )


def _adapted(
    manifest: "Manifest", *, environment: Mapping[str, str], warm: bool, quota: int | None
) -> "Manifest":
    """Give the manifest as the flags want it: they go before the file.

    Raises:
        ManifestError: a variable's value cannot be, or there are more workers than the quota.

    """
    return replace(
        manifest,
        workers_quota=manifest.workers_quota if quota is None else quota,
        endpoints=tuple(
            replace(
                spec,
                environment={**spec.environment, **environment},
                workers_min=max(spec.workers_min, min(1, spec.workers_max) if warm else 0),
            )
            for spec in manifest.endpoints
        ),
    )


def _environment(models: Literal["demo", "real"]) -> Mapping[str, str]:
    """What makes workers use these models, beside the environment of this process."""
    if models == "real":
        return {}
    try:
        hub = importlib.import_module("demo.hub")  # users of the package do not have it
    except ImportError:
        message = (
            "The demo's models live in Parley's repository, and are not installed here. "
            "Run this in a checkout of it, or give --models real."
        )
        raise typer.BadParameter(message, param_hint="--models") from None
    environment: Mapping[str, str] = hub.ENVIRONMENT
    return environment


def _variables(texts: Sequence[str]) -> dict[str, str]:
    for text in texts:
        if not text.partition("=")[0] or "=" not in text:
            message = f"{text!r} is no variable; write KEY=VALUE."
            raise typer.BadParameter(message, param_hint="--env")
    return dict(text.split("=", 1) for text in texts)


def _fault(text: str, *, endpoints: Collection[str]) -> "Fault":
    """Read a fault as `_FAULT_FORM` has it."""
    from emulator.page import read_fault  # noqa: PLC0415

    kind, *rest = text.split(":")
    values: dict[str, Any] = {"kind": kind, "endpoint": rest[0] if rest else ""}
    try:
        if not values["endpoint"]:
            message = "It names no endpoint."
            raise ValueError(message)  # noqa: TRY301  told as all else that is wrong
        for part in rest[1:]:
            name, _, value = part.partition("=")
            values[name] = _number(name, value)
        return read_fault(values, endpoints=endpoints)
    except ValueError as error:
        message = f"{text!r} is no fault: {error} Write {_FAULT_FORM}."
        raise typer.BadParameter(message, param_hint="--fault") from None


def _number(name: str, value: str) -> float | str | None:
    """The value of a fault's field: whole numbers, seconds, or a text."""
    if name == "times" and value == ALWAYS:
        return None
    try:
        return float(value) if name == "seconds" else int(value)
    except ValueError:
        return value
