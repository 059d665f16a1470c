"""`make deploy-...` of each shape, from nothing to the sample's transcript and back."""

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from demo.hub import DIARIZER, HUB, TRANSCRIBER
from deploy.manifest import Shape
from deploy.manifest_file import FOLDER
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.management.api import Setup
from emulator.management.images import Image, Images
from emulator.manifest import Manifest as LocalManifest
from handlers.settings import Settings
from tests.deployments import KEY, SECRETS
from tests.shells import Shell

MINUTES: Final = 8
MAKE: Final = ("make", "--no-print-directory", "--assume-old", ".venv/.ready")
"""Whoever runs this has an environment, of whatever age."""
ENDPOINTS: Final[dict[Shape, dict[str, str]]] = {
    "single": {"parley-single": "nvidia/parakeet-tdt-0.6b-v2"},
    "split": {
        "parley-transcription": "nvidia/parakeet-tdt-0.6b-v2",
        "parley-diarization": "pyannote/speaker-diarization-community-1",
    },
    "orch": {
        "parley-transcription": "nvidia/parakeet-tdt-0.6b-v2",
        "parley-diarization": "pyannote/speaker-diarization-community-1",
        "parley-orchestrator": "",
    },
}
"""Of each shape, with the model that RunPod caches for it."""


def model_store(folder: Path) -> Path:
    """The demo's models under the names of those that manifests ask for."""
    settings = Settings()
    names = {TRANSCRIBER: settings.transcriber_model, DIARIZER: settings.diarizer_model}
    for demo, real in names.items():
        home, target = (f"models--{name.replace('/', '--')}" for name in (demo, real))
        shutil.copytree(HUB / home, folder / target, symlinks=True)
    return folder


def images(store: Path) -> Images:
    """Our own workers as processes; the store stands for what images bring."""
    environment = {
        "PARLEY_MODEL_STORE": "/runpod-volume/huggingface-cache/hub",
        "PARLEY_IMAGE_MODELS": str(store),
        "HF_HUB_OFFLINE": "1",
    }

    def worker(module: str) -> Image:
        return Image(command=("{python}", "-m", module), environment=environment)

    return Images(
        {
            "parley-single": worker("handlers.single"),
            "parley-transcription": worker("handlers.transcription"),
            "parley-diarization": worker("handlers.diarization"),
            "parley-orchestrator": worker("orchestrator.handler"),
        }
    )


def with_longer_idle_time(shape: Shape, folder: Path) -> Path:
    """The shape's manifest, in which workers of one endpoint wait longer for the next job."""
    text = (FOLDER / f"{shape}.toml").read_text(encoding="utf-8")
    assert "idle_seconds = 60\n" in text
    path = folder / "mine.toml"
    path.write_text(text.replace("idle_seconds = 60\n", "idle_seconds = 75\n", 1), encoding="utf-8")
    return path


async def there_and_back(
    runpod: LocalRunPod, shape: Shape, *, folder: Path, **variables: str
) -> list[str]:
    """Deploy a shape and all that may follow, and give what was written on the way."""
    run = Shell(runpod, {"PARLEY_ORCHESTRATOR_KEY": KEY, **variables}, command=MAKE)
    count = len(ENDPOINTS[shape])

    status, said = await run(f"deploy-{shape}", f"OPTIONS=--minutes {MINUTES}")
    assert status == 0, said
    assert f"{count} to create, 0 to change, 0 to delete." in said
    assert "SPEAKER_00  Did Robert finish the report this morning?" in said
    assert "SPEAKER_01  Yes we finished the report with Susan." in said
    speakers = "image" if shape == "single" else "store"
    assert f"transcriber: {Settings().transcriber_model} from the store\n" in said
    assert f"diarizer: {Settings().diarizer_model} from the {speakers}\n" in said
    assert " on AMPERE_16, $" in said
    assert re.search(r"An hour of audio costs about \$\d", said)
    assert len(runpod.fleets) == count

    status, said = await run(f"status-{shape}")
    assert status == 0, said
    for name, model in ENDPOINTS[shape].items():
        (about,) = re.findall(rf"^{name}: .*(?:\n    .*)*", said, re.MULTILINE)
        if model:
            assert "AMPERE_16, AMPERE_24, ADA_24" in about
        assert ("cached" in about) is bool(model)
        assert model in about

    status, said = await run(f"deploy-{shape}", "OPTIONS=--no-smoke")
    assert status == 0, said
    assert "No changes" in said

    mine = f"MANIFEST={with_longer_idle_time(shape, folder)}"
    status, said = await run(f"plan-{shape}", mine)
    assert status == 0, said
    assert "0 to create, 1 to change, 0 to delete." in said
    assert len(re.findall(r"^\s+\S.*60 -> 75", said, re.MULTILINE)) == 1, said
    assert said.count(" -> ") == 1
    status, said = await run(f"deploy-{shape}", mine, "OPTIONS=--no-smoke")
    assert status == 0, said
    status, said = await run(f"plan-{shape}", mine)
    assert "No changes" in said

    status, said = await run(f"destroy-{shape}")
    assert status != 0
    assert "--yes" in said
    assert len(runpod.fleets) == count
    status, said = await run(f"destroy-{shape}", "OPTIONS=--yes")
    assert status == 0, said
    assert f"Nothing of {shape} is left." in said
    assert runpod.fleets == {}
    assert (await run(f"status-{shape}"))[0] != 0
    return run.outputs


def assert_without_secrets(outputs: list[str], logs: Path) -> None:
    """Nobody's secret is in what was written, on the screen or in a worker's log."""
    written = [path.read_text(encoding="utf-8") for path in logs.rglob("*.log")]
    assert written
    found = [secret for secret in SECRETS if any(secret in text for text in [*outputs, *written])]
    assert found == []


@pytest.mark.timeout(60 * MINUTES + 120)
@pytest.mark.parametrize("shape", ["single", "split", "orch"])
async def test_a_shape_is_deployed_changed_and_destroyed(shape: Shape, tmp_path: Path) -> None:
    store = model_store(tmp_path / "store")
    setup = Setup(images=images(store), store=store)
    nothing, logs = LocalManifest(endpoints=()), tmp_path / "logs"
    async with local_runpod(nothing, logs=logs, api_key=KEY, setup=setup) as runpod:
        outputs = await there_and_back(runpod, shape, folder=tmp_path)
    assert_without_secrets(outputs, logs)
