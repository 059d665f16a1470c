"""What endpoints take and answer, as JSON Schema: `python -m handlers.schema FOLDER`."""

import json
import sys
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from handlers.jobs import DiarizationJob, Job, TranscriptionJob
from handlers.replies import DiarizationReply, Failure, LargeReply, Reply, TranscriptionReply

_TAKEN: Final[dict[str, type[BaseModel]]] = {
    "job": Job,
    "transcription-job": TranscriptionJob,
    "diarization-job": DiarizationJob,
    "failure": Failure,
}
_ANSWERED: Final[dict[str, type[BaseModel]]] = {
    "reply": Reply,
    "transcription-reply": TranscriptionReply,
    "diarization-reply": DiarizationReply,
    "large-reply": LargeReply,
}


def documents() -> dict[str, str]:
    """The JSON Schemas by file name."""
    schemas = {name: kind.model_json_schema() for name, kind in _TAKEN.items()} | {
        name: kind.model_json_schema(mode="serialization") for name, kind in _ANSWERED.items()
    }
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in schemas.items()
    }


if __name__ == "__main__":
    for file_name, text in documents().items():
        Path(sys.argv[1], file_name).write_text(text)
