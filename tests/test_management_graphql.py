"""Endpoints over GraphQL, as official tools manage them, and cached models."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import runpod as sdk
from runpod.api import ctl_commands
from runpod.error import AuthenticationError, QueryError

from emulator.management.api import Setup
from emulator.management.images import Image, Images
from tests.accounts import IMAGE, IMAGES, KEY, Account, account
from tests.echo_runpod import ECHO

COMMIT = "7ae5576ffcf6a6b1b0f4f6ec3e5a0d6d1f7b6f5d"
MODEL = "https://huggingface.co/Org/Small-Model"
TEMPLATE = {"name": "preset", "imageName": IMAGE, "env": [{"key": "A", "value": "1"}]}
NEW = {"name": "echo", "gpuIds": "ADA_24", "template": TEMPLATE}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A Model Store with one model, in the layout of the hub's cache."""
    home = tmp_path / "store" / "models--org--small-model"
    for name, content in {
        "blobs/abc": "weights",
        "refs/main": COMMIT,
        f"snapshots/{COMMIT}/other": "",
    }.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (home / "snapshots" / COMMIT / "weights.bin").symlink_to("../../blobs/abc")
    return home.parent


@pytest_asyncio.fixture
async def runpod(tmp_path: Path, store: Path) -> AsyncIterator[Account]:
    async with account(tmp_path / "logs", setup=Setup(images=IMAGES, store=store)) as found:
        yield found


def error(answer: Any) -> str:
    """What went wrong, in a request that was carried out as GraphQL does: with HTTP 200."""
    assert answer.status == 200
    assert not any(answer.facts["data"].values())
    (one,) = answer.facts["errors"]
    return str(one["message"])


async def test_an_endpoint_is_saved_with_a_template_and_serves(runpod: Account) -> None:
    saved = (await runpod.save(**NEW)).facts["data"]["saveEndpoint"]
    assert (saved["workersMax"], saved["idleTimeout"], saved["scalerValue"]) == (3, 10, 4)
    assert (saved["computeType"], saved["executionTimeoutMs"]) == ("GPU", 0)
    endpoint = await runpod.get(saved)
    assert (endpoint["image"], endpoint["env"], endpoint["timeout"]) == (IMAGE, {"A": "1"}, 0)
    assert await runpod.ask(endpoint, say="hello") == {"echo": "hello"}
    query = '{ myself { endpoint(id: "%s") { template { name boundEndpointId } } } }'
    found = (await runpod.graph(query % saved["id"])).facts["data"]["myself"]["endpoint"]
    assert found == {"template": {"name": "preset", "boundEndpointId": saved["id"]}}


async def test_the_quota_is_what_the_account_says_of_itself(runpod: Account) -> None:
    answer = await runpod.graph("query { myself { id maxServerlessConcurrency } }")
    assert answer.facts["data"]["myself"]["maxServerlessConcurrency"] == 5
    assert error(await runpod.save(**NEW, workersMax=6)).startswith("Max workers across all")
    assert (await runpod.call("GET", "/v2/templates")).facts == {"templates": []}


async def test_an_update_resets_what_was_measured_to_be_reset_and_keeps_the_rest(
    runpod: Account,
) -> None:
    volume = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
    volume_id = (await runpod.call("POST", "/v2/network-volumes", volume)).facts["id"]
    whole = {
        **NEW,
        "workersMin": 1,
        "workersMax": 2,
        "idleTimeout": 42,
        "scalerType": "REQUEST_COUNT",
        "scalerValue": 9,
        "executionTimeoutMs": 60_000,
        "gpuCount": 2,
        "minCudaVersion": "12.8",
        "flashBootType": "FLASHBOOT",
        "locations": "EU-RO-1",
        "networkVolumeIds": [{"networkVolumeId": volume_id}],
        "modelReferences": [f"{MODEL}:main"],
    }
    before = (await runpod.save(**whole)).facts["data"]["saveEndpoint"]
    sparse = {"id": before["id"], "name": "renamed", "gpuIds": "ADA_24"}
    after = (await runpod.save(**sparse)).facts["data"]["saveEndpoint"]
    assert after == {
        **before,
        "name": "renamed",
        "workersMin": 0,
        "workersMax": 3,
        "idleTimeout": 10,
        "scalerType": "QUEUE_DELAY",
        "scalerValue": 4,
    }


async def test_what_is_read_can_be_written_but_for_the_places_of_volumes(runpod: Account) -> None:
    made = await runpod.create(workers={"max": 2}, timeout=9000, dataCenterIds=["EU-RO-1"])
    fields = (
        "id name type templateId gpuIds gpuCount instanceIds workersMin workersMax idleTimeout "
        "scalerType scalerValue executionTimeoutMs locations networkVolumeId allowedCudaVersions "
        "minCudaVersion flashBootType compliance modelReferences"
    )
    answer = await runpod.graph(f"{{ myself {{ endpoints {{ {fields} }} }} }}")
    (echoed,) = answer.facts["data"]["myself"]["endpoints"]
    answer = await runpod.save(**{**echoed, "modelReferences": [f"{MODEL}:main"]})
    assert answer.facts["data"]["saveEndpoint"]["modelReferences"] == [f"{MODEL}:{COMMIT}"]
    assert await runpod.get(made) == made
    volumes = [{"networkVolumeId": "x", "dataCenterId": "EU-RO-1"}]
    answer = await runpod.save(**echoed, networkVolumeIds=volumes)
    assert answer.status == 400
    assert "dataCenterId" in answer.facts["errors"][0]["message"]


