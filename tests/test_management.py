"""Endpoints that are created, changed and deleted over REST v2, and really run."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import requests

from emulator.management.api import Setup
from emulator.manifest import EndpointSpec
from tests.accounts import COUNT, DELAY, GPU, IMAGE, IMAGES, KEY, MINIMAL, Account, account
from tests.echo_runpod import until

CPU = [{"id": "cpu3c", "vcpuCount": 2}]
NO_CAPACITY = "There are no longer any instances available"
QUOTA = (
    "Max workers across all endpoints must not exceed your workers quota (5). Reduce the max "
    "workers for other endpoints or lower the max worker count for this endpoint to at most 5."
)


@pytest_asyncio.fixture
async def runpod(tmp_path: Path) -> AsyncIterator[Account]:
    async with account(tmp_path) as found:
        yield found


async def test_a_created_endpoint_serves_where_its_request_urls_say(runpod: Account) -> None:
    endpoint = await runpod.create()
    assert endpoint["requestUrls"]["run"] == f"{runpod.runpod.base_url}/{endpoint['id']}/run"
    assert await runpod.ask(endpoint, say="hello") == {"echo": "hello"}
    listed = (await runpod.call("GET", "/v2/serverless")).facts["endpoints"]
    assert listed == [endpoint] == [await runpod.get(endpoint)]


async def test_what_is_left_out_has_the_defaults_of_the_platform(runpod: Account) -> None:
    endpoint = await runpod.create()
    assert endpoint["workers"] == {"min": 0, "max": 3, "idleTimeout": 10}
    assert endpoint["timeout"] == 0  # the description says 300000, the live API does otherwise
    assert endpoint["flashboot"] == "OFF"
    assert (endpoint["dataCenterIds"], endpoint["networkVolumes"]) == ([], [])
    gpu = {"pools": ["ADA_24"], "count": 1, "allowedCudaVersions": [], "minCudaVersion": None}
    assert endpoint["gpu"] == gpu
    assert "cpu" not in endpoint


async def test_requests_and_curl_need_nothing_special(runpod: Account) -> None:
    def create() -> requests.Response:
        url = f"{runpod.url}/v2/serverless"
        return requests.post(url, json=MINIMAL, headers=KEY, timeout=30)

    answer = await asyncio.to_thread(create)
    assert (answer.status_code, answer.json()["name"]) == (201, "echo")


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "local"}]
)
async def test_without_the_key_there_is_401(runpod: Account, headers: dict[str, str]) -> None:
    answer = await runpod.call("GET", "/v2/serverless", headers=headers)
    assert answer.status == 401
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert (answer.facts["title"], answer.facts["status"]) == ("Unauthorized", 401)
    assert (await runpod.call("GET", "/v2/serverless?api_key=local", headers={})).status == 401


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"modelReferences": []}, "$: additional properties 'modelReferences' not allowed"),
        ({"workers": {"maximum": 1}}, "$.workers: additional properties 'maximum' not allowed"),
        ({"workers": {"min": -1}}, "$.workers.min:"),
        ({"workers": {"idleTimeout": 3601}}, "$.workers.idleTimeout:"),
        ({"scaling": {**DELAY, "queueDelay": 0.4}}, "$.scaling.queueDelay:"),
        ({"scaling": {**COUNT, "requestCount": 0}}, "$.scaling.requestCount:"),
        ({"scaling": {"type": "QUEUE_DELAY", "requestCount": 1}}, "'requestCount' not allowed"),
        ({"gpu": {"pools": []}}, "$.gpu.pools:"),
        ({"gpu": {"count": 1}}, "$.gpu: missing property 'pools'"),
        ({"gpu": {**GPU, "minCudaVersion": "12"}}, "$.gpu.minCudaVersion:"),
        ({"cpu": [{"id": "cpu3c", "vcpuCount": 1}]}, "$.cpu[0].vcpuCount:"),
        ({"gpu": None}, "$: gpu must not be null"),
        ({"env": {"A": 1}}, "$.env.A:"),
        ({"type": "queue"}, "$.type:"),
        ({"flashboot": True}, "$.flashboot:"),
        ({"disk": 0}, "$.disk:"),
        ({"name": ""}, "$.name:"),
        (
            {"workers": {"idleTimeout": 5}, "scaling": COUNT},
            "$.workers.idleTimeout: not applicable",
        ),
        ({"type": "LOAD_BALANCER"}, "REQUEST_COUNT"),
    ],
)
async def test_what_the_schema_has_not_is_422(
    runpod: Account, body: dict[str, Any], told: str
) -> None:
    answer = await runpod.refused(**body)
    assert answer.status == 422
    assert answer.facts["detail"] == "Request validation failed."
    assert told in answer.told


@pytest.mark.parametrize("left_out", ["name", "type", "scaling", "image"])
async def test_what_is_required_is_missed(runpod: Account, left_out: str) -> None:
    body = {key: value for key, value in MINIMAL.items() if key != left_out}
    answer = await runpod.call("POST", "/v2/serverless", body)
    assert (answer.status, answer.told) == (
        422,
        f"Request validation failed. $: missing property '{left_out}'",
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"cpu": CPU}, "exactly one of gpu or cpu"),
        ({"gpu": {"pools": ["ADA_25"]}}, "GPU pool ADA_25 not found"),
        ({"gpu": {**GPU, "excludedTypes": ["NVIDIA L4"]}}, "not a GPU type of the selected pools"),
        ({"gpu": {**GPU, "excludedTypes": ["NVIDIA GeForce RTX 4090"]}}, "at least one GPU type"),
        (
            {"gpu": {**GPU, "allowedCudaVersions": ["12.8"], "minCudaVersion": "12.8"}},
            "mutually exclusive",
        ),
        ({"gpu": {**GPU, "minCudaVersion": "99.0"}}, NO_CAPACITY),
        ({"gpu": {**GPU, "allowedCudaVersions": ["11.0"]}}, NO_CAPACITY),
        ({"workers": {"min": 2, "max": 1}}, "workers.min must not be greater"),
        ({"timeout": -1}, "timeout must not be negative"),
        ({"dataCenterIds": ["MARS-1"]}, "data center MARS-1 not found"),
        ({"networkVolumes": ["none"]}, "network volume none not found"),
        ({"registry": "none"}, "registry not found"),
        ({"image": ""}, "image must not be empty"),
        ({"env": {"A=B": "c"}}, "must be what a process can be started with"),
        ({"args": "'"}, "args must be what a shell can read"),
        (
            {"workers": {"max": 6}},
            QUOTA,
        ),
    ],
)
async def test_what_contradicts_itself_or_the_account_is_400(
    runpod: Account, body: dict[str, Any], told: str
) -> None:
    answer = await runpod.refused(**body)
    assert answer.status == 400
    assert told in answer.told


@pytest.mark.parametrize(
    ("cpu", "body", "told"),
    [
        ([{"id": "cpu3c", "vcpuCount": 3}], {}, "power of two"),
        ([{"id": "cpu3c", "vcpuCount": 64}], {}, "power of two up to 32"),
        ([{"id": "cpu9z", "vcpuCount": 2}], {}, "CPU flavor cpu9z not found"),
        (CPU, {"disk": 21}, "at most 20 GB"),
        ([{"id": "cpu5c", "vcpuCount": 4}], {"disk": 61}, "at most 60 GB"),
        ([{"id": "cpu5c", "vcpuCount": 4}], {"dataCenterIds": ["US-KS-2"]}, NO_CAPACITY),
    ],
)
async def test_cpus_have_rules_of_their_own(
    runpod: Account, cpu: list[Any], body: dict[str, Any], told: str
) -> None:
    whole = {key: value for key, value in MINIMAL.items() if key != "gpu"} | {"cpu": cpu} | body
    answer = await runpod.call("POST", "/v2/serverless", whole)
    assert (answer.status, told in answer.told) == (400, True)


async def test_neither_gpu_nor_cpu_is_refused_and_a_cpu_endpoint_serves(runpod: Account) -> None:
    neither = {key: value for key, value in MINIMAL.items() if key != "gpu"}
    assert (await runpod.call("POST", "/v2/serverless", neither)).status == 400
    made = await runpod.call("POST", "/v2/serverless", {**neither, "cpu": CPU})
    assert made.facts["cpu"] == [{"id": "cpu3c", "vcpuCount": 2, "memory": 4}]
    assert await runpod.ask(made.facts, say="slow but cheap") == {"echo": "slow but cheap"}


async def test_the_quota_counts_all_endpoints_whoever_made_them(tmp_path: Path) -> None:
    other = EndpointSpec(id="other", command=("serve",), workers_max=1)
    async with account(tmp_path, quota=4, endpoints=(other,)) as runpod:
        first = await runpod.create(workers={"max": 2})
        whole = {**MINIMAL, "workers": {"max": 2}}
        answer = await runpod.call("POST", "/v2/serverless", whole)
        assert (answer.status, "at most 1." in answer.told) == (400, True)
        answer = await runpod.patch(first, workers={"max": 4})
        assert (answer.status, "at most 3." in answer.told) == (400, True)
        assert (await runpod.patch(first, workers={"max": 1})).status == 200
        assert (await runpod.call("POST", "/v2/serverless", whole)).status == 201


async def test_a_patch_changes_what_it_names_and_nothing_else(runpod: Account) -> None:
    before = await runpod.create(gpu={**GPU, "minCudaVersion": "12.8"}, env={"A": "1", "B": "2"})
    body = {"workers": {"max": 2}, "gpu": {"count": 2}, "env": {"A": "3"}}
    after = (await runpod.patch(before, **body)).facts
    assert after == {
        **before,
        "workers": {**before["workers"], "max": 2},
        "gpu": {**before["gpu"], "count": 2},
        "env": {"A": "3"},  # whole, not merged
    }


async def test_pools_and_exclusions_are_one_selection(runpod: Account) -> None:
    gpu = {"pools": ["AMPERE_24"], "excludedTypes": [" NVIDIA L4"]}
    endpoint = await runpod.create(gpu=gpu)
    assert endpoint["gpu"]["excludedTypes"] == ["NVIDIA L4"]
    answer = await runpod.patch(endpoint, gpu={"excludedTypes": []})
    assert (answer.status, "excludedTypes requires pools" in answer.told) == (422, True)
    changed = (await runpod.patch(endpoint, gpu={"pools": ["AMPERE_24"]})).facts
    assert "excludedTypes" not in changed["gpu"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "QUEUE"}, 422),
        ({"cpu": CPU}, 400),
        ({"cpu": CPU, "gpu": GPU}, 400),
        ({"gpu": {**GPU, "minCudaVersion": "99.0"}}, 400),
        ({"scaling": COUNT, "workers": {"idleTimeout": 5}}, 422),
        ({"templateId": "none"}, 404),
        ({"registry": None}, 200),
        ({"image": None}, 422),
        ({}, 200),
    ],
)
async def test_a_patch_follows_the_same_rules(
    runpod: Account, body: dict[str, Any], status: int
) -> None:
    endpoint = await runpod.create()
    assert (await runpod.patch(endpoint, **body)).status == status
    assert await runpod.get(endpoint) == endpoint


async def test_with_request_counts_there_is_no_idle_timeout(runpod: Account) -> None:
    endpoint = await runpod.create(scaling=COUNT)
    assert endpoint["workers"] == {"min": 0, "max": 3}
    assert (await runpod.patch(endpoint, workers={"idleTimeout": 5})).status == 422
    changed = (await runpod.patch(endpoint, scaling=DELAY, workers={"idleTimeout": 5})).facts
    assert changed["workers"]["idleTimeout"] == 5


async def test_more_workers_come_at_once(runpod: Account) -> None:
    endpoint = await runpod.create(workers={"max": 1})
    assert (await runpod.get(endpoint, "/workers"))["summary"]["total"] == 0
    await runpod.patch(endpoint, workers={"min": 1})
    facts = await runpod.until(lambda facts: facts["summary"]["idle"] == 1, endpoint)
    (worker,) = facts["workers"]
    assert (worker["status"], worker["isStale"], worker["image"]) == ("IDLE", False, IMAGE)
    assert worker["gpuTypeId"] == "NVIDIA GeForce RTX 4090"
    health = await runpod.call("GET", f"/v2/{endpoint['id']}/health")
    assert health.facts["workers"]["idle"] == 1


async def test_another_container_replaces_the_workers_and_is_a_release(runpod: Account) -> None:
    endpoint = await runpod.create(workers={"min": 1, "max": 1})
    old = await runpod.ask(endpoint, pid=True)
    await runpod.patch(endpoint, name="renamed", workers={"idleTimeout": 60})
    assert await runpod.ask(endpoint, pid=True) == old  # nothing that a worker runs has changed
    await runpod.patch(endpoint, env={"ECHO_CONCURRENCY": "2"})
    assert await runpod.ask(endpoint, pid=True) != old
    releases = await runpod.get(endpoint, "/releases")
    assert releases["endpointVersion"] == 2
    assert [release["version"] for release in releases["releases"]] == [2, 1]
    change = {"field": "template.env", "old": {}, "new": {"ECHO_CONCURRENCY": "2"}}
    assert releases["releases"][0]["diff"] == [change]


async def test_a_job_is_finished_by_the_version_that_began_it(runpod: Account) -> None:
    two_at_once = {"ECHO_CONCURRENCY": "2"}
    endpoint = await runpod.create(workers={"max": 2}, env=two_at_once)
    sent = await runpod.call("POST", f"/v2/{endpoint['id']}/run", {"input": {"sleep": 2}})
    facts = await runpod.until(lambda facts: facts["summary"]["running"] == 1, endpoint)
    await runpod.patch(endpoint, env={**two_at_once, "A": "1"})
    workers = (await runpod.get(endpoint, "/workers"))["workers"]
    assert [(worker["isStale"], worker["version"]) for worker in workers] == [(True, 1)]
    releases = await runpod.get(endpoint, "/releases")
    assert releases["rollout"]["inProgress"]
    path = f"/v2/{endpoint['id']}/runsync"
    next_one = await runpod.call("POST", path, {"input": {"say": "of the new one"}})
    assert next_one.facts["output"] == {"echo": "of the new one"}
    assert next_one.facts["workerId"] != facts["workers"][0]["id"]  # which had a place for it
    await runpod.until(lambda facts: facts["summary"]["running"] == 0, endpoint)
    status = await runpod.call("GET", f"/v2/{endpoint['id']}/status/{sent.facts['id']}")
    assert status.facts["status"] == "COMPLETED"
    assert "retries" not in status.facts


async def test_a_deleted_endpoint_leaves_neither_jobs_nor_workers_nor_its_template(
    runpod: Account,
) -> None:
    endpoint = await runpod.create(workers={"max": 1})
    pid = (await runpod.ask(endpoint, pid=True))["pid"]
    sent = await runpod.call("POST", f"/v2/{endpoint['id']}/run", {"input": {"sleep": 600}})
    path = f"/v2/{endpoint['id']}/runsync"
    waits = asyncio.create_task(runpod.call("POST", path, {"input": {"sleep": 600}}))
    queue = runpod.runpod.platform.queues[endpoint["id"]]
    await until(lambda: queue.waiting + queue.running == 2)
    fleet = runpod.runpod.fleets[endpoint["id"]]
    path = f"/v2/serverless/{endpoint['id']}"
    assert (await runpod.call("DELETE", path)).status == 204
    assert (await runpod.call("DELETE", path)).status == 404
    assert (await runpod.call("GET", path)).facts["title"] == "Not Found"
    assert (await waits).facts["status"] == "CANCELLED"
    status = await runpod.call("GET", f"/v2/{endpoint['id']}/status/{sent.facts['id']}")
    assert status.status == 404
    assert (await runpod.call("GET", f"/v2/{endpoint['id']}/health")).status == 404
    assert (await runpod.call("GET", "/v2/templates")).facts == {"templates": []}
    await fleet.close()
    assert not Path(f"/proc/{pid}").exists()


async def test_a_job_is_stopped_after_the_timeout_of_its_endpoint(runpod: Account) -> None:
    endpoint = await runpod.create()
    await runpod.patch(endpoint, timeout=1000)
    path = endpoint["requestUrls"]["runSync"].removeprefix(runpod.url)
    answer = await runpod.call("POST", path, {"input": {"sleep": 600}})
    assert answer.facts["status"] == "TIMED_OUT"


async def test_an_unknown_image_never_gets_ready_and_its_log_says_why(runpod: Account) -> None:
    endpoint = await runpod.create(image="ghcr.io/someone/typo:1.0", workers={"min": 1})
    facts = await runpod.until(lambda facts: facts["workers"], endpoint)
    assert facts["summary"]["initializing"] == facts["summary"]["total"] == 1
    (worker,) = facts["workers"]
    path = f"/v2/serverless/{endpoint['id']}/workers/{worker['id']}/logs"
    assert (await runpod.call("GET", path + "?source=host")).status == 422
    assert (await runpod.call("GET", path.replace(worker["id"], "none"))).status == 404
    async with runpod.session.get(runpod.url + path + "?source=system", headers=KEY) as answer:
        assert answer.content_type == "text/event-stream"
        said = (await answer.content.readuntil(b"\n\n")).decode()
    event = json.loads(said.partition("data: ")[2])
    assert event["source"] == "system"
    assert "ghcr.io/someone/typo:1.0: manifest unknown" in event["line"]
    await runpod.patch(endpoint, image=IMAGE)
    assert await runpod.ask(endpoint, say="mended") == {"echo": "mended"}


async def test_a_template_is_resolved_once_and_the_body_wins(runpod: Account) -> None:
    preset = {"name": "preset", "image": IMAGE, "disk": 7, "env": {"A": "1", "B": "2"}}
    template = (await runpod.call("POST", "/v2/templates", {**preset, "serverless": True})).facts
    whole = {**MINIMAL, "templateId": template["id"], "env": {"B": "3"}}
    del whole["image"]
    endpoint = (await runpod.call("POST", "/v2/serverless", whole)).facts
    assert (endpoint["image"], endpoint["disk"]) == (IMAGE, 7)
    assert endpoint["env"] == {"A": "1", "B": "3"}
    path = f"/v2/templates/{template['id']}"
    assert (await runpod.call("PATCH", path, {"disk": 9})).facts == {**template, "disk": 9}
    assert await runpod.get(endpoint) == endpoint
    assert (await runpod.call("DELETE", path)).status == 204  # it is not the one that is bound


async def test_a_pods_template_and_one_that_is_not_there_are_refused(runpod: Account) -> None:
    pods = (await runpod.call("POST", "/v2/templates", {"name": "pods", "image": IMAGE})).facts
    assert (pods["startJupyter"], pods["category"]) == (True, "NVIDIA")
    assert (await runpod.refused(templateId=pods["id"])).status == 422
    assert (await runpod.refused(templateId="none")).status == 404


async def test_templates_have_names_of_their_own_and_stay_while_they_are_bound(
    runpod: Account,
) -> None:
    body = {"name": "one", "image": IMAGE}
    assert (await runpod.call("POST", "/v2/templates", body)).status == 201
    again = await runpod.call("POST", "/v2/templates", body)
    assert (again.status, again.told) == (400, "Template name must be unique.")
    assert (await runpod.call("POST", "/v2/templates", {**body, "serveless": True})).status == 422
    await runpod.create()
    templates = (await runpod.call("GET", "/v2/templates")).facts["templates"]
    (bound,) = (template for template in templates if template["serverless"])
    answer = await runpod.call("DELETE", f"/v2/templates/{bound['id']}")
    assert (answer.status, "bound to a serverless endpoint" in answer.told) == (400, True)


async def test_a_volume_is_a_folder_that_outlives_its_endpoints(tmp_path: Path) -> None:
    async with account(tmp_path) as runpod:
        body = {"name": "weights", "size": 20, "dataCenter": "EU-RO-1"}
        volume = (await runpod.call("POST", "/v2/network-volumes", body)).facts
        assert volume == {**body, "id": volume["id"], "type": "STANDARD"}
        path = f"/v2/network-volumes/{volume['id']}"
        assert (await runpod.call("PATCH", path, {})).status == 422
        assert (await runpod.call("PATCH", path, {"size": 19})).status == 400
        assert (await runpod.call("PATCH", path, {"size": 30})).facts["size"] == 30
        mounted = {"networkVolumes": [volume["id"]], "env": {"ECHO_FOLDER": "/runpod-volume/x"}}
        answer = await runpod.refused(**mounted, dataCenterIds=["US-KS-2"])
        assert (answer.status, "must be in one of dataCenterIds" in answer.told) == (400, True)
        first = await runpod.create(**mounted)
        await runpod.ask(first, say="up")
        (process,) = runpod.runpod.fleets[first["id"]].processes.values()
        folder = environment(process.pid)["ECHO_FOLDER"]
        Path(folder).mkdir(parents=True)
        assert (await runpod.call("DELETE", path)).status == 400  # in use
        await runpod.call("DELETE", f"/v2/serverless/{first['id']}")
        second = await runpod.create(**mounted)
        await runpod.ask(second, say="up")
        (process,) = runpod.runpod.fleets[second["id"]].processes.values()
        assert environment(process.pid)["ECHO_FOLDER"] == folder
        assert Path(folder).is_dir()
        await runpod.call("DELETE", f"/v2/serverless/{second['id']}")
        assert (await runpod.call("DELETE", path)).status == 204
        assert not Path(folder).exists()
        assert (await runpod.call("GET", "/v2/network-volumes")).facts == {"networkVolumes": []}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "a", "size": 9, "dataCenter": "EU-RO-1"}, 422),
        ({"name": "a", "size": 4097, "dataCenter": "EU-RO-1"}, 422),
        ({"name": "a", "size": 10, "dataCenter": "MARS-1"}, 400),
        ({"name": "a", "size": 10}, 422),
    ],
)
async def test_a_volume_has_a_size_and_a_place(
    runpod: Account, body: dict[str, Any], status: int
) -> None:
    assert (await runpod.call("POST", "/v2/network-volumes", body)).status == status


async def test_registry_credentials_are_never_told_again(runpod: Account) -> None:
    body = {"name": "ghcr", "username": "me", "password": "hunter2"}
    made = await runpod.call("POST", "/v2/registries", body)
    assert (made.status, set(made.facts)) == (201, {"id", "name"})
    endpoint = await runpod.create(registry=made.facts["id"])
    assert endpoint["registry"] == made.facts["id"]
    assert (await runpod.call("GET", "/v2/registries")).facts == {"registries": [made.facts]}
    path = f"/v2/registries/{made.facts['id']}"
    assert (await runpod.call("DELETE", path)).status == 204
    assert (await runpod.call("GET", path)).status == 404


def environment(pid: int) -> dict[str, str]:
    words = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


async def test_secrets_are_filled_in_for_workers_and_shown_to_nobody(tmp_path: Path) -> None:
    setup = Setup(images=IMAGES, secrets={"hub": "hf_hidden"})
    async with account(tmp_path, setup=setup) as runpod:
        told = "{{ RUNPOD_SECRET_hub }}"
        endpoint = await runpod.create(env={"HF_TOKEN": told, "OTHER": "{{ RUNPOD_SECRET_no }}"})
        assert endpoint["env"]["HF_TOKEN"] == told
        await runpod.ask(endpoint, say="up")
        (process,) = runpod.runpod.fleets[endpoint["id"]].processes.values()
        found = environment(process.pid)
        assert (found["HF_TOKEN"], found["OTHER"]) == ("hf_hidden", "{{ RUNPOD_SECRET_no }}")
        assert found["RUNPOD_ENDPOINT_BASE_URL"] == runpod.runpod.base_url
        assert "hf_hidden" not in repr(setup)


async def test_the_catalog_tells_pools_flavors_and_places(runpod: Account) -> None:
    gpus = (await runpod.call("GET", "/v2/catalog/gpus")).facts["gpus"]
    assert {gpu["id"]: gpu["pool"] for gpu in gpus}["NVIDIA L4"] == "AMPERE_24"
    assert not any("availability" in gpu for gpu in gpus)
    stock = "?include=AVAILABILITY&product=SERVERLESS&minCudaVersion=12"
    gpus = (await runpod.call("GET", "/v2/catalog/gpus" + stock)).facts["gpus"]
    assert {gpu["availability"] for gpu in gpus} == {"HIGH"}
    one = await runpod.call("GET", "/v2/catalog/gpus/NVIDIA%20L4")
    assert one.facts["memory"] == 24
    assert (await runpod.call("GET", "/v2/catalog/gpus/none")).status == 404
    cpu = (await runpod.call("GET", "/v2/catalog/cpus/cpu3c")).facts
    assert (cpu["ramGbPerVcpu"], "serverlessPerVcpu" in cpu["price"]) == (2, True)
    path = "/v2/catalog/datacenters/EU-RO-1?include=CPU_AVAILABILITY"
    center = (await runpod.call("GET", path)).facts
    assert [cpu["id"] for cpu in center["cpuAvailability"]] == ["cpu3c", "cpu3g", "cpu5c", "cpu5g"]
    assert center["region"] == "EUROPE"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("include=AVAILABILITY", 400),
        ("product=SERVERLESS", 400),
        ("include=STOCK", 422),
        ("include=AVAILABILITY&product=NONE", 422),
        ("include=AVAILABILITY&product=POD&minCudaVersion=x", 422),
        ("include=AVAILABILITY&product=POD&minCudaVersion=12&cudaVersions=12.8", 400),
    ],
)
async def test_the_catalog_is_asked_for_stock_in_the_right_way(
    runpod: Account, query: str, status: int
) -> None:
    assert (await runpod.call("GET", f"/v2/catalog/gpus?{query}")).status == status


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"'])
async def test_a_body_that_is_no_object_is_400(runpod: Account, body: str) -> None:
    answer = await runpod.call("POST", "/v2/serverless", None, data=body)
    assert answer.status == 400


async def test_load_balancers_are_said_to_be_missing_here(runpod: Account) -> None:
    answer = await runpod.refused(type="LOAD_BALANCER", scaling=COUNT)
    assert (answer.status, "not imitated" in answer.told) == (501, True)
