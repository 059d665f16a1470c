"""NeMo models loaded in place: nothing differs from what NeMo itself restores."""

import hashlib
import io
import logging
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.full_size import parakeet
from demo.hub import HUB
from handlers.lean_imports import import_leanly

import_leanly()

import soundfile  # noqa: E402
import torch  # noqa: E402
from nemo.collections.asr.models import ASRModel  # noqa: E402
from nemo.utils import logging as nemo_logging  # noqa: E402

from handlers import nemo_file, prepared  # noqa: E402
from handlers.checkpoint import NotPlain, map_tensors  # noqa: E402

SAMPLE = Path(__file__).parents[1] / "demo" / "sample" / "meeting.flac"

Digests = dict[str, str]


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    nemo_logging.setLevel(40)


@pytest.fixture(scope="module")
def demo() -> Path:
    (path,) = HUB.glob("models--parley--demo-parakeet-tdt/snapshots/*/*.nemo")
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the 0.6B's kind with random weights: no biases, two predictor layers, 128 mel."""
    return parakeet(tmp_path_factory.mktemp("small"), layers=2, width=64)


@pytest.fixture(scope="module")
def speech() -> npt.NDArray[np.float32]:
    samples, _ = soundfile.read(SAMPLE, dtype="float32", stop=16_000 * 8)
    return np.asarray(samples)


