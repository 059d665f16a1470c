"""Images that are really built, run as workers of the local platform.

`make images-test` builds all of them and runs this; CI does so with the orchestrator. An image
that PARLEY_TEST_IMAGES does not name is not looked at: it might be older than the code.
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio

from benchmarks.stubs import ORCHESTRATOR, recording, stub_set
from demo.hub import DIARIZER, HUB, TRANSCRIBER
from demo.run import SAMPLE
from deploy.images import build_and_push
from deploy.manifest import Shape
from deploy.registry import is_there
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.management.api import Setup
from emulator.management.images import Image, Images
from emulator.manifest import SHAPES, EndpointSpec, Manifest, read_manifest
from handlers.formats import FORMATS
from handlers.settings import Settings
from parley import AsyncClient, Reply
from tests.deployments import KEY, SECRETS, VARIABLES
from tests.hubs import local_hub
from tests.test_deploy_shapes import assert_without_secrets, model_store, there_and_back

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
CODE: Final = ("handlers", "orchestrator", "parley", "pyproject.toml")
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


def run(*command: str, within: float = 280, **options: Any) -> str:
    """What a command prints; it must succeed."""
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, timeout=within, **options
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
    revision = config["Labels"]["org.opencontainers.image.revision"]
    run("git", "diff", "--exit-code", revision, "HEAD", "--", *CODE, cwd=ROOT)  # the same code
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


def contained(spec: EndpointSpec, *options: str) -> EndpointSpec:
    """The same endpoint out of its image, with the demo's models in the Model Store."""
    name = spec.id.removeprefix("parley-")
    store = FILLED_STORE if name in ENGINES else ()
    return replace(spec, command=(*CONTAINER, *STRICT, *CONNECTED, *store, *options, image(name)))


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
    called = f"parley-test-{uuid.uuid4().hex}"
    (spec,) = (
        contained(spec, "--name", called)
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
        ended = await asyncio.create_subprocess_exec(
            *("podman", "wait", called), stdout=asyncio.subprocess.PIPE
        )
        run("podman", "kill", "--signal", "TERM", called)
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


@dataclass(frozen=True)
class Baked:
    """An image with weights.

    Attributes:
        name: of the image.
        target: of its Dockerfile.
        models: those that it brings.

    """

    name: str
    target: str
    models: tuple[str, ...]

    @property
    def image(self) -> str:
        return f"{image(self.name)}-{self.target}"


WORDS: Final = Settings().transcriber_model
SPEAKERS: Final = Settings().diarizer_model
BAKED: Final = (
    Baked("single", "baked-diarizer", (SPEAKERS,)),
    Baked("single", "baked", (WORDS, SPEAKERS)),
    Baked("transcription", "baked", (WORDS,)),
    Baked("diarization", "baked", (SPEAKERS,)),
)


def on_the_hub(model: str) -> dict[str, bytes]:
    """The files of a demo model, as a hub has them."""
    (snapshot,) = (HUB / f"models--{model.replace('/', '--')}" / "snapshots").iterdir()
    found = [path for path in snapshot.rglob("*") if path.is_file()]
    return {path.relative_to(snapshot).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def baked() -> None:
    """Build all of them; the hub gives the demo's models by the names of the real ones."""
    models = {WORDS: on_the_hub(TRANSCRIBER), SPEAKERS: on_the_hub(DIARIZER)}
    with local_hub(repositories=models) as hub:
        # with everybody's secrets around, of which one is needed
        environment = {**os.environ, **VARIABLES, "TAG": TAG, "HF_ENDPOINT": hub.url}
        targets = [f"{one.name}:{one.target}" for one in BAKED]
        run("docker/build.sh", *targets, cwd=ROOT, env=environment, within=800)
        assert f"Bearer {VARIABLES['HF_TOKEN']}" in hub.tokens


@needs(*ENGINES)
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("baked")
@pytest.mark.parametrize("one", BAKED, ids=lambda one: f"{one.name}-{one.target}")
def test_weights_are_in_the_image_and_no_secret_is(one: Baked) -> None:
    for model, role in ((WORDS, "transcriber"), (SPEAKERS, "diarizer")):
        if model in one.models:
            alone = (*CONTAINER, "--network", "none", one.image)
            listed = run(*alone, "parley", "weights", "list", role)
            (line,) = (line for line in listed.splitlines() if "image" in line)
            assert "revision" in line
    folders = {f"models--{model.replace('/', '--')}" for model in one.models}
    # what is there is found, so would a secret be
    assert held(one.image, {*folders, *SECRETS}) == folders


@needs("orchestrator")
def test_no_secret_is_in_the_image_without_an_engine() -> None:
    assert held(image("orchestrator"), {"orchestrator/handler.py", *SECRETS}) == {
        "orchestrator/handler.py"
    }


def held(image: str, texts: Collection[str]) -> set[str]:
    """Those texts that are anywhere in an image: its history, its layers, what later ones hide."""
    sought = {text.encode(): text for text in texts}
    longest = max(map(len, sought))
    command = ("podman", "save", image)
    found: set[str] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as saving:  # noqa: S603
        assert saving.stdout
        end = b""
        while piece := saving.stdout.read(1 << 20):
            looked = end + piece
            found |= {text for content, text in sought.items() if content in looked}
            end = looked[-longest:]
    assert saving.returncode == 0
    return found


# --- a registry


@contextmanager
def local_registry(folder: Path) -> Iterator[str]:
    """Debian's packaged registry on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"localhost:{probe.getsockname()[1]}"
    settings = folder / "registry.yml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}\n"
        f"http: {{addr: {host}}}\nlog: {{level: error}}\n"
    )
    with subprocess.Popen(["docker-registry", "serve", str(settings)]) as serving:  # noqa: S603, S607
        try:
            yield host
        finally:
            serving.terminate()


@needs("orchestrator")
@pytest.mark.skipif(not shutil.which("docker-registry"), reason="apt-get install docker-registry")
async def test_an_image_is_built_and_pushed_and_found(
    tmp_path: Path,
) -> None:
    with local_registry(tmp_path) as host:
        reference = f"{host}/somebody/parley-orchestrator:pushed"
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            while await is_there(reference, session=session) is None:  # until it listens
                await asyncio.sleep(0.1)
            assert await is_there(reference, session=session) is False
        wanted = [("parley-orchestrator", "thin")]
        build_and_push(wanted, registry=f"{host}/somebody", tag="pushed")
        async with aiohttp.ClientSession() as session:
            assert await is_there(reference, session=session) is True
    run("podman", "rmi", reference)


# --- deployments


def containers() -> Images:
    """Images as what they are, with as few rights as may be."""
    place = ("--volume", "{mount}:/runpod-volume", "--network", "host", "{env}", "{image}")
    return Images({f"parley-{name}": Image(command=(*CONTAINER, *STRICT, *place)) for name in ALL})


@needs(*ALL)
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("baked")
@pytest.mark.parametrize("shape", ["single", "split", "orch"])
async def test_a_shape_is_deployed_out_of_containers(shape: Shape, tmp_path: Path) -> None:
    store = model_store(tmp_path / "store")
    setup = Setup(images=containers(), store=store)
    logs = tmp_path / "logs"
    nothing = Manifest(endpoints=())
    async with local_runpod(nothing, logs=logs, api_key=KEY, setup=setup) as runpod:
        outputs = await there_and_back(
            runpod, shape, folder=tmp_path, IMAGE_REGISTRY="localhost", IMAGE_TAG=TAG
        )
    assert_without_secrets(outputs, logs)
