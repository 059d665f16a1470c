"""`python -m deploy`, from nothing to a transcript and back, against the local platform."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from deploy.errors import (
    AnswerLost,
    DeployError,
    GraphqlRefused,
    ImageMissing,
    KeyRefused,
    ModelRefused,
    NameTaken,
    NoCapacity,
    NotAnswering,
    OrchestratorKeyMissing,
    PlatformFailed,
    PlatformUnreachable,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    SmokeFailed,
    ValueMissing,
    VariableInvalid,
)
from deploy.manifest import Manifest, Shape
from deploy.runpod import RunPod
from deploy.runpod.wire import Patience, Wire
from deploy.settings import Settings
from deploy.work import Desk, bring_up, show_plan, tear_down
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.faults import Fault
from emulator.management.api import Setup
from emulator.management.images import Image, Images
from emulator.manifest import Manifest as LocalManifest
from tests.deployments import KEY, SECRETS, VARIABLES, manifest_of
from tests.shells import Shell

QUICK = Patience(request_seconds=60, attempts=2, first_pause=0.01, longest_asked=1)


def stub(engine: str) -> Image:
    """A worker of the unmodified SDK that answers like an engine's."""
    environment = {"STUB_ENGINE": engine, "STUB_SECONDS": "0.5"}
    command = ("{python}", "-m", "benchmarks.stub_engine")
    return Image(command=command, environment=environment)


STUBS = Images(
    {
        "parley-single": Image(command=("sleep", "600")),
        "parley-transcription": stub("transcription"),
        "parley-diarization": stub("diarization"),
        "parley-orchestrator": Image(command=("{python}", "-m", "orchestrator.handler")),
    }
)


@asynccontextmanager
async def local(tmp_path: Path, *, quota: int = 5) -> AsyncIterator[LocalRunPod]:
    manifest = LocalManifest(endpoints=(), workers_quota=quota)
    setup = Setup(images=STUBS)
    async with local_runpod(manifest, logs=tmp_path / "logs", api_key=KEY, setup=setup) as runpod:
        yield runpod


async def test_the_way_there_and_back(tmp_path: Path) -> None:
    async with local(tmp_path) as runpod:
        run = Shell(runpod, {"PARLEY_ORCHESTRATOR_KEY": KEY})
        status, said = await run("plan", "orch")
        assert status == 0
        assert "3 to create, 0 to change, 0 to delete." in said
        assert "pyannote/speaker-diarization-community-1 is cached by RunPod" in said
        assert (await run("status", "orch"))[0] == 1

        status, said = await run("apply", "orch")
        assert status == 0, said
        assert "word0." in said
        ids = dict(re.findall(r"(\w+): (\w+)$", said, re.MULTILINE))
        assert set(ids) >= {"transcription", "diarization", "orchestrator"}
        assert f"parley transcribe FILE --shape orch --endpoint {ids['orchestrator']}" in said
        assert f"{runpod.base_url}/{ids['orchestrator']}/run" in said
        assert f'curl --oauth2-bearer "$RUNPOD_API_KEY" {runpod.base_url}' in said
        assert re.search(r"An hour of audio costs about \$\d+\.\d+", said)
        assert re.search(r"transcription, 0\.5 s of a worker .*\$\d+\.\d+ on AMPERE_16", said)

        status, said = await run("apply", "orch", "--no-smoke")
        assert status == 0
        assert "No changes" in said
        status, said = await run("status", "orch")
        assert status == 0
        assert ids["orchestrator"] in said

        status, said = await run("warm", "orch")
        assert status == 0
        assert f"parley-orchestrator ({ids['orchestrator']}): workers.min 0" in said

        status, said = await run("ping", "orch")
        assert status == 0, said
        assert "parley-orchestrator: answered after" in said

        status, said = await run("plan", "orch", IMAGE_TAG="1.1")
        assert "0 to create, 3 to change, 0 to delete." in said

        status, said = await run("destroy", "orch")
        assert status == 2
        assert "--yes" in said
        assert len(runpod.fleets) == 3
        status, said = await run("destroy", "orch", "--yes")
        assert (status, len(runpod.fleets)) == (0, 0)
        assert (await run("status", "orch"))[0] == 1
        assert (await run("warm", "orch"))[0] == 1
        status, said = await run("ping", "orch")
        assert (status, "make deploy-orch" in said) == (1, True)
        logs = [path.read_text() for path in (tmp_path / "logs").rglob("*.log")]
        assert logs
        written = "\n".join([*run.outputs, *logs])
        assert not any(secret in written for secret in SECRETS)


