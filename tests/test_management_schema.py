"""The local management API, held against the published description where that is at hand."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from emulator.management import operations, schemas
from tests.accounts import MINIMAL, account

OPENAPI = Path(__file__).parents[2] / "shared" / "reference" / "runpod-rest-v2-openapi.json"
published = pytest.mark.skipif(not OPENAPI.is_file(), reason="the published description is absent")

MODELS: Mapping[str, type[BaseModel]] = {
    "CreateEndpointRequest": schemas.CreateEndpoint,
    "UpdateEndpointRequest": schemas.UpdateEndpoint,
    "CreateTemplateRequest": schemas.CreateTemplate,
    "UpdateTemplateRequest": schemas.UpdateTemplate,
    "CreateNetworkVolumeRequest": schemas.CreateVolume,
    "UpdateNetworkVolumeRequest": schemas.UpdateVolume,
    "CreateRegistryRequest": schemas.CreateRegistry,
}
_IMAGE = {"name": "a", "image": "b"}
RIGHT: Mapping[str, Mapping[str, Any]] = {
    "CreateEndpointRequest": MINIMAL,
    "UpdateEndpointRequest": {},
    "CreateTemplateRequest": _IMAGE,
    "UpdateTemplateRequest": {},
    "CreateNetworkVolumeRequest": {"name": "a", "size": 10, "dataCenter": "b"},
    "UpdateNetworkVolumeRequest": {"name": "a"},
    "CreateRegistryRequest": {"name": "a", "username": "b", "password": "c"},
}
"""What is certainly taken."""
Schema = Mapping[str, Any]
TEXTS = ("", "a", "12.8", "12", ".8", "12.8x", "-NVIDIA L4", " -a", " NVIDIA L4", "NVIDIA L4")
STRANGE: tuple[Any, ...] = (None, True, 0, 1, -1, 2.0, 2.5, "", "x", [], [1], {}, {"x": 1})


@cache
def description() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(OPENAPI.read_text())
    return read


def validator(name: str) -> jsonschema.Draft202012Validator:
    components = description()["components"]
    schema = {"$ref": f"#/components/schemas/{name}", "components": components}
    return jsonschema.Draft202012Validator(schema)


def validate(facts: object, name: str) -> None:
    validator(name).validate(facts)


def resolved(schema: Schema) -> Schema:
    """A schema without a reference, and with the properties of all that it consists of."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return resolved(description()["components"]["schemas"][name])
    whole = {key: value for key, value in schema.items() if key != "allOf"}
    for part in map(resolved, schema.get("allOf", ())):
        properties = {**part.get("properties", {}), **whole.get("properties", {})}
        whole = {**part, **whole, **({"properties": properties} if properties else {})}
    return whole


def examples(schema: Schema) -> list[Any]:
    """Values that a schema takes, and some that it just does not."""
    schema = resolved(schema)
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        return [value for choice in choices for value in examples(choice)]
    if "enum" in schema:
        return [*schema["enum"], "NONE"]
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        return [value for one in kind for value in examples({**schema, "type": one})]
    if kind in {"integer", "number"}:
        least, most = schema.get("minimum", 0), schema.get("maximum", 100)
        return [least, least - 1, least - 0.1, least + 0.5, float(least + 1), most, most + 1]
    if kind == "array":
        one = right(schema["items"])
        return [[one], [], [one, one], *([value] for value in examples(schema["items"]))]
    simple: dict[str, list[Any]] = {"string": [*TEXTS], "boolean": [True, False], "null": [None]}
    return simple[kind] if kind in simple else objects(schema)


def objects(schema: Schema) -> list[Any]:
    if schema.get("additionalProperties"):
        return [{}, *({"a": value} for value in examples(schema["additionalProperties"]))]
    parts = schema.get("properties", {})
    base = {name: right(parts[name]) for name in schema.get("required", ())}
    return [base, *changed(base, parts)]


def changed(base: Schema, parts: Mapping[str, Schema]) -> list[Any]:
    """An object with one property that is missing, or strange, or of each kind that it may be."""
    return [
        *({key: value for key, value in base.items() if key != name} for name in base),
        *({**base, name: value} for name in parts for value in (*examples(parts[name]), *STRANGE)),
        {**base, "modelReferences": []},
    ]


def right(schema: Schema) -> Any:
    """A value that a schema takes."""
    whole = {"allOf": [schema], "components": description()["components"]}
    check = jsonschema.Draft202012Validator(whole)
    return next(value for value in examples(schema) if check.is_valid(value))