def tensors(model: Any) -> Digests:
    """Type, shape, layout and bytes of everything that a model computes with.

    Of the table of positions, which grows with the longest window, what both kinds of model have.
    """
    named = [
        (name, tensor[0, tensor.shape[1] // 2 - 300 : tensor.shape[1] // 2 + 301].clone())
        if name == "encoder.pos_enc.pe"
        else (name, tensor)
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]
    ]
    return {
        name: f"{tensor.dtype} {tuple(tensor.shape)} {tensor.stride()} {tensor.requires_grad} "
        + hashlib.sha256(
            tensor.detach().contiguous().view(-1).view(torch.uint8).numpy()
        ).hexdigest()
        for name, tensor in named
    }


def answer(model: Any, samples: npt.NDArray[np.float32]) -> tuple[Any, ...]:
    confidence = {
        "preserve_word_confidence": True,
        "preserve_token_confidence": True,
        "exclude_blank": True,
        "aggregation": "mean",
        "method_cfg": {"name": "max_prob"},
    }
    decoding = model.cfg.decoding.copy()
    torch.manual_seed(0)
    from omegaconf import open_dict  # noqa: PLC0415

    with open_dict(decoding):
        decoding.compute_timestamps = True
        decoding.confidence_cfg = confidence
    model.change_decoding_strategy(decoding, verbose=False)
    model.eval()
    (found,) = model.transcribe([samples], timestamps=True, num_workers=0, verbose=False)
    return found.text, found.timestamp["word"], found.word_confidence, found.score


@pytest.mark.parametrize("name", ["demo", "small"])
def test_every_weight_buffer_word_time_and_confidence_is_the_one_that_nemo_restores(
    name: str, request: pytest.FixtureRequest, speech: npt.NDArray[np.float32]
) -> None:
    path = request.getfixturevalue(name)
    expected = ASRModel.restore_from(str(path), map_location="cpu")
    found = nemo_file.restore(path)
    assert type(found) is type(expected)
    assert tensors(found) == tensors(expected)
    assert found.cfg == expected.cfg
    assert answer(found, speech) == answer(expected, speech)


def test_a_window_longer_than_the_table_of_positions_is_answered_as_nemo_answers_it(
    demo: Path,
) -> None:
    long, _ = soundfile.read(SAMPLE, dtype="float32", stop=16_000 * 50)
    expected, found = ASRModel.restore_from(str(demo), map_location="cpu"), nemo_file.restore(demo)
    before = found.encoder.pos_enc.pe.shape[1]
    assert answer(found, np.asarray(long)) == answer(expected, np.asarray(long))
    assert before < found.encoder.pos_enc.pe.shape[1] <= expected.encoder.pos_enc.pe.shape[1]


def test_a_model_that_spells_by_letters_keeps_its_own_vocabulary() -> None:
    config = "target: nemo.collections.asr.models.rnnt_models.EncDecRNNTModel\nlabels: [a, b]\n"
    assert nemo_file._without_vocabulary(config) == config


def test_a_prepared_folder_gives_the_same_model_again(
    demo: Path, tmp_path: Path, speech: npt.NDArray[np.float32]
) -> None:
    folder = nemo_file.prepare(demo, tmp_path / "prepared")
    assert prepared.is_prepared(folder)
    prepared.verify(folder)
    found, expected = nemo_file.restore(folder), nemo_file.restore(demo)
    assert tensors(found) == tensors(expected)
    assert answer(found, speech) == answer(expected, speech)


def test_nothing_is_unpacked_and_weights_stay_in_the_file(demo: Path) -> None:
    model = nemo_file.restore(demo)
    mapped = Path("/proc/self/maps").read_text().splitlines()
    first = next(model.encoder.parameters()).data_ptr()
    (home,) = (
        line for line in mapped if int(line.split("-")[0], 16) <= first < _end_of_mapping(line)
    )
    assert home.endswith(demo.resolve().name)


def test_what_uses_the_model_leaves_the_file_as_it_is(small: Path) -> None:
    before = hashlib.sha256(small.read_bytes()).hexdigest()
    model = nemo_file.restore(small)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert hashlib.sha256(small.read_bytes()).hexdigest() == before


def test_an_archive_of_half_precision_becomes_the_precision_of_the_model(
    small: Path, tmp_path: Path
) -> None:
    path = repacked(small, tmp_path / "half.nemo", mode="w:", halve=True)
    assert tensors(nemo_file.restore(path)) == tensors(
        ASRModel.restore_from(str(path), map_location="cpu")
    )


def test_a_compressed_archive_is_left_to_nemo(
    small: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = repacked(small, tmp_path / "compressed.nemo", mode="w:gz")
    caplog.set_level(logging.WARNING)  # NeMo's own verbosity reaches pytest's handler too
    assert tensors(nemo_file.restore(path)) == tensors(nemo_file.restore(small))
    assert "compressed.nemo is read the slow way" in caplog.text


def test_an_archive_that_lacks_a_weight_is_refused(small: Path, tmp_path: Path) -> None:
    path = repacked(small, tmp_path / "less.nemo", mode="w:", leave_out="joint.pred.weight")
    with pytest.raises(RuntimeError, match=r"joint\.pred\.weight"):
        nemo_file.restore(path)


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    path = tmp_path / "model_weights.ckpt"
    torch.save({"weight": torch.ones(2), "more": _Runs(ran)}, path)
    with path.open("rb") as archive, pytest.raises(NotPlain):
        map_tensors(archive, path=path)
    assert not ran.exists()


@pytest.mark.parametrize(
    "damage", [lambda file: file.unlink(), lambda file: file.write_bytes(file.read_bytes()[:-1])]
)
def test_a_prepared_folder_with_a_missing_or_short_file_is_damaged(
    small: Path, tmp_path: Path, damage: Any
) -> None:
    folder = nemo_file.prepare(small, tmp_path / "prepared")
    damage(folder / "model_weights.safetensors")
    with pytest.raises(prepared.Damaged, match="missing or short"):
        nemo_file.restore(folder)


def test_one_changed_byte_of_a_prepared_folder_is_found(small: Path, tmp_path: Path) -> None:
    folder = nemo_file.prepare(small, tmp_path / "prepared")
    config = folder / "model_config.yaml"
    config.write_bytes(config.read_bytes().replace(b"16000", b"16001", 1))
    with pytest.raises(prepared.Damaged, match=r"model_config\.yaml"):
        prepared.verify(folder)


class _Runs:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._path,))


def _end_of_mapping(line: str) -> int:
    return int(line.split(" ", 1)[0].split("-")[1], 16)


def repacked(
    source: Path, target: Path, *, mode: Any, halve: bool = False, leave_out: str = ""
) -> Path:
    """An archive anew, with its weights changed."""
    with tarfile.open(source) as old, tarfile.open(target, mode) as new:
        for member in old:
            content = old.extractfile(member)
            if content is None:
                continue
            data = content.read()
            if member.name.endswith(".ckpt"):
                state = torch.load(io.BytesIO(data), weights_only=True)
                state.pop(leave_out, None)
                if halve:
                    state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
                buffer = io.BytesIO()
                torch.save(state, buffer)
                data = buffer.getvalue()
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target


def test_a_file_that_is_no_checkpoint_is_not_plain(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(pickle.dumps({"weight": [1]}))
    with path.open("rb") as archive, pytest.raises(NotPlain):
        map_tensors(archive, path=path)
