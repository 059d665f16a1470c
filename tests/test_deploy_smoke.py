"""What is told when the sample came back."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from deploy.apply import apply
from deploy.manifest import SHAPES, Manifest, Shape
from deploy.smoke import RUNPOD, Target, cost, excerpt, guide, origins
from handlers.prices import PriceList, Storage
from handlers.replies import Reply
from tests.deployments import Account, manifest_of, surroundings

LISTED = PriceList(
    pools={},
    storage=Storage(
        volume_gb_month=0.07,
        disk_gb_month=0.1,
        source="https://example.com",
        day=date(2026, 6, 8),
    ),
)


def reply(**changes: Any) -> Reply:
    facts = {
        "seconds": 72.0,
        "sha256": "0" * 64,
        "bytes": 1,
        "container": "flac",
        "codec": "flac",
        "sample_rate": 16000,
        "channels": 1,
    }
    segment = {"start": 0.0, "end": 1.5, "text": "Yes.", "speaker": "SPEAKER_00", "words": []}
    body = {
        "text": "Yes.",
        "language": None,
        "segments": [segment] * 6,
        "speakers": [],
        "turns": [],
        "formats": {},
        "models": {
            "transcriber": {"name": "a/b", "revision": "1", "source": "store"},
            "diarizer": {"name": "c/d", "revision": "1", "source": "hub"},
        },
        "audio": facts,
        "timings": {"transcribe.total": 2.0, "diarize.total": 4.0, "transcribe": 30.0},
        "usage": {"audio_seconds": 72.0, "processing_seconds": 8.0},
        "warnings": [],
    }
    return Reply.model_validate(body | changes)


async def deployed(manifest: Manifest) -> tuple[Account, Target]:
    account = Account()
    state = (
        await apply(manifest, around=surroundings(), platform=account, tell=lambda _line: None)
    ).state
    found = {one.spec.name: one for one in state.endpoints}
    return account, Target.of(manifest, found, base_url=None)


CALLS = {
    "single": "parley transcribe FILE --endpoint ID(single)",
    "split": "parley transcribe FILE --transcription ID(transcription) --diarization "
    "ID(diarization)",
    "orch": "parley transcribe FILE --shape orch --endpoint ID(orchestrator)",
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_calls_to_make_name_the_endpoints(shape: Shape) -> None:
    _, target = await deployed(manifest_of(shape))
    lines = guide(target)
    call = CALLS[shape]
    for role, one in target.endpoints.items():
        assert f"    {role}: {one.id}" in lines
        call = call.replace(f"ID({role})", one.id)
    assert f"    {call}" in lines
    for one in target.asked:
        assert any(f"{RUNPOD}/{one.id}/run" in line for line in lines)


async def test_another_platform_is_told_in_the_calls() -> None:
    _, target = await deployed(manifest_of("single"))
    here = replace(target, base_url="http://127.0.0.1:8700/v2")
    assert any(line.endswith("--base-url http://127.0.0.1:8700/v2") for line in guide(here))


async def test_jobs_are_given_where_the_endpoints_say() -> None:
    manifest = manifest_of("single")
    account, _ = await deployed(manifest)
    (one,) = account.endpoints.values()
    there = replace(one, run_url=f"https://elsewhere.example/v2/{one.id}/run")
    found = {one.spec.name: there}
    assert Target.of(manifest, found, base_url=None).base_url == "https://elsewhere.example/v2"
    assert Target.of(manifest, found, base_url="http://x/v2").base_url == "http://x/v2"


def test_a_start_that_downloaded_its_weights_is_told() -> None:
    assert origins(reply()) == [
        "    transcriber: a/b from the store",
        "    diarizer: c/d from the hub: this start downloaded them, and so will others",
    ]


def test_the_first_lines_are_shown() -> None:
    assert excerpt(reply()) == [
        *["       0.0 -    1.5  SPEAKER_00  Yes."] * 4,
        "    ... and 2 more",
    ]


async def test_the_cost_is_that_of_each_endpoint_s_own_seconds() -> None:
    """2 and 4 s of GPUs for 72 s of audio, at 0.36 $ an hour; the CPU has no price."""
    account, target = await deployed(manifest_of("orch"))
    head, *lines = await cost(target, reply(), platform=account, listed=LISTED)
    assert "about $0.030," in head
    for line, role, seconds, dollars in [
        (lines[0], "transcription", 2.0, "$0.010"),
        (lines[1], "diarization", 4.0, "$0.020"),
    ]:
        pools = ", ".join(f"{dollars} on {pool}" for pool in ("AMPERE_16", "AMPERE_24", "ADA_24"))
        had = f"    {role}, {seconds} s of a worker for 72 s of audio"
        assert line == f"{had}: {pools} (the catalog today)"
    assert lines[2].endswith(
        "8.0 s of a worker for 72 s of audio: no price of its machines is known"
    )


async def test_the_single_endpoint_had_the_sample_all_the_time() -> None:
    account, target = await deployed(manifest_of("single"))
    _, line = await cost(target, reply(), platform=account, listed=LISTED)
    assert line.startswith("    single, 8.0 s of a worker for 72 s of audio: $0.040 on AMPERE_16")
