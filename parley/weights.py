"""`parley weights`: what workers would find, and putting it where they find it."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

if TYPE_CHECKING:
    from handlers.settings import Settings
    from handlers.weights import Role
    from handlers.weights.files import File, Need
    from handlers.weights.sources import Found, Sources
    from handlers.weights.transfer import Watcher

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
"""The subcommands."""

_ROLES: Final[tuple["Role", ...]] = ("transcriber", "diarizer")

Chosen = Annotated[
    Literal["transcriber", "diarizer"] | None,
    typer.Argument(metavar="[transcriber|diarizer]", help="One of the models; both if left out."),
]


@app.callback()
def _weights() -> None:
    """Find, fetch, check and mirror the models that workers load.

    PARLEY_TRANSCRIBER_MODEL and PARLEY_DIARIZER_MODEL name them, MODELS_DIR says where they are
    kept, and PARLEY_WEIGHTS_FROM which sources count, as for workers.
    """


@app.command(name="list")
def list_(role: Chosen = None) -> None:
    """Show which source has which repository. The hub is not asked."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with _ready() as (settings, sources):
        table = Table("Repository", "Where", "State", header_style="bold", show_edge=False)
        for need in _needs(role, settings, sources):
            name = need.name
            for source, state in _states(need, settings, sources):
                table.add_row(name, source, Text(state, overflow="fold"))
                name = ""
    Console(highlight=False).print(table)


@app.command()
def fetch(role: Chosen = None) -> None:
    """Find the models as a worker does; what is not near is downloaded and kept."""
    from handlers.weights import find_weights  # noqa: PLC0415

    with _ready() as (settings, _), _bars() as watch:
        for need in _models(role, settings):
            files = (*need.files, *need.also)
            found = find_weights(need.name, files=files, settings=settings, watch=watch)
            for model in (found.model, *found.parts):
                typer.echo(f"{model.name}: {model.source}, revision {model.revision}")


@app.command()
def verify() -> None:
    """Hold every file of every repository in folders against its checksum."""
    from handlers.weights.shelf import faults  # noqa: PLC0415

    damaged = False
    with _ready() as (_, sources):
        for source, folder in sources.folders.items():
            for name, fault in faults(folder):
                damaged = damaged or fault is not None
                state = f"damaged  {name} ({source}): {fault}" if fault else None
                typer.echo(state or f"sound    {name} ({source})")
    if damaged:
        raise typer.Exit(1)


@app.command()
def prepare() -> None:
    """Lay the transcriber out for the fastest start: a copy that needs no unpacking.

    It needs NeMo, and stays beside the model on the volume.
    """
    from handlers.weights import model_of  # noqa: PLC0415
    from handlers.weights.shelf import keep_prepared  # noqa: PLC0415

    with _ready() as (settings, sources):
        found = sources.find(model_of("transcriber", settings))
        (archive,) = sorted(found.snapshot.path.glob("*.nemo"))
        typer.echo(f"preparing {found.snapshot.name} from {archive}")
        # the library of the engines is not for the command to import
        nemo_file = importlib.import_module("handlers.nemo_file")
        target = keep_prepared(
            sources.keeps, found.snapshot, lambda folder: nemo_file.prepare(archive, folder)
        )
        typer.echo(f"prepared {target}")


@app.command()
def push(role: Chosen = None) -> None:
    """Copy the models to the mirror that PARLEY_MIRROR_BUCKET names, with checksums."""
    from handlers.weights.mirror import Mirror  # noqa: PLC0415
    from handlers.weights.shelf import paths_in  # noqa: PLC0415

    with _ready() as (settings, _), _bars() as watch:
        mirror = Mirror.from_settings(settings)
        for need, found in _found(role, settings, watch):
            paths = need.wanted(paths_in(found.snapshot.path))
            manifest = mirror.push(found.snapshot, paths, watch=watch)
            typer.echo(f"{manifest.repository}: {len(paths)} files, {manifest.bytes} bytes")


@contextmanager
def _ready() -> Iterator[tuple["Settings", "Sources"]]:
    from handlers.settings import Settings  # noqa: PLC0415
    from handlers.weights.sources import Sources  # noqa: PLC0415
    from parley.session import refusing  # noqa: PLC0415

    with refusing():
        settings = Settings.read()
        yield settings, Sources(settings)


def _models(role: "Role | None", settings: "Settings") -> "list[Need]":
    from handlers.weights import model_of  # noqa: PLC0415

    return [model_of(role, settings) for role in ([role] if role else _ROLES)]


def _found(
    role: "Role | None", settings: "Settings", watch: "Watcher"
) -> "Iterator[tuple[Need, Found]]":
    from handlers.weights import needs_of_parts  # noqa: PLC0415
    from handlers.weights.sources import Sources  # noqa: PLC0415

    sources = Sources(settings, watch=watch)
    for model in _models(role, settings):
        found = sources.find(model)
        yield model, found
        for part in needs_of_parts(found.snapshot.path):
            yield part, sources.find(part)


def _needs(role: "Role | None", settings: "Settings", sources: "Sources") -> "Iterator[Need]":
    """Every repository, as far as the pipeline is near enough to say what it needs."""
    from handlers.weights import needs_of_parts  # noqa: PLC0415
    from handlers.weights.shelf import NotHere, take  # noqa: PLC0415

    for model in _models(role, settings):
        yield model
        for folder in sources.folders.values():
            try:
                parts = needs_of_parts(take(folder, model).path)
            except NotHere:
                continue
            yield from parts
            break


def _states(need: "Need", settings: "Settings", sources: "Sources") -> Iterator[tuple[str, str]]:
    from handlers.errors import ParleyError  # noqa: PLC0415
    from handlers.weights.mirror import Mirror  # noqa: PLC0415
    from handlers.weights.shelf import NotHere, Unsound, take  # noqa: PLC0415

    for source, folder in sources.folders.items():
        try:
            found = take(folder, replace(need, or_prepared=need.files == ("*.nemo",)))
            form = ", prepared" if found.prepared else ""
            state = f"revision {found.revision}{form}"
        except Unsound as fault:
            state = f"not whole: {fault}"
        except NotHere:
            state = f"not in {folder}"
        yield source, state
    if "mirror" in sources.enabled and settings.mirror_bucket:
        try:
            manifest = Mirror.from_settings(settings).manifest(need)
            state = f"revision {manifest.revision}, {manifest.bytes} bytes"
        except (NotHere, ParleyError) as error:
            state = str(error)
        yield "mirror", state


@contextmanager
def _bars() -> "Iterator[Watcher]":
    """A bar for each file that is under way."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    tasks: dict[str, TaskID] = {}
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:

        def watch(file: "File", done: int) -> None:
            if file.digest not in tasks:
                tasks[file.digest] = progress.add_task(Path(file.path).name, total=file.bytes)
            progress.update(tasks[file.digest], completed=done)

        yield watch
