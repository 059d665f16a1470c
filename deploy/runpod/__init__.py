"""The only room that knows RunPod's management APIs: REST v2, and GraphQL for cached models.

REST v2 has no field for cached models; GraphQL's `saveEndpoint` has, and resets what it is not
told. When REST v2 gains the field, `RunPod.set_models` changes, and nothing else.

Sources: https://docs.runpod.io/api-reference-v2 and its OpenAPI document; for `saveEndpoint` and
`myself`, which are not documented, what https://github.com/runpod/runpodctl
(`internal/api/endpoints.go`) and https://github.com/runpod/runpod-mcp
(`src/tools/endpoint-gpus.ts`) send.
"""

from deploy.runpod.client import RunPod

__all__ = ["RunPod"]
