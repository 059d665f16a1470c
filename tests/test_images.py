"""Images that are really built, run as workers of the local platform.

`make images-test` builds all of them and runs this; CI does so with the orchestrator. An image
that PARLEY_TEST_IMAGES does not name is not looked at: it might be older than the code.
"""

import asyncio
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from benchmarks.stubs import ORCHESTRATOR, recording, stub_set
from demo.hub import DIARIZER, HUB, TRANSCRIBER
from demo.run import SAMPLE
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.manifest import SHAPES, EndpointSpec, Manifest, read_manifest
from handlers.formats import FORMATS
from parley import AsyncClient, Reply
from tests.hubs import local_hub

IN_ONE_LOOP: Final = pytest.mark.asyncio(loop_scope="module")

ROOT: Final = Path(__file__).parents[1]
WANTED: Final = os.environ.get("PARLEY_TEST_IMAGES", "").split()
TAG: Final = os.environ.get("TAG", "dev")
ENGINES: Final = ("single", "transcription", "diarization")
ALL: Final = (*ENGINES, "orchestrator")
STORE: Final = "/runpod-volume/huggingface-cache/hub"
MINE: Final = f"parley-test={uuid.uuid4().hex}"
"""A label of every container that these tests start."""
CONTAINER: Final = (
    *("podman", "run", "--rm", "--label", MINE),
    # what runs where root has neither CAP_SYS_RESOURCE nor cgroups of its own, as in CI
    *("--runtime", "runc", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"),
)
STRICT: Final = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all"),  # noqa: S108
    *("--security-opt", "no-new-privileges"),
)
CONNECTED: Final = ("--network", "host", "--env", "RUNPOD_*", "--env", "PARLEY_*")
"""To the local platform; everything else of this process's environment stays outside."""
FILLED_STORE: Final = ("--volume", f"{HUB}:{STORE}:ro")
MODELS: Final = {
    "PARLEY_TRANSCRIBER_MODEL": TRANSCRIBER,
    "PARLEY_DIARIZER_MODEL": DIARIZER,
    "PARLEY_ALLOW_PRIVATE_ADDRESSES": "true",  # the local platform serves the sample
}
ANSWER_SECONDS: Final = 280
POLL_SECONDS: Final = 10


