"""NeMo models from their files, as `restore_from` gives them but without its detours.

`restore_from` unpacks the whole archive to disk, fills every weight with random numbers, reads the
real ones beside them and copies them over. Here the weights are mapped where they lie, and become
the model's own; what is no weight (windows, filter banks, positions) is computed as ever.
"""

import logging
import mmap
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
import yaml  # type: ignore[import-untyped]
from nemo.collections.asr.models import rnnt_bpe_models  # noqa: F401  what a Parakeet is
from nemo.collections.asr.models.asr_model import ASRModel
from nemo.core.connectors.save_restore_connector import SaveRestoreConnector
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode

from handlers.checkpoint import NotPlain, map_tensors
from handlers.config_lists import quick_lists
from handlers.prepared import check_sizes, seal

_log = logging.getLogger(__name__)

_CONFIG: Final = "model_config.yaml"
_CHECKPOINT: Final = "model_weights.ckpt"
_WEIGHTS: Final = "model_weights.safetensors"
_POSITIONS: Final = 400
"""Frames, of 80 ms: 32 seconds, a little more than the usual window of a job."""

_TOKENIZED: Final = "nemo.collections.asr.models.rnnt_bpe_models.EncDecRNNTBPEModel"
_RANDOM: Final = frozenset(
    {"kaiming_normal_", "kaiming_uniform_", "normal_", "orthogonal_", "trunc_normal_", "uniform_"}
    | {"xavier_normal_", "xavier_uniform_"}
)

State = Mapping[str, torch.Tensor]


def restore(path: Path) -> Any:  # noqa: ANN401
    """Give the model of a `.nemo` file or of a prepared folder, on the CPU.

    It is what `ASRModel.restore_from` gives, bit for bit. An archive that cannot be mapped, being
    compressed or from a torch before 1.6, is left to NeMo itself.

    Raises:
        Damaged: files of a prepared folder are missing or short.

    """
    if path.is_dir():
        check_sizes(path)
        return _build(path, folder=path, read=lambda: _touched(load_file(path / _WEIGHTS)))
    try:
        with _unpacked(path) as (folder, weights):
            return _build(path, folder=folder, read=lambda: weights)
    except (NotPlain, tarfile.ReadError) as error:
        _log.warning("%s is read the slow way (%s)", path.name, type(error).__name__)
        return ASRModel.restore_from(str(path), map_location="cpu")


def prepare(source: Path, target: Path) -> Path:
    """Write a `.nemo` file anew as a folder that needs no unpacking; give the folder.

    Raises:
        FileExistsError: there is something at the target.

    """
    target.mkdir(parents=True)
    with tarfile.open(source) as archive:
        for member in archive:
            if member.isfile():
                _extract(archive, member, target)
    checkpoint = target / _CHECKPOINT
    state = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, target / _WEIGHTS)
    checkpoint.unlink()
    seal(target)
    return target


class _Connector(SaveRestoreConnector):  # type: ignore[misc]  # NeMo has no types
    """How NeMo takes a model whose parts lie ready."""

    def __init__(self, *, folder: Path, read: Callable[[], State]) -> None:
        super().__init__()
        self._folder = folder
        self._read = read

    def load_config_and_state_dict(
        self,
        calling_cls: Any,  # noqa: ANN401
        *_: object,
        **__: object,
    ) -> tuple[Any, Any, State]:
        calling_cls._set_model_restore_state(is_being_restored=True, folder=str(self._folder))  # noqa: SLF001
        with quick_lists(), _NoRandomWeights():
            config = OmegaConf.create(_without_vocabulary((self._folder / _CONFIG).read_text()))
            config = config.get("model", config)
            OmegaConf.set_struct(config, True)  # noqa: FBT003
            with _few_positions(config):
                model = calling_cls.from_config_dict(config=config)
            if "encoder" in config:
                model.cfg.encoder = config.encoder
        return config, model, self._read()

    def load_instance_with_state_dict(
        self,
        instance: Any,  # noqa: ANN401
        state_dict: State,
        strict: bool,  # noqa: FBT001
    ) -> None:
        """Make the tensors the model's own; one of another type is converted, as a copy would."""
        own = instance.state_dict()
        fitting = {
            name: tensor.to(own[name].dtype) if name in own else tensor
            for name, tensor in state_dict.items()
        }
        instance.load_state_dict(fitting, strict=strict, assign=True)
        instance._set_model_restore_state(is_being_restored=False)  # noqa: SLF001


class _NoRandomWeights(TorchFunctionMode):  # type: ignore[misc]  # nor has torch
    """Leaves weights as the allocator gives them: all of them are about to be replaced."""

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        options = kwargs or {}
        if getattr(func, "__name__", "") in _RANDOM:
            filled = args[0] if args else options.get("tensor")
            if isinstance(filled, torch.nn.Parameter):
                return filled
        return func(*args, **options)


def _build(path: Path, *, folder: Path, read: Callable[[], State]) -> Any:  # noqa: ANN401
    connector = _Connector(folder=folder, read=read)
    return ASRModel.restore_from(str(path), map_location="cpu", save_restore_connector=connector)


@contextmanager
def _few_positions(config: Any) -> Iterator[None]:  # noqa: ANN401
    """Have an encoder made with a short table of positions; it makes a longer one when it needs it.

    The usual table is for 400 seconds at once, takes 40 MB, and three times that while it is made.
    """
    encoder = config.get("encoder")
    usual = encoder and encoder.get("pos_emb_max_len")
    if not isinstance(usual, int) or usual <= _POSITIONS:
        yield
        return
    encoder.pos_emb_max_len = _POSITIONS
    try:
        yield
    finally:
        encoder.pos_emb_max_len = usual


def _without_vocabulary(config: str) -> str:
    """Leave out of a configuration what its model takes from its tokenizer, unread.

    That is the vocabulary, twice: thousands of lines that OmegaConf would read one by one.
    """
    root = yaml.compose(config, Loader=yaml.CSafeLoader)
    parts = {key.value: value for key, value in root.value}
    if getattr(parts.get("target"), "value", None) != _TOKENIZED:
        return config
    for owner, name in ((root, "labels"), (parts.get("joint"), "vocabulary")):
        if isinstance(owner, yaml.MappingNode):
            owner.value = [pair for pair in owner.value if pair[0].value != name]
    text: str = yaml.serialize(root, Dumper=yaml.CSafeDumper)
    return text


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[Path, State]]:
    """Give a folder with an archive's small files, and its weights where they are."""
    with tarfile.open(path, "r:") as archive, TemporaryDirectory(prefix="parley-") as name:
        folder = Path(name)
        weights: State | None = None
        for member in archive:
            if Path(member.name).name == _CHECKPOINT:
                checkpoint = archive.extractfile(member)
                if checkpoint is not None:
                    weights = map_tensors(checkpoint, path=path, start=member.offset_data)
            elif member.isfile():
                _extract(archive, member, folder)
        if weights is None:
            raise NotPlain(path)
        yield folder, _touched(weights)


def _touched(weights: State) -> State:
    """Have every page of mapped weights made present by another thread, from now on."""

    def touch() -> None:
        for tensor in weights.values():
            if tensor.is_contiguous():
                tensor.view(-1).view(torch.uint8)[:: mmap.PAGESIZE].max()

    threading.Thread(target=touch, name="weights", daemon=True).start()
    return weights


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    content = archive.extractfile(member)
    if content is not None:
        with content, (folder / Path(member.name).name).open("xb") as file:
            shutil.copyfileobj(content, file)
