"""The least that a worker of RunPod's SDK can be: what it does would come on top."""

from typing import Any

import runpod


def handler(job: dict[str, Any]) -> dict[str, Any]:
    return {"echo": job["input"]}


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