def image(name: str) -> str:
    return f"localhost/parley-{name}:{TAG}"


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test unless these images were just built."""
    missing = [name for name in names if name not in WANTED]
    reason = f"make images-test builds {', '.join(missing)} and tests it"
    return pytest.mark.skipif(bool(missing), reason=reason)


def each(*names: str) -> list[Any]:
    return [pytest.param(name, marks=needs(name)) for name in names]


def run(*command: str, **options: Any) -> str:
    """What a command prints; it must succeed."""
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, timeout=280, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def inside(name: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """What a command prints in a new container."""
    return run(*CONTAINER, *options, image(name), *command)


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left() -> Iterator[None]:
    yield
    if shutil.which("podman"):
        left = run("podman", "ps", "--all", "--quiet", "--filter", f"label={MINE}").split()
        if left:
            run("podman", "rm", "--force", *left)


# --- what is in them


@pytest.mark.parametrize("name", each(*ALL))
def test_it_runs_as_nobody_in_particular_and_knows_where_it_comes_from(name: str) -> None:
    (facts,) = json.loads(run("podman", "image", "inspect", image(name)))
    config = facts["Config"]
    assert config["User"] == "10001"
    assert config["Entrypoint"] == ["/usr/bin/tini", "--"]
    assert config["Labels"]["org.opencontainers.image.title"] == f"parley-{name}"
    head = run("git", "rev-parse", "HEAD", cwd=ROOT).strip()
    assert config["Labels"]["org.opencontainers.image.revision"] == head
    assert inside(name, "id", "-u").strip() == "10001"


@pytest.mark.parametrize("name", each(*ALL))
def test_it_brings_its_bytecode_and_its_bill_and_nothing_to_build_with(name: str) -> None:
    looked = inside(name, "python", "-c", LOOK)
    told = json.loads(looked)
    assert told["tools"] == []
    assert told["without bytecode"] == []
    names = set(told["bill"])
    assert {"runpod", "aiohttp", "pydantic"} <= names
    assert ("torch" in names) == (name in ENGINES)


LOOK: Final = """
import importlib.util, json, pathlib, shutil
import aiohttp, runpod, handlers.worker
bill = json.loads(pathlib.Path("/usr/share/parley/sbom.cdx.json").read_text())
print(json.dumps({
    "tools": [t for t in ("gcc", "cc", "make", "uv", "pip", "pip3") if shutil.which(t)]
    + [m for m in ("pip",) if importlib.util.find_spec(m)],
    "without bytecode": [m.__name__ for m in (aiohttp, runpod, handlers.worker)
                         if not pathlib.Path(m.__cached__).exists()],
    "bill": [component["name"] for component in bill["components"]],
}))
"""


@pytest.mark.parametrize("name", each(*ALL))
def test_code_that_changes_is_a_small_layer(name: str) -> None:
    history = json.loads(run("podman", "history", "--format", "json", image(name)))
    newest = next(step["size"] for step in history if step["size"])
    assert newest < 3_000_000  # unpacked; less than 1 MB is sent


# --- workers of the local platform


@IN_ONE_LOOP
@needs("orchestrator")
async def test_the_orchestrator_answers_out_of_a_container(tmp_path: Path) -> None:
    manifest = stub_set()
    command = (*CONTAINER, *STRICT, *CONNECTED, image("orchestrator"))
    endpoints = tuple(
        replace(spec, command=command) if spec.id == ORCHESTRATOR else spec
        for spec in manifest.endpoints
    )
    async with (
        local_runpod(replace(manifest, endpoints=endpoints), logs=tmp_path) as runpod,
        AsyncClient.orch(ORCHESTRATOR, api_key=runpod.api_key, base_url=runpod.base_url) as client,
    ):
        reply = await client.transcribe(recording(words=7), within=60, formats=["srt", "rttm"])
    assert len(reply.text.split()) == 7
    assert set(reply.formats) == {"srt", "rttm"}


def contained(spec: EndpointSpec) -> EndpointSpec:
    """The same endpoint out of its image, with the demo's models in the Model Store."""
    name = spec.id.removeprefix("parley-")
    store = FILLED_STORE if name in ENGINES else ()
    return replace(spec, command=(*CONTAINER, *STRICT, *CONNECTED, *store, image(name)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runpod(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalRunPod]:
    shapes = [read_manifest(SHAPES / f"{shape}.toml") for shape in ("single", "orch")]
    endpoints = tuple(contained(spec) for shape in shapes for spec in shape.endpoints)
    logs = tmp_path_factory.mktemp("logs")
    async with local_runpod(Manifest(endpoints=endpoints), logs=logs, environment=MODELS) as it:
        yield it


def client_of(shape: str, runpod: LocalRunPod) -> AsyncClient:
    reach: Any = {"api_key": runpod.api_key, "base_url": runpod.base_url}
    if shape == "split":
        words, turns = "parley-transcription", "parley-diarization"
        return AsyncClient.split(transcription=words, diarization=turns, **reach)
    if shape == "orch":
        return AsyncClient.orch("parley-orchestrator", **reach)
    return AsyncClient.single("parley-single", **reach)


def told(reply: Reply) -> dict[str, Any]:
    """What a reply says of the recording; the rest is how that was found out."""
    body = reply.body()
    for model in body["models"].values():
        del model["seconds"]  # of finding its weights
    return {name: body[name] for name in body if name not in {"timings", "usage", "cold_start"}}


@IN_ONE_LOOP
@needs(*ALL)
@pytest.mark.timeout(900)
async def test_the_three_shapes_give_the_same_transcript_out_of_containers(
    runpod: LocalRunPod,
) -> None:
    url = runpod.share(SAMPLE)
    replies = {}
    for shape in ("single", "split", "orch"):
        async with client_of(shape, runpod) as client:
            replies[shape] = await client.transcribe(
                url, within=ANSWER_SECONDS, formats=FORMATS, name="meeting"
            )
    assert replies["single"].text.startswith("Did Robert finish the report this morning?")
    assert len(replies["single"].speakers) == 3
    assert {m["source"] for m in told(replies["single"])["models"].values()} == {"store"}
    assert told(replies["split"]) == told(replies["single"])
    assert told(replies["orch"]) == told(replies["single"])


@IN_ONE_LOOP
@pytest.mark.parametrize("name", each(*ALL))
async def test_an_idle_worker_ends_by_itself_when_it_is_asked_to(name: str, tmp_path: Path) -> None:
    (spec,) = (
        contained(spec)
        for shape in ("single", "orch")
        for spec in read_manifest(SHAPES / f"{shape}.toml").endpoints
        if spec.id == f"parley-{name}"
    )
    manifest = Manifest(endpoints=(replace(spec, workers_min=1),))
    async with local_runpod(manifest, logs=tmp_path, environment=MODELS) as runpod:
        fleet = runpod.fleets[spec.id]
        async with asyncio.timeout(ANSWER_SECONDS):
            while [worker.state for worker in fleet.workers] != ["idle"]:
                await asyncio.sleep(0.1)
        (container,) = run("podman", "ps", "--quiet", "--filter", f"label={MINE}").split()
        ended = await asyncio.create_subprocess_exec(
            *("podman", "wait", container), stdout=asyncio.subprocess.PIPE
        )
        run("podman", "kill", "--signal", "TERM", container)
        # the SDK ends when the poll does that the platform holds open
        async with asyncio.timeout(POLL_SECONDS):
            said, _ = await ended.communicate()
    assert said.strip() == b"0"  # 137 would mean that it had to be killed


# --- folders of the platform


@pytest.mark.parametrize("name", each(*ENGINES))
def test_it_keeps_models_on_a_volume_that_belongs_to_root_and_its_group(
    name: str, tmp_path: Path
) -> None:
    tmp_path.chmod(0o775)
    written = "import os, pathlib; from handlers.weights.places import Places; "
    written += "from handlers.settings import Settings; hub = Places.of(Settings.read()).hub; "
    written += "hub.mkdir(parents=True); (hub / 'x').write_text('y'); print(hub)"
    options = ("--volume", f"{tmp_path}:/runpod-volume")
    assert inside(name, "python", "-c", written, options=options).startswith("/runpod-volume")
    (found,) = tmp_path.rglob("x")
    assert found.read_text() == "y"


# --- weights in the image


@needs("single")
@pytest.mark.timeout(600)
def test_a_token_bakes_the_diarizer_and_is_nowhere_afterwards() -> None:
    secret = f"hf_{uuid.uuid4().hex}"
    folder = f"models--{DIARIZER.replace('/', '--')}"
    snapshot = next((HUB / folder / "snapshots").iterdir())
    files = {
        path.relative_to(snapshot).as_posix(): path.read_bytes()
        for path in snapshot.rglob("*")
        if path.is_file()
    }
    with local_hub(repositories={DIARIZER: files}) as hub:
        baking = {"HF_TOKEN": secret, "HF_ENDPOINT": hub.url, "DIARIZER_MODEL": DIARIZER}
        run(
            *("docker/build.sh", "single:baked-diarizer"),
            cwd=ROOT,
            env={**os.environ, "TAG": TAG, **baking},
        )
        assert f"Bearer {secret}" in hub.tokens
    baked = f"{image('single')}-baked-diarizer"
    alone = (*CONTAINER, "--network", "none", "--env", f"PARLEY_DIARIZER_MODEL={DIARIZER}")
    listed = run(*alone, baked, "parley", "weights", "list", "diarizer")
    (line,) = (line for line in listed.splitlines() if "image" in line)
    assert "revision" in line
    assert not holds(baked, secret.encode())
    assert holds(baked, folder.encode())  # so would a token be found


def holds(image: str, text: bytes) -> bool:
    """Whether a text is anywhere in an image: its history, its layers, what later ones hide."""
    command = ("podman", "save", image)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as saving:  # noqa: S603
        assert saving.stdout
        end, found = b"", False
        while piece := saving.stdout.read(1 << 20):
            found = found or text in end + piece
            end = piece[-len(text) :]
    assert saving.returncode == 0
    return found
