"""Who said what, when: the client of deployed endpoints.

    from parley import Client

    with Client.orch("endpoint-id") as client:
        reply = client.transcribe("meeting.mp3")
    for segment in reply.segments:
        print(segment.speaker, segment.text)

Each name is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from handlers.errors import ParleyError
    from handlers.progress import Progress, Step
    from handlers.replies import Reply
    from handlers.timeline import Segment, Speaker, Turn, Word
    from orchestrator.blocking import Client
    from orchestrator.client import AsyncClient, JobOptions

__all__ = [
    "AsyncClient",
    "Client",
    "JobOptions",
    "ParleyError",
    "Progress",
    "Reply",
    "Segment",
    "Speaker",
    "Step",
    "Turn",
    "Word",
]

_ROOMS: Final = {
    "AsyncClient": "orchestrator.client",
    "Client": "orchestrator.blocking",
    "JobOptions": "orchestrator.client",
    "ParleyError": "handlers.errors",
    "Progress": "handlers.progress",
    "Reply": "handlers.replies",
    "Segment": "handlers.timeline",
    "Speaker": "handlers.timeline",
    "Step": "handlers.progress",
    "Turn": "handlers.timeline",
    "Word": "handlers.timeline",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for, so that the command's help does not wait for the client."""
    if name not in _ROOMS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_ROOMS[name]), name)
