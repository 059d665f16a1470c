"""What `parley emulate` prints: what there is, and commands that use it as they stand."""

import importlib.util
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from emulator.endpoint import LocalRunPod
    from emulator.faults import Fault
    from emulator.manifest import EndpointSpec
    from parley.emulate import Plan

ALWAYS: Final = "always"
"""How often a fault strikes that lasts until it is cleared."""
_ROLES: Final = {
    "handlers.single": "single",
    "handlers.transcription": "transcription",
    "handlers.diarization": "diarization",
    "orchestrator.handler": "orch",
}
"""What an endpoint is, by the entry point of its workers."""


def guide(runpod: "LocalRunPod", plan: "Plan") -> str:
    """What there is and how to use it; every command works as it stands."""
    if not plan.manifest.endpoints:
        return _empty_guide(runpod, plan)
    recording = sample(plan.logs)
    roles = {_ROLES[word]: spec.id for spec in plan.manifest.endpoints for word in _modules(spec)}
    lines = [
        f"Status page  {runpod.platform.url}/",
        f"Base URL     {runpod.base_url}",
        f"API key      {runpod.api_key}",
        f"Endpoints    {', '.join(runpod.fleets)}",
        f"Logs         {plan.logs}",
        *(f"Fault        {_told(fault)}" for fault in plan.faults),
    ]
    if target := _target(roles):
        command = ["transcribe", str(recording), *target, "--base-url", runpod.base_url]
        call = shlex.join([_parley(), *command, "-f", "txt", "-o", "-"])
        key = shlex.quote(runpod.api_key)
        lines += ["", "Transcribe a recording:", "", f"  RUNPOD_API_KEY={key} {call}"]
    lines += ["", "Or send a job, and ask for it:"]
    authorization = shlex.quote(f"Authorization: Bearer {runpod.api_key}")
    job = shlex.quote(f'{{"input": {{"audio_url": "{runpod.share(recording)}"}}}}')
    for endpoint in [roles["orch"]] if "orch" in roles else runpod.fleets:
        url = f"{runpod.base_url}/{endpoint}"
        lines += [
            "",
            f"  JOB=$(curl -s -H {authorization} -d {job} {url}/run | cut -d'\"' -f4)",
            f"  curl -s -H {authorization} {url}/status/$JOB; echo",
        ]
    return "\n".join([*lines, "", "Ctrl-C stops all of it."])


def _empty_guide(runpod: "LocalRunPod", plan: "Plan") -> str:
    exports = {
        "RUNPOD_API_BASE": runpod.platform.url,
        "RUNPOD_API_KEY": runpod.api_key,
        "RUNPOD_ENDPOINT_BASE": runpod.base_url,
        "RUNPOD_ENDPOINT_BASE_URL": runpod.base_url,
    }
    return "\n".join(
        [
            f"Status page  {runpod.platform.url}/",
            f"Quota        {plan.manifest.workers_quota} workers",
            f"Logs         {plan.logs}",
            *(f"Fault        {_told(fault)}" for fault in plan.faults),
            "",
            "There is no endpoint yet. To deploy some here, export:",
            "",
            *(f"  export {name}={shlex.quote(value)}" for name, value in exports.items()),
            "",
            "Ctrl-C stops all of it.",
        ]
    )


def _target(roles: Mapping[str, str]) -> list[str]:
    """The flags that name a shape and its endpoints; none where no shape of Parley is here."""
    for shape in ("orch", "single"):
        if shape in roles:
            return ["--shape", shape, "--endpoint", roles[shape]]
    if {"transcription", "diarization"} <= roles.keys():
        words, speakers = roles["transcription"], roles["diarization"]
        return ["--shape", "split", "--transcription", words, "--diarization", speakers]
    return []


def _parley() -> str:
    """This command, as a shell finds it."""
    own, found = Path(sys.argv[0]).absolute(), shutil.which("parley")
    return "parley" if found and Path(found).absolute() == own else str(own)


def _modules(spec: "EndpointSpec") -> list[str]:
    return [word for word in spec.command if word in _ROLES]


def sample(logs: Path) -> Path:
    """A recording: the demo's conversation, or where it is not installed, a second of silence."""
    found = importlib.util.find_spec("demo")
    for folder in (found.submodule_search_locations or []) if found else []:
        meeting = Path(folder) / "sample" / "meeting.flac"
        if meeting.is_file():
            return meeting
    import wave  # noqa: PLC0415

    logs.mkdir(parents=True, exist_ok=True)
    silence = logs / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(32000))
    return silence


def _told(fault: "Fault") -> str:
    facts = [
        fault.kind,
        f"on {fault.endpoint}",
        f"every={fault.every}",
        f"times={ALWAYS if fault.times is None else fault.times}",
        f"seconds={fault.seconds:g}",
        f"route={fault.route}",
    ]
    return " ".join(facts)
