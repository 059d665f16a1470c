"""Each shape, deployed to the local platform with the demo's real engines, gives the sample."""

import shutil
from pathlib import Path

import pytest

from demo.hub import DIARIZER, HUB, TRANSCRIBER
from deploy.manifest import Shape
from deploy.work import bring_up, tear_down
from emulator.endpoint import local_runpod
from emulator.management.api import Setup
from emulator.management.images import Image, Images
from emulator.manifest import Manifest as LocalManifest
from handlers.settings import Settings
from tests.deployments import KEY, VARIABLES, manifest_of
from tests.test_deploy_command import desk

MINUTES = 8


def model_store(folder: Path) -> Path:
    """The demo's models under the names of those that manifests ask for."""
    settings = Settings()
    names = {TRANSCRIBER: settings.transcriber_model, DIARIZER: settings.diarizer_model}
    for demo, real in names.items():
        home, target = (f"models--{name.replace('/', '--')}" for name in (demo, real))
        shutil.copytree(HUB / home, folder / target, symlinks=True)
    return folder


def images(store: Path) -> Images:
    """Our own workers; the store stands for what images bring."""
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


@pytest.mark.timeout(60 * MINUTES + 60)
@pytest.mark.parametrize("shape", ["single", "split", "orch"])
async def test_a_shape_that_is_deployed_gives_the_sample_s_transcript(
    shape: Shape, tmp_path: Path
) -> None:
    store = model_store(tmp_path / "store")
    setup = Setup(images=images(store), store=store)
    manifest = LocalManifest(endpoints=())
    variables = {**VARIABLES, "PARLEY_ORCHESTRATOR_KEY": KEY}
    async with local_runpod(manifest, logs=tmp_path / "logs", api_key=KEY, setup=setup) as runpod:
        async with desk(runpod.platform.url, manifest_of(shape), variables=variables) as at:
            status = await bring_up(at.desk, share_key=False, yes=False, within=60.0 * MINUTES)
            said = "\n".join(at.lines)
            assert status == 0
            assert "SPEAKER_00  Did Robert finish the report this morning?" in said
            assert "SPEAKER_01  Yes we finished the report with Susan." in said
            speakers = "image" if shape == "single" else "store"
            assert f"transcriber: {Settings().transcriber_model} from the store\n" in said
            assert f"diarizer: {Settings().diarizer_model} from the {speakers}\n" in said
            assert " on AMPERE_16, $" in said
            await tear_down(at.desk, yes=True, with_volume=False)
        assert runpod.fleets == {}