async def test_whoever_asks_for_the_wrong_thing_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "mine.toml"
    wrong.write_text('shape = "single"\ncolour = "red"\n')
    async with local(tmp_path) as runpod:
        run = Shell(runpod)
        for words, variables, said in [
            (("plan", "single"), {"RUNPOD_API_KEY": ""}, "RUNPOD_API_KEY is not set"),
            (("plan", "single"), {"IMAGE_REGISTRY": ""}, "IMAGE_REGISTRY is not set"),
            (("plan", "single"), {"RUNPOD_API_BASE": "nowhere"}, "no http(s) address"),
            (("plan", "single"), {"RUNPOD_API_BASE": "http://10.1.1.1"}, "in the clear"),
            (("plan", "single", "--manifest", str(wrong)), {}, "colour: is no key"),
            (("plan", "triple"), {}, "triple"),
        ]:
            status, told = await run(*words, **variables)
            assert (status, said in told) == (2, True), told
            assert "Traceback" not in told


@dataclass
class Told:
    """A desk whose account is on the local platform, and what was told at it."""

    desk: Desk
    lines: list[str]


@asynccontextmanager
async def desk(
    base: str, manifest: Manifest, *, key: str = KEY, **changes: Any
) -> AsyncIterator[Told]:
    settings = Settings.read({**VARIABLES, "RUNPOD_API_KEY": key, "RUNPOD_API_BASE": base})
    settings = replace(settings, registry="ghcr.io/somebody", tag="1.0", **changes)
    lines: list[str] = []
    async with aiohttp.ClientSession() as session:
        wire = Wire(session=session, base=base, key=key, secrets=settings.secrets, patience=QUICK)
        yield Told(
            Desk(
                manifest=manifest,
                settings=settings,
                platform=RunPod(wire),
                session=session,
                tell=lambda line: lines.append(settings.secrets.hide(line)),
            ),
            lines,
        )


async def deploy(at: Told, *, within: float | None = None) -> int:
    return await bring_up(at.desk, share_key=False, yes=False, within=within)


def without(*names: str) -> Mapping[str, str]:
    return {name: value for name, value in VARIABLES.items() if name not in names}


Arm = Callable[[LocalRunPod], Any]


def armed(kind: Any, route: str = "*", endpoint: str = "*") -> Arm:
    return lambda runpod: runpod.faults.add(Fault(kind, route=route, endpoint=endpoint, times=None))


def empty_pools(runpod: LocalRunPod) -> None:
    for pool in ("AMPERE_16", "AMPERE_24", "ADA_24"):
        armed("empty_pool", endpoint=pool)(runpod)


def nothing(_runpod: LocalRunPod) -> None:
    """All is well on the platform."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is wrong, and what comes of it."""

    error: type[DeployError]
    status: int
    advice: str
    arm: Arm = nothing
    changes: Mapping[str, Any] = field(default_factory=dict)
    shape: Shape = "orch"


