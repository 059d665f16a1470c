"""The local engines with files that they cannot use."""

from pathlib import Path

import pytest

from handlers.errors import ModelBroken, ModelMissing
from handlers.parakeet import load_parakeet
from handlers.pyannote_diarizer import load_pyannote
from handlers.settings import Settings


def test_a_folder_without_a_nemo_file_is_no_transcriber(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"0 \.nemo files"):
        load_parakeet(Settings(transcriber_model=str(tmp_path)))


def test_a_damaged_nemo_file_is_broken(tmp_path: Path) -> None:
    (tmp_path / "model.nemo").write_bytes(b"not an archive")
    with pytest.raises(ModelBroken, match=r"model\.nemo cannot be loaded"):
        load_parakeet(Settings(transcriber_model=str(tmp_path)))


@pytest.mark.parametrize(
    "config", ["", "pipeline: {}", ": not yaml :", "pipeline: {name: no.Such}"]
)
def test_a_damaged_pipeline_is_broken(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.yaml").write_text(config)
    with pytest.raises(ModelBroken, match="Check that it is a pipeline"):
        load_pyannote(Settings(diarizer_model=str(tmp_path)))
