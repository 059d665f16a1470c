"""GraphQL: what official tools ask of it to manage endpoints.

The language is `graphql-core`'s. Where that is not installed, /graphql is answered 501.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from emulator.management import catalog
from emulator.management.gate import ConnectionGone, Gate, hung_up, read_body
from emulator.management.graph_intake import changed_endpoint, new_endpoint, template_from
from emulator.management.graph_views import USER, endpoint_facts, template_facts, volume_facts
from emulator.management.mounts import ModelUnknown, Mounts
from emulator.management.problems import Problem, bad, require
from emulator.management.rules import check_container

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from graphql import DocumentNode, GraphQLSchema

    from emulator.management.account import Account
    from emulator.management.endpoints import Endpoints

_SCHEMA: Final = Path(__file__).with_name("schema.graphql")

Facts = dict[str, Any]


class GraphApi:
    """POST /graphql.

    Args:
        account: what there is.
        endpoints: run.
        mounts: know the models.
        gate: lets callers in.
        base_url: gives the address of the job API, once it is known.

    """

    def __init__(
        self,
        account: Account,
        endpoints: Endpoints,
        *,
        mounts: Mounts,
        gate: Gate,
        base_url: Callable[[], str],
    ) -> None:
        self._account = account
        self._endpoints = endpoints
        self._mounts = mounts
        self._gate = gate
        self._base_url = base_url
        self._schema: GraphQLSchema | None = None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.post("/graphql", self._answer)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        operation = ""
        try:
            self._gate.require_key(request, in_query=True)
            body = await _read(request)
            document = self._validated(body)
            operation, endpoint = _subject(document, body)
            await self._gate.suffer(operation, endpoint)
            if self._gate.strikes("graphql_error", operation, endpoint):
                return _errors("Something went wrong. Please try again later or contact support.")
            answer = await self._executed(document, body)
            if self._gate.strikes("lose_answer", operation, endpoint):
                return hung_up(request)
        except ConnectionGone:
            return hung_up(request)
        except Problem as problem:
            messages = (problem.detail, *problem.errors)
            return _errors(*messages, status=problem.status, headers=problem.headers)
        return answer

    def _validated(self, body: Mapping[str, Any]) -> DocumentNode:
        """Read a document, and see that the schema has what it asks for."""
        try:
            import graphql  # noqa: PLC0415  only who wants it needs it
        except ImportError:
            message = "GraphQL needs the package graphql-core, which is not installed here."
            raise Problem(HTTPStatus.NOT_IMPLEMENTED, message) from None
        if self._schema is None:
            self._schema = graphql.build_schema(_SCHEMA.read_text(encoding="utf-8"))
        try:
            document = graphql.parse(body["query"], max_tokens=10_000)
        except graphql.GraphQLError as error:
            raise bad(error.message) from None
        rules = [*graphql.specified_rules, graphql.NoSchemaIntrospectionCustomRule]
        if errors := graphql.validate(self._schema, document, rules):
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                errors[0].message,
                errors=[error.message for error in errors[1:]],
            )
        return document

    async def _executed(self, document: DocumentNode, body: Mapping[str, Any]) -> web.Response:
        import graphql  # noqa: PLC0415  only who wants it needs it

        if self._schema is None:
            raise AssertionError
        result = graphql.execute(
            self._schema,
            document,
            root_value=self._roots(),
            variable_values=body.get("variables") or {},
            operation_name=body.get("operationName"),
        )
        finished = result if isinstance(result, graphql.ExecutionResult) else await result
        facts: Facts = {"data": finished.data}
        if finished.errors:
            facts["errors"] = [error.formatted for error in finished.errors]
        # a request that never ran is told apart from one that failed
        is_unread = finished.data is None and all(not error.path for error in finished.errors or ())
        return web.json_response(facts, status=400 if is_unread else 200)

    def _roots(self) -> Facts:
        return {
            "myself": self._myself,
            "gpuTypes": lambda _info: [
                {"id": gpu.id, "displayName": gpu.name, "memoryInGb": gpu.memory}
                for gpu in catalog.GPUS
            ],
            "serverlessGpuPools": lambda _info: [
                {"id": pool, "gpuTypeIds": catalog.types_in([pool])} for pool in catalog.POOLS
            ],
            "saveEndpoint": self._save_endpoint,
            "deleteEndpoint": self._delete_endpoint,
            "saveTemplate": self._save_template,
            "deleteTemplate": self._delete_template,
        }

    def _myself(self, _info: object) -> Facts:
        account = self._account
        return {
            "id": USER,
            "maxServerlessConcurrency": account.quota,
            "endpoint": lambda _info, id: self._own(id),  # noqa: A006  the schema's name
            "endpoints": [endpoint_facts(own, account) for own in account.endpoints.values()],
            "podTemplates": [template_facts(own) for own in account.templates.values()],
            "networkVolumes": [volume_facts(volume) for volume in account.volumes.values()],
        }

    def _own(self, endpoint_id: str) -> Facts:
        return endpoint_facts(self._account.endpoint(endpoint_id), self._account)

    async def _save_endpoint(self, _info: object, input: Facts) -> Facts:  # noqa: A002
        if input.get("id"):
            before = self._account.endpoint(input["id"])
            after = changed_endpoint(input, before, self._account, pin=self._pin)
            self._endpoints.update(after, base_url=self._base_url())
        else:
            after, template = new_endpoint(input, self._account, pin=self._pin)
            await self._endpoints.create(after, base_url=self._base_url(), template=template)
        return self._own(after.id)

    def _delete_endpoint(self, _info: object, id: str) -> None:  # noqa: A002
        endpoint = self._account.endpoint(id)
        message = "min and max workers must both be set to zero before an endpoint is deleted"
        require(message, holds=not (endpoint.workers_min or endpoint.workers_max))
        self._endpoints.delete(id, with_template=False)

    def _save_template(self, _info: object, input: Facts | None = None) -> Facts:  # noqa: A002
        if input is None:
            message = "input is required"
            raise bad(message)
        before = self._account.template(input["id"]) if input.get("id") else None
        template = template_from(input, before)
        self._account.require_template_name(template.name, own=template.id)
        check_container(template.container, self._account)
        self._account.templates[template.id] = template
        return template_facts(template)

    def _delete_template(self, _info: object, templateName: str | None = None) -> None:  # noqa: N803
        found = [own for own in self._account.templates.values() if own.name == templateName]
        message = "there is no such template, or it is bound to an endpoint"
        require(message, holds=bool(found) and not found[0].bound_to)
        del self._account.templates[found[0].id]

    def _pin(self, reference: str) -> str:
        try:
            return self._mounts.pinned(reference)
        except ModelUnknown as error:
            message = f"Failed to resolve model reference: {error}"
            raise bad(message) from None


async def _read(request: web.Request) -> Mapping[str, Any]:
    body = await read_body(request)
    variables, name = body.get("variables"), body.get("operationName")
    is_right = isinstance(body.get("query"), str) and isinstance(variables, dict | None)
    if not is_right or not isinstance(name, str | None):
        message = "A request is an object of a query, perhaps with variables and operationName."
        raise bad(message)
    return body


def _subject(document: DocumentNode, body: Mapping[str, Any]) -> tuple[str, str]:
    """Tell which field a document asks for first, and for which endpoint, where that is known."""
    import graphql  # noqa: PLC0415  only who wants it needs it

    operation = graphql.get_operation_ast(document, body.get("operationName"))
    if operation is None:
        message = "Must provide operation name if query contains multiple operations."
        raise bad(message)
    fields = (node for node in operation.selection_set.selections)
    first = next((node for node in fields if isinstance(node, graphql.FieldNode)), None)
    given = (body.get("variables") or {}).get("input")
    endpoint = given.get("id") if isinstance(given, dict) else None
    return first.name.value if first else "", endpoint if isinstance(endpoint, str) else ""


def _errors(
    *messages: str, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    errors = [{"message": message} for message in messages]
    text = json.dumps({"errors": errors, "data": None})
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)