@cache
def bodies(name: str) -> list[Any]:
    """Bodies that are right but for one change, at most."""
    parts = resolved({"$ref": f"#/components/schemas/{name}"})["properties"]
    return [dict(RIGHT[name]), *changed(RIGHT[name], parts)]


def is_accepted(model: type[BaseModel], body: object) -> bool:
    try:
        model.model_validate(body)
    except ValidationError:
        return False
    return True


@published
@pytest.mark.parametrize("name", MODELS)
def test_each_change_of_a_right_body_is_judged_as_the_published_schemas_do(name: str) -> None:
    judge = validator(name)
    judged = [judge.is_valid(body) for body in bodies(name)]
    wrong = [
        body
        for body, is_right in zip(bodies(name), judged, strict=True)
        if is_accepted(MODELS[name], body) != is_right
    ]
    assert wrong == []
    assert judged[0]
    assert judged.count(True) > 3 < judged.count(False)


@published
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_two_changes_are_judged_as_the_published_schemas_do(name: str, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from(bodies(name))) for _ in range(2))
    body = {**one, **other}
    assert is_accepted(MODELS[name], body) == validator(name).is_valid(body), body


@published
@pytest.mark.parametrize("name", MODELS)
def test_the_models_have_every_property_of_the_published_schemas(name: str) -> None:
    def known(schema: Schema, model: type[BaseModel]) -> None:
        fields = {info.alias: info for info in model.model_fields.values()}
        assert fields.keys() == resolved(schema)["properties"].keys()

    known({"$ref": f"#/components/schemas/{name}"}, MODELS[name])


@published
def test_every_operation_is_one_of_the_published_ones() -> None:
    paths = description()["paths"].values()
    ids = {
        one.get("operationId") for path in paths for one in path.values() if "operationId" in one
    }
    assert set(operations.REST) <= ids


@published
async def test_what_is_answered_is_what_the_published_schemas_promise(tmp_path: Path) -> None:
    async with account(tmp_path) as runpod:
        gpu = {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"], "minCudaVersion": "12.8"}
        endpoint = await runpod.create(gpu=gpu, workers={"min": 1, "max": 1}, env={"A": "b"})
        validate(endpoint, "Endpoint")
        slow = {key: value for key, value in MINIMAL.items() if key != "gpu"}
        slow |= {
            "cpu": [{"id": "cpu3g", "vcpuCount": 4}],
            "scaling": {"type": "REQUEST_COUNT", "requestCount": 2},
        }
        validate((await runpod.call("POST", "/v2/serverless", slow)).facts, "Endpoint")
        await runpod.until(lambda facts: facts["summary"]["idle"] == 1, endpoint)
        await runpod.patch(endpoint, env={"A": "c"})
        body: dict[str, Any] = {
            "name": "t",
            "image": "a",
            "mounts": {"persistent": {"size": 10, "path": "/w"}},
        }
        validate((await runpod.call("POST", "/v2/templates", body)).facts, "Template")
        body = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
        validate((await runpod.call("POST", "/v2/network-volumes", body)).facts, "NetworkVolume")
        body = {"name": "r", "username": "u", "password": "p"}
        validate((await runpod.call("POST", "/v2/registries", body)).facts, "Registry")
        own, stock = f"/v2/serverless/{endpoint['id']}", "include=AVAILABILITY&product=SERVERLESS"
        for path, name in {
            "/v2/serverless": "ListEndpointsResponse",
            f"{own}/workers": "ListEndpointWorkersResponse",
            f"{own}/releases": "ListEndpointReleasesResponse",
            "/v2/templates": "ListTemplatesResponse",
            "/v2/network-volumes": "ListNetworkVolumesResponse",
            "/v2/registries": "ListRegistriesResponse",
            "/v2/catalog/gpus": "ListGpuTypesResponse",
            f"/v2/catalog/gpus?{stock}": "ListGpuTypesResponse",
            f"/v2/catalog/cpus?{stock}": "ListCpuTypesResponse",
            "/v2/catalog/datacenters?include=GPU_AVAILABILITY,CPU_AVAILABILITY": (
                "ListDataCentersResponse"
            ),
            "/v2/serverless/none": "ErrorResponse",
        }.items():
            validate((await runpod.call("GET", path)).facts, name)
        validate((await runpod.call("POST", "/v2/serverless", {})).facts, "ErrorResponse")
