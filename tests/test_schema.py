"""What a job may say, and what it hears when it says something else."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from handlers.diarizer import SpeakerCount
from handlers.errors import ParleyError, UnknownOption
from handlers.formats import FORMATS
from handlers.jobs import DiarizationJob, Job, TranscriptionJob, read_job
from handlers.schema import documents

DOCS = Path(__file__).parents[1] / "docs"
URL = {"audio_url": "https://example.com/a.wav"}


def test_a_url_alone_is_a_job() -> None:
    job = read_job(URL, Job)
    assert job.audio_url == URL["audio_url"]
    assert job.diarize
    assert job.word_timestamps
    assert job.formats == ()
    assert job.options.speakers == SpeakerCount()


def test_all_options_are_taken() -> None:
    job = read_job(
        {
            "audio_base64": "AAAA",
            "min_speakers": 2,
            "max_speakers": 4,
            "word_timestamps": False,
            "formats": list(FORMATS),
            "language": "en",
            "on_diarization_failure": "transcript_only",
        },
        Job,
    )
    assert job.options.on_diarization_failure == "transcript_only"
    assert job.options.speakers == SpeakerCount(None, 2, 4)
    assert job.options.language == "en"
    assert job.formats == FORMATS


@pytest.mark.parametrize(
    ("raw", "code", "says"),
    [
        (None, "invalid_request", "audio_url"),
        ("https://example.com/a.wav", "invalid_request", "object"),
        ({}, "audio_missing", "audio_url, audio_base64"),
        ({"audio_url": None}, "audio_missing", "audio_url"),
        ({**URL, "audio_base64": "AAAA"}, "audio_ambiguous", "audio_url, audio_base64"),
        ({**URL, "num_speaker": 2}, "unknown_option", "'num_speakers'"),
        ({**URL, "zzz": 2}, "unknown_option", "Remove it"),
        ({"audio_uri": "https://example.com/a.wav"}, "unknown_option", "'audio_url'"),
        ({**URL, "formats": ["srt", "vvt"]}, "unknown_format", "'vtt'"),
        ({**URL, "formats": ["docx"]}, "unknown_format", "srt"),
        ({**URL, "formats": "srt"}, "invalid_request", "formats"),
        ({**URL, "formats": [3]}, "invalid_request", "formats"),
        ({**URL, "num_speakers": 0}, "invalid_speaker_count", "num_speakers"),
        ({**URL, "num_speakers": -1}, "invalid_speaker_count", "num_speakers"),
        ({**URL, "num_speakers": True}, "invalid_speaker_count", "num_speakers"),
        ({**URL, "num_speakers": "2"}, "invalid_speaker_count", "num_speakers"),
        ({**URL, "max_speakers": 51}, "invalid_speaker_count", "50"),
        ({**URL, "min_speakers": 3, "max_speakers": 2}, "invalid_speaker_count", "Swap"),
        ({**URL, "num_speakers": 2, "max_speakers": 2}, "invalid_speaker_count", "exact"),
        ({**URL, "diarize": False, "num_speakers": 2}, "invalid_speaker_count", "diarize"),
        ({**URL, "diarize": "yes"}, "invalid_request", "diarize"),
        ({**URL, "language": "English"}, "invalid_request", "language"),
        ({"audio_url": ""}, "invalid_request", "audio_url"),
        ({"audio_url": 7}, "invalid_request", "audio_url"),
    ],
)
def test_a_wrong_job_is_told_what_to_do(raw: object, code: str, says: str) -> None:
    with pytest.raises(ParleyError) as caught:
        read_job(raw, Job)
    assert caught.value.code == code
    assert says in str(caught.value)
    assert not caught.value.retryable


def test_what_was_sent_is_not_repeated_in_errors() -> None:
    with pytest.raises(ParleyError) as caught:
        read_job({"audio_base64": "c2VjcmV0" * 3, "language": "secret"}, Job)
    assert "secret" not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "foreign"),
    [
        (TranscriptionJob, "num_speakers"),
        (TranscriptionJob, "formats"),
        (DiarizationJob, "language"),
    ],
)
def test_an_endpoint_of_one_engine_takes_nothing_of_the_other(
    kind: type[TranscriptionJob | DiarizationJob], foreign: str
) -> None:
    with pytest.raises(UnknownOption, match=foreign):
        read_job({**URL, foreign: 2}, kind)


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_published_schemas_are_current(name: str) -> None:
    assert (DOCS / name).read_text() == documents()[name], "run `make docs`"


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_published_schemas_are_schemas(name: str) -> None:
    schema: dict[str, Any] = json.loads(documents()[name])
    jsonschema.Draft202012Validator.check_schema(schema)
