"""The account as RunPod's API has it: against the local platform, which is as strict."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from deploy.apply import apply, check_supply, destroy
from deploy.endpoint import Gpu, State
from deploy.errors import (
    AnswerInvalid,
    AnswerLost,
    DeployError,
    GraphqlRefused,
    KeyRefused,
    NoCapacity,
    PlatformFailed,
    PlatformUnreachable,
    QuotaRefused,
    RateLimited,
    RequestRefused,
)
from deploy.manifest import SHAPES, Manifest, Shape
from deploy.platform import WorkerCounts
from deploy.runpod import RunPod
from deploy.runpod.wire import Patience, Wire
from deploy.secrets import Secrets
from deploy.wanted import aim
from deploy.warm import warm
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.faults import Fault, FaultKind
from emulator.management.api import Setup
from emulator.management.images import Image, Images
from emulator.manifest import Manifest as LocalManifest
from tests.deployments import (
    KEY,
    MONDAY_NOON,
    ORCHESTRATOR_KEY,
    SECRETS,
    Killed,
    called,
    manifest_of,
    surroundings,
)

QUICK = Patience(request_seconds=60, attempts=3, first_pause=0.01, longest_asked=1)
SLEEPERS = Images(
    {
        f"parley-{role}": Image(command=("sleep", "600"))
        for role in ("single", "transcription", "diarization", "orchestrator")
    }
)


@asynccontextmanager
async def wired(base: str, *, key: str = KEY, patience: Patience = QUICK) -> AsyncIterator[RunPod]:
    secrets = Secrets.of(*SECRETS)
    async with aiohttp.ClientSession() as session:
        yield RunPod(Wire(session=session, base=base, key=key, secrets=secrets, patience=patience))


@asynccontextmanager
async def local(
    tmp_path: Path, *, quota: int = 5, setup: Setup | None = None
) -> AsyncIterator[tuple[LocalRunPod, RunPod]]:
    manifest = LocalManifest(endpoints=(), workers_quota=quota)
    async with (
        local_runpod(
            manifest, logs=tmp_path, api_key=KEY, setup=setup or Setup(images=SLEEPERS)
        ) as runpod,
        wired(runpod.platform.url) as platform,
    ):
        yield runpod, platform


async def deploy(platform: RunPod, manifest: Manifest) -> State:
    outcome = await apply(
        manifest, around=surroundings(), platform=platform, tell=lambda _line: None, pause=0
    )
    assert outcome.left.changes == ()
    return outcome.state


def with_volume(values: dict[str, Any]) -> None:
    values["volume"] = {"name": "weights", "size_gb": 10, "data_center": "EU-RO-1"}


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_shape_is_there_and_right_and_then_gone(shape: Shape, tmp_path: Path) -> None:
    manifest = manifest_of(shape)
    async with local(tmp_path) as (runpod, platform):
        state = await deploy(platform, manifest)
        assert {one.spec.name for one in state.endpoints} == {
            table.name for table in manifest.endpoints
        }
        for one in state.endpoints:
            table = next(table for table in manifest.endpoints if table.name == one.spec.name)
            stored = [model.reference for model in table.models if model.source == "store"]
            assert list(one.spec.models) == stored
            assert one.spec.workers.most == table.workers.max
            if table.gpu:
                assert isinstance(one.spec.machines, Gpu)
                assert one.spec.machines.pools == table.gpu.pools
            assert one.run_url == f"{runpod.base_url}/{one.id}/run"
        await destroy(manifest, platform=platform, tell=print)
        state = await platform.read()
        assert state.endpoints == ()
        assert await platform.templates() == ()


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(manifest_of("single"), id="single"),
        pytest.param(manifest_of("orch", with_volume), id="orch with a volume"),
    ],
)
async def test_a_run_that_is_killed_after_any_call_is_completed_by_the_next(
    manifest: Manifest, tmp_path: Path
) -> None:
    class Cut(Wire):
        """Ends the process when so many changes are done."""

        left = 0

        async def _counted(self, answer: Any) -> Any:
            type(self).left -= 1
            if type(self).left == 0:
                raise Killed
            return answer

        async def send(self, *words: Any, **named: Any) -> Any:
            return await self._counted(await super().send(*words, **named))

        async def graphql(self, query: str, variables: Any, *, what: str) -> Any:
            answer = await super().graphql(query, variables, what=what)
            return await self._counted(answer) if "mutation" in query else answer

    async with local(tmp_path) as (runpod, platform), aiohttp.ClientSession() as session:
        whole = names(await deploy(platform, manifest))
        killed = RunPod(Cut(session=session, base=runpod.platform.url, key=KEY, secrets=Secrets()))
        for calls in range(1, 100):
            await destroy(manifest, platform=platform, tell=print, with_volume=True)
            Cut.left = calls
            try:
                await deploy(killed, manifest)
            except Killed:
                state = await deploy(platform, manifest)
                assert names(state) == whole
                assert len(state.volumes) == (manifest.volume is not None)
            else:
                break
        assert calls > 2


def names(state: State) -> dict[str, Any]:
    """What there is, without what differs from one creation to the next."""
    ids = {one.id: one.spec.name for one in state.endpoints}
    ids |= {volume.id: volume.spec.name for volume in state.volumes}
    found = {
        one.spec.name: replace(
            one.spec,
            environment={
                name: ids.get(str(value), value) for name, value in one.spec.environment.items()
            },
            volumes=tuple(ids[str(volume)] for volume in one.spec.volumes),
        )
        for one in state.endpoints
    }
    assert len(found) == len(state.endpoints), "a duplicate"
    return found


@pytest.mark.parametrize(
    ("kind", "route", "error"),
    [
        ("answer_401", "management", KeyRefused),
        ("answer_422", "management/createEndpoint", RequestRefused),
        ("answer_429", "management", RateLimited),
        ("answer_500", "management/createEndpoint", AnswerLost),
        ("answer_500", "management/listEndpoints", PlatformFailed),
        ("close_connection", "management/listEndpoints", PlatformUnreachable),
        ("graphql_error", "management", GraphqlRefused),
    ],
)
async def test_what_goes_wrong_for_good_ends_with_one_clear_message(
    kind: FaultKind, route: str, error: type[DeployError], tmp_path: Path
) -> None:
    async with local(tmp_path) as (runpod, platform):
        runpod.faults.add(Fault(kind, route=route, times=None))
        with pytest.raises(error) as caught:
            await deploy(platform, manifest_of("orch"))
        assert str(caught.value).rstrip().endswith((".", ")."))
        assert "\n" not in str(caught.value)
        assert not any(secret in str(caught.value) for secret in SECRETS)
        runpod.faults.clear()
        assert len((await deploy(platform, manifest_of("orch"))).endpoints) == 3


@pytest.mark.parametrize("kind", ["answer_429", "answer_500", "close_connection", "lose_answer"])
async def test_what_goes_wrong_once_at_each_call_is_not_noticed(
    kind: FaultKind, tmp_path: Path
) -> None:
    async with local(tmp_path) as (runpod, platform):
        runpod.faults.add(Fault(kind, route="management", every=3, times=None))
        state = await deploy(platform, manifest_of("orch"))
        runpod.faults.clear()
        assert len(state.endpoints) == 3
        assert state == await platform.read()


async def test_a_wrong_key_is_told(tmp_path: Path) -> None:
    async with (
        local(tmp_path) as (runpod, _),
        wired(runpod.platform.url, key="rpa_some-other-key") as platform,
    ):
        with pytest.raises(KeyRefused, match=r"does not know the key.*RUNPOD_API_KEY") as caught:
            await platform.read()
    assert "rpa_some" not in str(caught.value)


async def test_the_quota_is_read_and_what_runpod_says_of_it_is_told(tmp_path: Path) -> None:
    async with local(tmp_path, quota=2) as (_, platform):
        assert (await platform.read()).quota == 2
        spec = aim(manifest_of("single"), surroundings(), State()).endpoints[0]
        with pytest.raises(QuotaRefused, match=r"workers quota \(2\).*Lower workers.max"):
            await platform.create_endpoint(replace(spec, models=()))


async def test_full_pools_are_seen_before_and_told_after(tmp_path: Path) -> None:
    async with local(tmp_path) as (runpod, platform):
        wanted = aim(manifest_of("single"), surroundings(), State())
        await check_supply(wanted, platform)
        for pool in ("AMPERE_16", "AMPERE_24", "ADA_24"):
            runpod.faults.add(Fault("empty_pool", endpoint=pool, times=None))
        with pytest.raises(NoCapacity, match="None of AMPERE_16, AMPERE_24, ADA_24"):
            await check_supply(wanted, platform)
        with pytest.raises(NoCapacity, match="no longer any instances available"):
            await deploy(platform, manifest_of("single"))
        assert (await platform.read()).endpoints == ()


async def test_an_update_changes_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    async with local(tmp_path) as (_, platform):
        before = names(await deploy(platform, manifest_of("orch")))

        def change(values: dict[str, Any]) -> None:
            called(values, "diarization")["workers"]["max"] = 1

        after = names(await deploy(platform, manifest_of("orch", change)))
        name = "parley-diarization"
        least = replace(before[name].workers, most=1)
        assert after == {**before, name: replace(before[name], workers=least)}


async def test_other_models_keep_the_rest_though_that_update_is_not_sparse(tmp_path: Path) -> None:
    def odd(values: dict[str, Any]) -> None:
        one = called(values, "transcription")
        one["workers"] |= {"min": 1, "idle_seconds": 42}
        one["scaling"]["value"] = 9
        one["gpu"]["excluded"] = ["NVIDIA L4"]

    def v3(values: dict[str, Any]) -> None:
        odd(values)
        called(values, "transcription")["models"][0]["repository"] = "nvidia/parakeet-tdt-0.6b-v3"

    async with local(tmp_path) as (_, platform):
        before = names(await deploy(platform, manifest_of("split", odd)))
        after = names(await deploy(platform, manifest_of("split", v3)))
    name = "parley-transcription"
    models = ("https://huggingface.co/nvidia/parakeet-tdt-0.6b-v3:main",)
    assert after == {**before, name: replace(before[name], models=models)}


async def test_workers_are_kept_in_the_hours_that_a_schedule_names(tmp_path: Path) -> None:
    def evening(values: dict[str, Any]) -> None:
        called(values, "diarization")["warm"] = {"workers": 1, "hours": "17:00-23:00"}

    manifest = manifest_of("split", evening)
    async with local(tmp_path) as (_, platform):
        before = names(await deploy(platform, manifest))
        told: list[str] = []
        for hour in (18, 19, 23):
            moment = MONDAY_NOON.replace(hour=hour)
            assert await warm(manifest, platform=platform, moment=moment, tell=told.append)
        assert [line.partition(": ")[2] for line in told if "diarization" in line] == [
            "workers.min 0 -> 1",
            "workers.min 1",
            "workers.min 1 -> 0",
        ]
        assert names(await platform.read()) == before


async def test_workers_are_counted(tmp_path: Path) -> None:
    async with local(tmp_path) as (_, platform):
        state = await deploy(platform, manifest_of("single"))
        assert await platform.workers(state.endpoints[0].id) == WorkerCounts()
        assert str(WorkerCounts(idle=1, throttled=2)) == "1 idle, 2 throttled"
        assert str(WorkerCounts()) == "no worker"


async def test_what_is_gone_can_be_deleted(tmp_path: Path) -> None:
    async with local(tmp_path) as (_, platform):
        await platform.delete_endpoint("gone")
        await platform.delete_template("gone")
        await platform.delete_volume("gone")


Answer = Callable[[web.Request], web.StreamResponse]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[tuple[RunPod, list[str]]]:
    """A host that gives one answer to everything, and notes what it was asked."""
    asked: list[str] = []

    async def respond(request: web.Request) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path}")
        return answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with wired(f"http://{host}:{port}") as platform:
            yield platform, asked
    finally:
        await runner.cleanup()


def problem(status: int, **body: Any) -> Answer:
    return lambda _request: web.json_response(body, status=status)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (
            lambda _request: web.Response(text="<html>busy</html>", status=400),
            RequestRefused,
            "a web page",
        ),
        (problem(403), KeyRefused, "does not allow the key"),
        (problem(200, data=None), AnswerInvalid, "GraphQL gave no data"),
        (problem(200, data={"myself": None}), AnswerInvalid, "whose key"),
        (lambda _request: web.Response(text="<html>"), AnswerInvalid, "no JSON"),
        (problem(200, errors=[{"message": "Something"}]), GraphqlRefused, "Something"),
        (problem(400, errors=[{"message": "No such field"}]), GraphqlRefused, "No such field"),
        (
            lambda _request: web.Response(status=302, headers={"Location": "http://[::1]:1/"}),
            RequestRefused,
            "302",
        ),
    ],
)
async def test_an_answer_that_is_none_is_told(
    answer: Answer, error: type[DeployError], message: str
) -> None:
    async with answering(answer) as (platform, _):
        with pytest.raises(error, match=message):
            await platform.read()


async def test_what_runpod_finds_wrong_is_told_in_a_line() -> None:
    answer = problem(422, title="T", detail="Bad.", errors=["$: 'x' not\nallowed"])
    async with answering(answer) as (platform, _):
        with pytest.raises(RequestRefused, match=r"422\): Bad\.; \$: 'x' not allowed\. Correct"):
            await platform.templates()


async def test_what_runpod_repeats_of_a_secret_is_hidden() -> None:
    said = f"env HF_TOKEN={SECRETS[1]} RUNPOD_API_KEY={ORCHESTRATOR_KEY} key {KEY} is wrong"
    for answer in (
        problem(422, detail=said),
        problem(200, errors=[{"message": said}]),
        lambda _request: web.Response(text=said, status=400),
    ):
        async with answering(answer) as (platform, _):
            with pytest.raises(DeployError) as caught:
                await platform.read()
            assert "is wrong" in str(caught.value)
            assert not any(secret in str(caught.value) for secret in SECRETS)


async def test_what_an_endpoint_holds_is_hidden_too(tmp_path: Path) -> None:
    held = "bucket-key-of-an-earlier-day"
    before = surroundings(variables={"HF_TOKEN": "hf_x", "BUCKET_ACCESS_KEY_ID": held})
    async with local(tmp_path) as (runpod, platform):
        manifest = manifest_of("single")
        await apply(manifest, around=before, platform=platform, tell=print)
        secrets: list[str] = []
        async with wired(runpod.platform.url) as later:
            await later.read()
            secrets.append(later._wire._line(f"{held} is wrong"))
    assert secrets == ["[hidden] is wrong"]


async def test_an_answer_without_what_is_published_is_told() -> None:
    data = {"myself": {"maxServerlessConcurrency": 5, "endpoints": []}}
    both = {"data": data, "endpoints": [{"id": "x"}], "networkVolumes": []}
    async with answering(problem(200, **both)) as (platform, _):
        with pytest.raises(AnswerInvalid, match="KeyError 'workers'"):
            await platform.read()


async def test_a_long_pause_is_left_to_whoever_deploys() -> None:
    def later(_request: web.Request) -> web.Response:
        return web.json_response({}, status=429, headers={"Retry-After": "3600"})

    async with answering(later) as (platform, asked):
        with pytest.raises(RateLimited, match="in 3600 s"):
            await platform.read()
        assert len(asked) == 1


async def test_creating_is_never_sent_twice_where_it_may_have_been_done() -> None:
    spec = replace(aim(manifest_of("single"), surroundings(), State()).endpoints[0], models=())
    async with answering(problem(502)) as (platform, asked):
        with pytest.raises(AnswerLost):
            await platform.create_endpoint(spec)
        assert asked == ["POST /v2/serverless"]
    async with answering(problem(429)) as (platform, asked):
        with pytest.raises(RateLimited):
            await platform.create_endpoint(spec)
        assert len(asked) == QUICK.attempts


async def test_nobody_there_is_told() -> None:
    async with wired("http://127.0.0.1:9") as platform:
        with pytest.raises(PlatformUnreachable, match="does not take the connection"):
            await platform.read()


async def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    patience = replace(QUICK, request_seconds=0.1, attempts=2)
    async with wired(f"http://{host}:{port}", patience=patience) as platform:
        with pytest.raises(PlatformUnreachable, match="does not answer in time"):
            await platform.read()
    server.close()


async def test_what_is_sent_is_json_with_the_key_in_its_header() -> None:
    seen: list[str] = []

    def look(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        assert KEY not in str(request.url)
        return web.json_response({"data": {"myself": {}}, "endpoints": [], "networkVolumes": []})

    async with answering(look) as (platform, _):
        assert (await platform.read()) == State(quota=None)
    assert set(seen) == {f"Bearer {KEY}"}
