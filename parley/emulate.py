"""`parley emulate`: the shapes of Parley on a RunPod of this machine."""

import asyncio
import errno
import importlib
import importlib.util
import logging
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

if TYPE_CHECKING:
    from emulator.endpoint import LocalRunPod
    from emulator.faults import Fault
    from emulator.manifest import EndpointSpec, Manifest

_DEFAULT_PORT: Final = 8700
_ALWAYS: Final = "always"
_FAULT_FORM: Final = "KIND:ENDPOINT[:every=N][:times=N][:seconds=S][:route=R]"
# the platform serves the sample from this machine
_DEVELOPMENT: Final = {"PARLEY_ALLOW_PRIVATE_ADDRESSES": "true"}
_ROLES: Final = {
    "handlers.single": "single",
    "handlers.transcription": "transcription",
    "handlers.diarization": "diarization",
    "orchestrator.handler": "orch",
}
"""What an endpoint is, by the entry point of its workers."""


def emulate(  # noqa: PLR0913  one parameter an option
    shape: Annotated[
        Literal["single", "split", "orch"] | None,
        typer.Argument(metavar="[single|split|orch]", help="What to start."),
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
) -> None:
    r"""Run endpoints on this machine, as RunPod would, for development.

    Workers of the unmodified SDK start when there is work. Ctrl-C stops all of them.

    [bold]Examples[/bold]
      parley emulate orch
      parley emulate single --warm --port 9000
      parley emulate split --fault kill_worker:parley-diarization:seconds=2
      parley emulate --manifest endpoints.toml --models real --env HF_TOKEN=hf_...

    [bold]Faults[/bold]
      KIND:ENDPOINT\[:every=N]\[:times=N]\[:seconds=S]\[:route=R]
      KIND: kill_worker no_capacity slow_start delay_result drop_result answer_500
      ENDPOINT: an id, or * for all; times=always: until it is cleared on the status page
    """
    from emulator.manifest import SHAPES, ManifestError, read_manifest  # noqa: PLC0415

    if (shape is None) == (manifest is None):
        message = "Give single, split or orch, or else --manifest FILE."
        raise typer.BadParameter(message, param_hint="SHAPE")
    try:
        read = read_manifest(manifest or SHAPES / f"{shape}.toml")
        chosen = _adapted(read, environment=_variables(env or []), warm=warm)
    except ManifestError as error:
        raise typer.BadParameter(str(error), param_hint="--manifest or --env") from None
    ids = [spec.id for spec in chosen.endpoints]
    plan = Plan(
        manifest=chosen,
        port=port,
        environment={**_DEVELOPMENT, **_environment(models)},
        logs=logs.resolve(),
        faults=[_fault(text, endpoints=ids) for text in fault or []],
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

    """

    manifest: "Manifest"
    port: int
    environment: Mapping[str, str]
    logs: Path
    faults: Sequence["Fault"] = ()


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
        typer.echo("\nStopping the workers.")
        stop.set()

    async with local_runpod(
        plan.manifest, logs=plan.logs, environment=plan.environment, port=plan.port
    ) as runpod:
        for wanted in plan.faults:
            runpod.faults.add(wanted)
        typer.echo(guide(runpod, plan))
        with suppress(NotImplementedError):  # Windows: an interrupt cancels as asyncio does it
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, end)
        await stop.wait()


def guide(runpod: "LocalRunPod", plan: Plan) -> str:
    """What there is and how to use it; every command works as it stands."""
    recording = sample(plan.logs)
    roles = {_ROLES[word]: spec.id for spec in plan.manifest.endpoints for word in _modules(spec)}
    lines = [
        f"Status page  {runpod.platform.url}/",
        f"Base URL     {runpod.base_url}",
        f"API key      {runpod.api_key}",
        f"Endpoints    {', '.join(runpod.fleets)}",
        f"Logs         {plan.logs}",
        *(f"Fault        {_told(fault)}" for fault in plan.faults),
    ]
    if target := _target(roles):
        command = ["transcribe", str(recording), *target, "--base-url", runpod.base_url]
        call = shlex.join([_parley(), *command, "-f", "txt", "-o", "-"])
        key = shlex.quote(runpod.api_key)
        lines += ["", "Transcribe a recording:", "", f"  RUNPOD_API_KEY={key} {call}"]
    lines += ["", "Or send a job, and ask for it:"]
    authorization = shlex.quote(f"Authorization: Bearer {runpod.api_key}")
    job = shlex.quote(f'{{"input": {{"audio_url": "{runpod.share(recording)}"}}}}')
    for endpoint in [roles["orch"]] if "orch" in roles else runpod.fleets:
        url = f"{runpod.base_url}/{endpoint}"
        lines += [
            "",
            f"  JOB=$(curl -s -H {authorization} -d {job} {url}/run | cut -d'\"' -f4)",
            f"  curl -s -H {authorization} {url}/status/$JOB; echo",
        ]
    return "\n".join([*lines, "", "Ctrl-C stops all of it."])


def _target(roles: Mapping[str, str]) -> list[str]:
    """The flags that name a shape and its endpoints; none where no shape of Parley is here."""
    for shape in ("orch", "single"):
        if shape in roles:
            return ["--shape", shape, "--endpoint", roles[shape]]
    if {"transcription", "diarization"} <= roles.keys():
        words, speakers = roles["transcription"], roles["diarization"]
        return ["--shape", "split", "--transcription", words, "--diarization", speakers]
    return []


def _parley() -> str:
    """This command, as a shell finds it."""
    own, found = Path(sys.argv[0]).absolute(), shutil.which("parley")
    return "parley" if found and Path(found).absolute() == own else str(own)


def _modules(spec: "EndpointSpec") -> list[str]:
    return [word for word in spec.command if word in _ROLES]


def sample(logs: Path) -> Path:
    """A recording: the demo's conversation, or where it is not installed, a second of silence."""
    found = importlib.util.find_spec("demo")
    for folder in (found.submodule_search_locations or []) if found else []:
        meeting = Path(folder) / "sample" / "meeting.flac"
        if meeting.is_file():
            return meeting
    import wave  # noqa: PLC0415

    logs.mkdir(parents=True, exist_ok=True)
    silence = logs / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(32000))
    return silence


def _adapted(manifest: "Manifest", *, environment: Mapping[str, str], warm: bool) -> "Manifest":
    """Give the manifest as the flags want it: they go before the file.

    Raises:
        ManifestError: a variable's value cannot be.

    """
    return replace(
        manifest,
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
    if name == "times" and value == _ALWAYS:
        return None
    try:
        return float(value) if name == "seconds" else int(value)
    except ValueError:
        return value


def _told(fault: "Fault") -> str:
    facts = [
        fault.kind,
        f"on {fault.endpoint}",
        f"every={fault.every}",
        f"times={_ALWAYS if fault.times is None else fault.times}",
        f"seconds={fault.seconds:g}",
        f"route={fault.route}",
    ]
    return " ".join(facts)