CASES = [
    Case(error=QuotaExceeded, status=1, advice="Lower workers.max", changes={"quota": 4}),
    Case(error=KeyRefused, status=2, advice="Set RUNPOD_API_KEY", changes={"key": "rpa_wrong-one"}),
    Case(
        error=ValueMissing,
        status=2,
        advice="make a read token",
        changes={"variables": without("HF_TOKEN")},
        shape="split",
    ),
    Case(
        error=OrchestratorKeyMissing,
        status=2,
        advice="--share-key",
        changes={"variables": without("PARLEY_ORCHESTRATOR_KEY")},
    ),
    Case(error=NoCapacity, status=3, advice="Add another pool", arm=empty_pools),
    Case(
        error=GraphqlRefused,
        status=1,
        advice="Run the same command again",
        arm=armed("graphql_error"),
    ),
    Case(
        error=RequestRefused,
        status=1,
        advice="Correct what it names",
        arm=armed("answer_422", "management/createEndpoint"),
    ),
    Case(
        error=RateLimited,
        status=3,
        advice="goes on where it was",
        arm=armed("answer_429", "management"),
    ),
    Case(
        error=PlatformFailed,
        status=3,
        advice="goes on where it was",
        arm=armed("answer_500", "management"),
    ),
    Case(
        error=AnswerLost,
        status=3,
        advice="it looks first",
        arm=armed("answer_500", "management/createEndpoint"),
    ),
    Case(
        error=PlatformUnreachable,
        status=3,
        advice="Check the network",
        arm=armed("close_connection", "management"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.error.__name__)
async def test_what_cannot_be_ends_with_one_message_and_its_status(
    case: Case, tmp_path: Path
) -> None:
    quota = case.changes.get("quota", 5)
    changes = {name: value for name, value in case.changes.items() if name != "quota"}
    async with local(tmp_path, quota=quota) as runpod:
        case.arm(runpod)
        async with desk(runpod.platform.url, manifest_of(case.shape), **changes) as at:
            with pytest.raises(case.error) as caught:
                await deploy(at)
        assert runpod.fleets == {}
    message = str(caught.value)
    assert case.advice in message
    assert "\n" not in message
    assert caught.value.status == case.status
    assert not any(secret in message + "\n".join(at.lines) for secret in SECRETS)


async def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    async with local(tmp_path) as runpod:
        async with desk(runpod.platform.url, manifest_of("single")) as at:
            spec_of_another = {
                "name": "parley-single",
                "type": "QUEUE",
                "image": "x/parley-single:1",
                "cpu": [{"id": "cpu3c", "vcpuCount": 2}],
                "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
            }
            headers = {"Authorization": f"Bearer {KEY}"}
            url = f"{runpod.platform.url}/v2/serverless"
            async with at.desk.session.post(url, json=spec_of_another, headers=headers) as answer:
                assert answer.status == 201
            with pytest.raises(NameTaken):
                await deploy(at)
            await tear_down(at.desk, yes=True, with_volume=True)
        assert len(runpod.fleets) == 1


@asynccontextmanager
async def host(routes: list[web.RouteDef]) -> AsyncIterator[str]:
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    name, port = runner.addresses[0][:2]
    try:
        yield f"{name}:{port}"
    finally:
        await runner.cleanup()


async def test_an_image_that_is_nowhere_is_told_before_anything_is_created(
    tmp_path: Path,
) -> None:
    """The account is on the local platform, and taken for the real one."""
    async with (
        local(tmp_path) as runpod,
        host([]) as registry,
        desk(runpod.platform.url, manifest_of("single")) as at,
    ):
        settings = replace(
            at.desk.settings, api_base="https://api.runpod.io", registry=registry, hub=None
        )
        settings = replace(settings, variables=without("HF_TOKEN"))
        at.desk = replace(at.desk, settings=settings)
        with pytest.raises(ImageMissing, match="Nothing was created"):
            await deploy(at)
        assert runpod.fleets == {}


async def test_an_image_with_gated_weights_needs_a_token_to_be_built(tmp_path: Path) -> None:
    async with (
        local(tmp_path) as runpod,
        host([]) as registry,
        desk(runpod.platform.url, manifest_of("single")) as at,
    ):
        settings = replace(
            at.desk.settings,
            api_base="https://api.runpod.io",
            registry=registry,
            tag=None,
            variables=without("HF_TOKEN"),
        )
        at.desk = replace(at.desk, settings=settings)
        with pytest.raises(ValueMissing, match="the image of parley-single needs it"):
            await deploy(at)
        assert runpod.fleets == {}


async def test_a_gated_model_is_asked_for_before_anything_is_created(tmp_path: Path) -> None:
    asked: list[tuple[str, str | None]] = []

    async def check(request: web.Request) -> web.Response:
        asked.append((request.match_info["name"], request.headers.get("Authorization")))
        return web.json_response({}, status=403)

    async with (
        local(tmp_path) as runpod,
        host([web.get("/api/models/{name:.+}/auth-check", check)]) as hub,
        desk(runpod.platform.url, manifest_of("split")) as at,
    ):
        settings = replace(at.desk.settings, api_base="https://api.runpod.io", hub=f"http://{hub}")
        at.desk = replace(at.desk, settings=settings)
        with pytest.raises(ModelRefused, match="Accept its conditions at"):
            await deploy(at)
        assert runpod.fleets == {}
    assert asked == [
        ("pyannote/speaker-diarization-community-1", f"Bearer {VARIABLES['HF_TOKEN']}")
    ]


async def test_workers_that_never_answer_are_told_with_what_they_did(tmp_path: Path) -> None:
    async with local(tmp_path) as runpod:
        hasty = manifest_of(
            "single", lambda values: values["endpoints"][0]["scaling"].update(value=1)
        )
        async with desk(runpod.platform.url, hasty) as at:
            with pytest.raises(NotAnswering, match=r"parley-single: 1 initializing") as caught:
                await deploy(at, within=7.0)
        assert caught.value.status == 3
        assert len(runpod.fleets) == 1


async def test_what_a_worker_says_is_told(tmp_path: Path) -> None:
    """The orchestrator has a key that its endpoints do not take."""
    async with local(tmp_path) as runpod:
        async with desk(runpod.platform.url, manifest_of("orch")) as at:
            with pytest.raises(
                SmokeFailed, match=r"endpoint_access_denied.*PARLEY_ORCHESTRATOR_KEY"
            ):
                await deploy(at, within=60.0)
        assert not any(secret in "\n".join(at.lines) for secret in SECRETS)


async def test_removing_what_left_the_manifest_needs_a_yes(tmp_path: Path) -> None:
    renamed = manifest_of("single", lambda values: values["endpoints"][0].update(name="other"))
    async with local(tmp_path, quota=9) as runpod:
        async with desk(runpod.platform.url, manifest_of("single")) as at:
            await deploy(at)
        async with desk(runpod.platform.url, renamed) as at:
            with pytest.raises(VariableInvalid, match="Delete parley-single"):
                await deploy(at)
            assert len(runpod.fleets) == 1
            assert await bring_up(at.desk, share_key=False, yes=True, within=None) == 0
            assert await show_plan(at.desk, share_key=False) == 0
        assert at.lines[-1].startswith("No changes")
        assert len(runpod.fleets) == 1