async def test_cached_models_are_where_workers_on_runpod_find_them(
    runpod: Account, store: Path
) -> None:
    made = await runpod.create(env={"HUB": "/runpod-volume/huggingface-cache/hub"})
    saved = await runpod.save(
        id=made["id"], name="echo", gpuIds="ADA_24", modelReferences=[f"{MODEL}:main"]
    )
    assert saved.facts["data"]["saveEndpoint"]["modelReferences"] == [f"{MODEL}:{COMMIT}"]
    await runpod.ask(made, say="up")
    (process,) = runpod.runpod.fleets[made["id"]].processes.values()
    words = Path(f"/proc/{process.pid}/environ").read_text().split("\0")
    (hub,) = (Path(word[4:]) for word in words if word.startswith("HUB="))
    snapshot = hub / "models--org--small-model" / "snapshots" / COMMIT
    assert (snapshot / "weights.bin").read_text() == "weights"
    assert not hub.is_relative_to(store)
    await runpod.patch(made, workers={"max": 1})  # REST knows nothing of models, and keeps them
    query = "{ myself { endpoints { modelReferences } } }"
    (kept,) = (await runpod.graph(query)).facts["data"]["myself"]["endpoints"]
    assert kept["modelReferences"] == [f"{MODEL}:{COMMIT}"]
    await runpod.save(id=made["id"], name="echo", gpuIds="ADA_24", modelReferences=[])
    assert list(hub.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"gpuIds": ""}, "gpuId(s) is required for a gpu endpoint"),
        ({"gpuIds": "ADA_25"}, "GPU pool ADA_25 not found"),
        ({"name": "ab"}, "name must have at least 3 characters"),
        ({"template": None}, "templateId or template is required"),
        ({"template": None, "templateId": "none"}, "template not found"),
        ({"id": "none"}, "endpoint not found"),
        ({"modelReferences": [MODEL]}, "is not https://huggingface.co/<org>/<name>:<ref>"),
        ({"modelReferences": ["https://huggingface.co/../..:x"]}, "is not https://"),
        ({"modelReferences": [f"{MODEL}:v2"]}, "is not in the Model Store"),
        ({"gpuIds": "", "instanceIds": ["cpu3g-4-15"]}, "instance cpu3g-4-15 not found"),
        (
            {"gpuIds": "", "instanceIds": ["cpu3g-4-16"], "modelReferences": [f"{MODEL}:main"]},
            "only supported on GPU endpoints",
        ),
        ({"instanceIds": ["cpu3g-4-16"]}, "mutually exclusive"),
        ({"idleTimeout": 0}, "idleTimeout must be from 1"),
        ({"scalerType": "FAST"}, "scalerType must be"),
        ({"type": "LB"}, "only QB is imitated"),
        ({"hubReleaseId": "x"}, "not imitated"),
    ],
)
async def test_what_cannot_be_is_told_with_200_and_changes_nothing(
    runpod: Account, change: dict[str, Any], told: str
) -> None:
    assert told in error(await runpod.save(**{**NEW, **change}))
    assert (await runpod.call("GET", "/v2/serverless")).facts == {"endpoints": []}
    assert (await runpod.call("GET", "/v2/templates")).facts == {"templates": []}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("{ myself { quota } }", "Cannot query field 'quota' on type 'User'"),
        ("{ myself { id ", "Syntax Error"),
        ("{ __schema { types { name } } }", "introspection"),
        ('mutation { saveEndpoint(input: {name: "echo", max: 1}) { id } }', "'max'"),
        ("query A { myself { id } } query B { myself { id } }", "operation name"),
    ],
)
async def test_what_the_schema_has_not_is_400(runpod: Account, query: str, told: str) -> None:
    answer = await runpod.graph(query)
    assert answer.status == 400
    assert told in " ".join(one["message"] for one in answer.facts["errors"])


async def test_a_cpu_endpoint_is_an_instance(runpod: Account) -> None:
    made = await runpod.save(**{**NEW, "gpuIds": "", "instanceIds": ["cpu3g-4-16"]})
    saved = made.facts["data"]["saveEndpoint"]
    assert (saved["computeType"], saved["instanceIds"]) == ("CPU", ["cpu3g-4-16"])
    assert (await runpod.get(saved))["cpu"] == [{"id": "cpu3g", "vcpuCount": 4, "memory": 16}]


