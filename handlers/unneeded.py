"""What a worker never uses of the libraries that it needs: see `lean_imports`.

Whoever upgrades a library reads this list; `tests/test_lean_imports.py` says what no longer holds.
"""

from collections.abc import Mapping, Sequence
from typing import Final

RE_EXPORTS: Final = frozenset(
    {
        # Lightning: the base class of NeMo's and pyannote's models is needed, its trainer is not
        "lightning",
        "lightning.fabric",
        "lightning.fabric.loggers",
        "lightning.pytorch",
        "lightning.pytorch.callbacks",
        "lightning.pytorch.core",
        "lightning.pytorch.loggers",
        "lightning.pytorch.trainer",
        "lightning.pytorch.utilities",
        # torchmetrics: the base class `Metric` is needed, its hundred metrics are not
        "torchmetrics",
        "torchmetrics.functional",
        "torchmetrics.utilities",
        # pyannote: its pipelines are applied, not tuned
        "pyannote.audio.pipelines",
        "pyannote.metrics",
        "pyannote.pipeline",
        # NeMo: one model of twenty, and what that needs
        "nemo.collections.asr",
        "nemo.collections.asr.data",
        "nemo.collections.asr.losses",
        "nemo.collections.asr.metrics",
        "nemo.collections.asr.models",
        "nemo.collections.asr.modules",
        "nemo.collections.asr.parts.context_biasing",
        "nemo.collections.asr.parts.mixins",
        "nemo.collections.asr.parts.preprocessing",
        "nemo.collections.asr.parts.utils",
        "nemo.collections.audio",
        "nemo.collections.audio.parts",
        "nemo.collections.audio.parts.utils",
        "nemo.collections.common",
        "nemo.collections.common.data",
        "nemo.collections.common.data.lhotse",
        "nemo.collections.common.losses",
        "nemo.collections.common.metrics",
        "nemo.collections.common.parts",
        "nemo.collections.common.parts.preprocessing",
        "nemo.collections.common.tokenizers",
        "nemo.core",
        "nemo.core.classes",
        "nemo.core.classes.mixins",
        "nemo.core.config",
        "nemo.core.optim",
        "nemo.lightning",
        "nemo.utils",
    }
)

PUT_OFF: Final[Mapping[str, Sequence[str]]] = {
    # the compiler: Lightning asks whether a model is compiled
    "torch._dynamo": ("OptimizedModule",),
    # export, and what operators do to tensors without content: see `COMPANIONS`
    "torch.export": (),
    "torch._meta_registrations": (),
    # plots of metrics
    "torchmetrics.utilities.plot": (
        "_AX_TYPE", "_CMAP_TYPE", "_PLOT_OUT_TYPE", "plot_confusion_matrix", "plot_curve",
        "plot_single_or_multi_val",
    ),
    # torchmetrics gives scipy.signal back a name that an old package missed
    "scipy.signal": ("hamming",),
    # images, for one function of librosa that no filter bank needs
    "scipy.ndimage": (),
    # downloads by SSH, of which the SDK and librosa know
    "paramiko": (),
    # models written for other engines
    "onnx": (),
    # what training reads, and how it disturbs what it has read
    "lhotse": (),
    "lhotse.serialization": ("open_best",),
    "nemo.collections.asr.data.audio_to_text_lhotse": ("LhotseSpeechToTextBpeDataset",),
    "nemo.collections.common.data.lhotse.dataloader": ("get_lhotse_dataloader_from_config",),
    "nemo.collections.asr.parts.preprocessing.perturb": (
        "AudioAugmentor", "process_augmentations",
    ),
    # lists of files
    "nemo.collections.asr.parts.utils.manifest_utils": (),
    # tables of training data
    "pandas": (),
    # what else the hub can do, where files of it are all that is ever asked for
    "huggingface_hub.hf_api": ("HfApi", "ModelInfo", "RepoFile"),
    "huggingface_hub.repocard": ("ModelCard",),
    # bars of training, in colour
    "lightning.pytorch.callbacks.progress.rich_progress": ("RichProgressBar", "_RICH_AVAILABLE"),
    # names of classes that moved between versions of Lightning
    "lightning.pytorch._graveyard": (),
    # kernels of language models that are fused into the decoder
    "triton": (),
    "nemo.collections.asr.parts.submodules.ngram_lm.ngram_lm_triton": (
        "ngram_advance_triton_kernel", "ngram_multi_advance_triton_kernel",
    ),
    # pyannote.audio scores and draws what it finds only where somebody asks
    "pyannote.metrics.diarization": ("DiarizationErrorRate", "GreedyDiarizationErrorRate"),
    "pyannote.core.notebook": (
        "Notebook", "notebook", "repr_annotation", "repr_feature", "repr_segment",
        "repr_timeline",
    ),
    # pyannote.audio can take its embeddings from NeMo, where that is installed
    "nemo.collections.asr.models.label_models": ("EncDecSpeakerLabelModel",),
    # scores made into probabilities, and the ways to cluster that no configuration here names
    "pyannote.audio.core.calibration": ("Calibration",),
    "networkx": ("Graph",),
    "sklearn.cluster": ("KMeans",),
    # speakers are matched to references only where diarization is scored or clustered
    "scipy.optimize": ("linear_sum_assignment",),
    "nemo.collections.asr.data.huggingface.hf_audio_to_text_dataset": (
        "get_hf_audio_to_text_bpe_dataset", "get_hf_audio_to_text_char_dataset",
    ),
}  # fmt: skip


COMPANIONS: Final[Mapping[str, Sequence[str]]] = {
    "torch._dynamo": ("torch._meta_registrations",),
    "torch.export": ("torch._meta_registrations",),
}
"""What has to run before: the compiler asks operators what they would do without saying whom."""
