"""What is sent to RunPod's API, held against its published description where that is at hand."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deploy.differences import differences
from deploy.endpoint import Cpu, Deployed, EndpointSpec, Gpu, State, Volume, VolumeSpec, Workers
from deploy.manifest import SHAPES, Shape
from deploy.plan import made
from deploy.platform import WorkerCounts
from deploy.runpod import bodies
from deploy.wanted import aim
from tests.deployments import called, manifest_of, surroundings

OPENAPI = Path(__file__).parents[2] / "shared" / "reference" / "runpod-rest-v2-openapi.json"
published = pytest.mark.skipif(not OPENAPI.is_file(), reason="the published description is absent")


def validate(body: object, name: str) -> None:
    """Hold a body against a schema of the published description."""
    components = json.loads(OPENAPI.read_text())["components"]
    schema = {"$ref": f"#/components/schemas/{name}", "components": components}
    jsonschema.Draft202012Validator(schema).validate(body)


def specs(shape: Shape, change: Any = None) -> Iterator[EndpointSpec]:
    """What a shape wants where its other endpoints, and its volume, are there."""
    manifest = manifest_of(shape, change)
    volume = VolumeSpec(name="w", size_gb=10, data_center="EU-RO-1")
    state = State(volumes=(Volume(id="vol1", spec=volume),))
    others = tuple(
        Deployed(id=f"id-{spec.name}", spec=spec)
        for spec in aim(manifest, surroundings(), state).endpoints
    )
    there = replace(state, endpoints=others)
    return iter(aim(manifest, surroundings(), there).endpoints)


def strict(values: dict[str, Any]) -> None:
    """Say everything that can be said."""
    values["volume"] = {"name": "w", "size_gb": 10, "data_center": "EU-RO-1"}
    one = called(values, "transcription")
    one |= {"registry": "reg", "scaling": {"type": "REQUEST_COUNT", "value": 4}}
    one["gpu"]["excluded"] = ["NVIDIA L4"]
    del one["workers"]["idle_seconds"]


@published
@pytest.mark.parametrize("shape", SHAPES)
def test_a_creation_is_as_the_published_api_takes_it(shape: Shape) -> None:
    for spec in specs(shape):
        validate(bodies.create_body(made(spec)), "CreateEndpointRequest")


@published
def test_a_creation_with_everything_is_taken_too() -> None:
    for spec in specs("split", strict):
        validate(bodies.create_body(made(spec)), "CreateEndpointRequest")


@published
def test_the_published_api_would_tell_a_wrong_creation() -> None:
    (spec,) = specs("single")
    wrongs: list[dict[str, Any]] = [
        {"modelReferences": []},
        {"type": "LOAD_BALANCER"},
        {"flashboot": True},
    ]
    for wrong in wrongs:
        with pytest.raises(jsonschema.ValidationError):
            validate({**bodies.create_body(spec), **wrong}, "CreateEndpointRequest")


@published
@pytest.mark.parametrize("shape", SHAPES)
def test_an_update_of_anything_is_as_the_published_api_takes_it(shape: Shape) -> None:
    for new in [*specs(shape), *(specs("split", strict) if shape == "split" else ())]:
        old = EndpointSpec(
            name=new.name,
            image="other",
            disk_gb=99,
            machines=Gpu(pools=("X",), excluded=("Y",), count=7)
            if isinstance(new.machines, Gpu)
            else (Cpu(flavor="cpu9", vcpus=8),),
            workers=Workers(least=9, most=9, idle_seconds=9),
            scaling=new.scaling,
            timeout_ms=1,
            flashboot="OFF",
            registry="other",
            data_centers=("MARS-1",),
            volumes=("other",),
            environment={},
        )
        keys = [one.key for one in differences(old, new) if one.key != "models"]
        validate(bodies.update_body(new, keys), "UpdateEndpointRequest")
        for key in keys:
            body = bodies.update_body(new, [key])
            assert len(body) == 1
            validate(body, "UpdateEndpointRequest")


def test_an_update_clears_what_is_not_wanted_by_saying_so() -> None:
    (spec,) = specs("single")
    anything = replace(spec, machines=Gpu(pools=("ADA_24",)))
    assert bodies.update_body(anything, ["gpu.min_cuda"]) == {
        "gpu": {
            "pools": ["ADA_24"],
            "count": 1,
            "excludedTypes": [],
            "minCudaVersion": "",
            "allowedCudaVersions": [],
        }
    }


@published
def test_a_volume_is_as_the_published_api_takes_it() -> None:
    spec = VolumeSpec(name="w", size_gb=10, data_center="EU-RO-1")
    validate(bodies.volume_body(spec), "CreateNetworkVolumeRequest")


@published
def test_the_published_answers_are_understood() -> None:
    paths = json.loads(OPENAPI.read_text())["paths"]

    def example(path: str, name: str, method: str = "get", status: str = "200") -> Any:
        answer = paths[path][method]["responses"][status]["content"]["application/json"]
        return answer["examples"][name]["value"]

    def first(path: str) -> Any:
        answer = paths[path]["get"]["responses"]["200"]["content"]["application/json"]
        return next(iter(answer["examples"].values()))["value"]

    gpu = bodies.deployed(example("/v2/serverless", "endpoint", "post", "201"), models=["m"])
    assert gpu.spec.machines == Gpu(pools=("ADA_24",))
    assert gpu.spec.workers == Workers(least=0, most=5, idle_seconds=5)
    assert gpu.spec.models == ("m",)
    assert gpu.run_url == "https://api.runpod.ai/v2/4m7x2k9q/run"
    cpu = bodies.deployed(example("/v2/serverless", "cpuEndpoint", "post", "201"))
    assert cpu.spec.machines == (Cpu(flavor="cpu5c", vcpus=4), Cpu(flavor="cpu5g", vcpus=8))
    assert bodies.gpu_offers(first("/v2/catalog/gpus"))
    assert bodies.cpu_offers(first("/v2/catalog/cpus"))
    assert bodies.template(first("/v2/templates")["templates"][0]).mark is None
    assert bodies.volume(first("/v2/network-volumes")["networkVolumes"][0]).spec.size_gb
    assert bodies.worker_counts(first("/v2/serverless/{id}/workers")) != WorkerCounts()


@pytest.mark.parametrize("shape", SHAPES)
def test_what_runpod_s_defaults_would_decide_is_always_said(shape: Shape) -> None:
    for spec in specs(shape):
        body = bodies.create_body(spec)
        assert {"type", "timeout", "flashboot", "workers", "scaling", "disk"} <= body.keys()
        assert ("cpu" in body) != ("gpu" in body)


def test_an_endpoint_reads_back_as_it_was_written() -> None:
    for spec in [*specs("orch"), *specs("split", strict), *specs("single")]:
        answer = bodies.create_body(spec) | {"id": "ep", "createdAt": "2026"}
        read = bodies.deployed(answer, models=spec.models).spec
        assert differences(read, spec) == ()


def test_the_name_of_an_older_endpoint_may_end_with_its_flashboot() -> None:
    (spec,) = specs("single")
    answer = bodies.create_body(spec) | {"id": "ep", "name": "parley-single -fb"}
    assert bodies.deployed(answer).spec.name == "parley-single"


SNAPSHOT = {
    "id": "ep1",
    "name": "parley-transcription",
    "type": "QB",
    "gpuIds": "AMPERE_16,AMPERE_24,-NVIDIA L4",
    "gpuCount": 1,
    "instanceIds": None,
    "workersMin": 0,
    "workersMax": 7,
    "idleTimeout": 42,
    "scalerType": "QUEUE_DELAY",
    "scalerValue": 9,
    "executionTimeoutMs": 0,
    "flashBootType": "FLASHBOOT",
    "locations": "EU-RO-1",
    "templateId": "tpl1",
    "allowedCudaVersions": None,
    "minCudaVersion": "13.0",
    "compliance": ["GDPR"],
    "modelReferences": ["old"],
    "networkVolumeIds": [{"networkVolumeId": "vol1", "dataCenterId": "EU-RO-1"}],
}


def test_setting_models_tells_everything_else_again() -> None:
    told = bodies.save_input(SNAPSHOT, models=["new"], least_workers=1)
    same = {
        name: value
        for name, value in SNAPSHOT.items()
        if value is not None and name not in {"modelReferences", "workersMin", "networkVolumeIds"}
    }
    assert told == {
        **same,
        "modelReferences": ["new"],
        "workersMin": 1,
        "networkVolumeIds": [{"networkVolumeId": "vol1"}],
    }
    assert told["executionTimeoutMs"] == 0


def test_everything_that_is_told_again_is_asked_for() -> None:
    asked = set(bodies.ACCOUNT.replace("{", " ").replace("}", " ").split())
    assert set(SNAPSHOT) - {"networkVolumeIds"} <= asked | {"networkVolumeIds"}
    assert {*bodies.ECHOED, "networkVolumeIds", "maxServerlessConcurrency"} <= asked


def test_a_pool_has_what_any_of_its_cards_has() -> None:
    def card(stock: str, places: list[tuple[str, str]], price: float) -> dict[str, Any]:
        centers = [{"id": name, "availability": level} for name, level in places]
        return {
            "id": "x",
            "pool": "P",
            "availability": stock,
            "price": {"serverless": price},
            **({"dataCenters": centers} if places else {}),
        }

    cards = [
        card("NONE", [("A", "NONE")], 0.5),
        card("LOW", [("B", "LOW"), ("C", "NONE")], 0.5),
        {"id": "pod only", "pool": None},
    ]
    (offer,) = bodies.gpu_offers({"gpus": cards}).values()
    assert offer.available
    assert offer.data_centers == frozenset({"B"})
    assert offer.dollars_per_hour == 0.5


def test_no_body_is_in_the_repr_of_what_it_is_made_of() -> None:
    (spec,) = specs("single")
    assert "environment" not in repr(Deployed(id="x", spec=spec))