async def test_an_endpoint_is_deleted_once_it_has_no_workers_and_leaves_its_template(
    runpod: Account,
) -> None:
    saved = (await runpod.save(**NEW)).facts["data"]["saveEndpoint"]
    query = "mutation Delete($id: String!) { deleteEndpoint(id: $id) }"
    assert "must both be set to zero" in error(await runpod.graph(query, id=saved["id"]))
    await runpod.patch(saved, workers={"max": 0})
    answer = await runpod.graph(query, id=saved["id"])
    assert (answer.status, answer.facts) == (200, {"data": {"deleteEndpoint": None}})
    assert (await runpod.call("GET", "/v2/serverless")).facts == {"endpoints": []}
    (template,) = (await runpod.call("GET", "/v2/templates")).facts["templates"]
    assert (template["id"], template["name"]) == (saved["templateId"], "preset")
    assert (await runpod.call("DELETE", f"/v2/templates/{template['id']}")).status == 204


async def test_a_template_goes_with_one_endpoint(runpod: Account) -> None:
    query = """mutation Template($input: SaveTemplateInput) {
        saveTemplate(input: $input) { id name isServerless volumeInGb }
    }"""
    given = {
        "name": "mine",
        "imageName": IMAGE,
        "dockerArgs": "",
        "containerDiskInGb": 5,
        "volumeInGb": 0,
        "env": [],
    }
    pods = (await runpod.graph(query, input=given)).facts["data"]["saveTemplate"]
    plain = {"name": "echo", "gpuIds": "ADA_24", "templateId": pods["id"]}
    assert "must be a serverless one" in error(await runpod.save(**plain))
    again = await runpod.graph(query, input={**given, "id": pods["id"], "isServerless": True})
    assert again.facts["data"]["saveTemplate"]["id"] == pods["id"]
    saved = (await runpod.save(**plain)).facts["data"]["saveEndpoint"]
    assert saved["templateId"] == pods["id"]
    assert "already bound" in error(await runpod.save(**plain))
    query = 'mutation { deleteTemplate(templateName: "mine") }'
    assert "bound to an endpoint" in error(await runpod.graph(query))


async def test_the_key_is_asked_for_in_the_header_or_the_url(runpod: Account) -> None:
    body = {"query": "{ myself { id } }"}
    for path, headers, status in (
        ("/graphql", {}, 401),
        ("/graphql", {"Authorization": "Bearer wrong"}, 401),
        ("/graphql?api_key=wrong", KEY, 401),
        ("/graphql?api_key=local", {}, 200),
        ("/graphql", KEY, 200),
    ):
        assert (await runpod.call("POST", path, body, headers=headers)).status == status


async def test_the_unmodified_sdk_manages_endpoints(
    runpod: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_BASE_URL", runpod.url)
    monkeypatch.setattr(sdk, "api_key", "wrong")
    with pytest.raises(AuthenticationError):
        await asyncio.to_thread(ctl_commands.get_endpoints)
    monkeypatch.setattr(sdk, "api_key", "local")
    template = await asyncio.to_thread(
        ctl_commands.create_template, "sdk", IMAGE, is_serverless=True, env={"A": "1"}
    )
    made = await asyncio.to_thread(
        ctl_commands.create_endpoint, "by the sdk", template["id"], gpu_ids="ADA_24"
    )
    assert (made["idleTimeout"], made["workersMax"], made["scalerValue"]) == (5, 3, 4)
    (listed,) = await asyncio.to_thread(ctl_commands.get_endpoints)
    assert (listed["id"], listed["name"]) == (made["id"], "by the sdk")
    assert await runpod.ask(await runpod.get(made), say="x") == {"echo": "x"}
    with pytest.raises(QueryError, match="already bound to another"):
        await asyncio.to_thread(
            ctl_commands.create_endpoint, "another", template["id"], gpu_ids="ADA_24"
        )


async def test_a_container_gets_its_files_and_variables_by_name(tmp_path: Path) -> None:
    command = ("{python}", "-c", "import sys, time; print(sys.argv); time.sleep(600)")
    words = ("-v", "{mount}:/runpod-volume", "{env}", "{image}")
    images = Images({"echo": Image(command=(*command, *words)), "plain": Image(command=ECHO)})
    async with account(tmp_path, setup=Setup(images=images)) as runpod:
        env = {"HUB": "/runpod-volume/hub", "TOKEN": "hidden"}
        made = await runpod.create(workers={"min": 1, "max": 1}, env=env, args="--say 'a b'")
        await runpod.until(lambda facts: any(one["startedAt"] for one in facts["workers"]), made)
        fleet = runpod.runpod.fleets[made["id"]]
        arguments = fleet.spec.arguments()
        assert arguments[-3:] == (IMAGE, "--say", "a b")
        assert ("--env", "TOKEN") in pairwise(arguments)
        assert "hidden" not in str(arguments)
        (process,) = fleet.processes.values()
        assert "HUB=/runpod-volume/hub" in Path(f"/proc/{process.pid}/environ").read_text()
