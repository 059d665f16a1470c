"""Who said what, when: the client of deployed endpoints.

from parley import Client

with Client.orch("endpoint-id") as client:
reply = client.transcribe("meeting.mp3")
for segment in reply.segments:
print(segment.speaker, segment.text)
"""

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
