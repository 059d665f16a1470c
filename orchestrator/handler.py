"""The orchestrator: a CPU worker that asks both endpoints. Wiring only."""

from handlers.bucket import Bucket
from handlers.launch import launch
from orchestrator.service import OrchestratorService
from orchestrator.settings import OrchestratorSettings


def create_service(settings: OrchestratorSettings) -> OrchestratorService:
    """Wire the endpoints to a service; nothing is connected yet."""
    return OrchestratorService(settings, bucket=Bucket.from_settings(settings))


if __name__ == "__main__":
    launch(create_service, kind=OrchestratorSettings)
