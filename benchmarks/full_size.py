"""Models of the real sizes with random weights, to measure loading without any download.

    python -m benchmarks.full_size FOLDER

makes `parakeet-0.6b.nemo` (Parakeet-TDT 0.6B v2's architecture: 617.8 million parameters, 2.5 GB)
and `community-1/` (a pipeline of stock PyanNet and WeSpeakerResNet34) where they are not yet there.
They know nothing: whatever they answer is noise.
"""

import argparse
import io
import os
import random
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

NEMO: Final = "parakeet-0.6b.nemo"
PIPELINE: Final = "community-1"

_PIECES: Final = 1024
_DURATIONS: Final = [0, 1, 2, 3, 4]
_PLDA: Final = (256, 128)
"""Sizes of an embedding before and after the linear discriminant analysis."""

_CONFIG: Final = """\
dependencies:
  pyannote.audio: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_batch_size: 32
    embedding: $model/embedding
    embedding_batch_size: 32
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {min_duration_off: 0.0}
"""


def parakeet(folder: Path, *, layers: int = 24, width: int = 1024, pieces: int = _PIECES) -> Path:
    """Make the recogniser, once; fewer layers and less width make a small one of the same kind."""
    path = folder / NEMO
    if not path.exists():
        from nemo.collections.asr.models import EncDecRNNTBPEModel  # noqa: PLC0415
        from omegaconf import OmegaConf  # noqa: PLC0415

        folder.mkdir(parents=True, exist_ok=True)
        tokens = _tokenizer(folder / "tokens", pieces=pieces)
        config = OmegaConf.create(_parakeet_config(tokens, layers=layers, width=width))
        part = path.with_suffix(".part.nemo")
        EncDecRNNTBPEModel(cfg=config).save_to(str(part))
        part.replace(path)
    return path


def pipeline(folder: Path) -> Path:
    """Make the diarization pipeline, once."""
    home = folder / PIPELINE
    if not (home / "config.yaml").exists():
        from pyannote.audio.core.task import Problem, Resolution, Specifications  # noqa: PLC0415
        from pyannote.audio.models.embedding import WeSpeakerResNet34  # noqa: PLC0415
        from pyannote.audio.models.segmentation import PyanNet  # noqa: PLC0415

        speakers = ["speaker#1", "speaker#2", "speaker#3"]
        segmentation = PyanNet(lstm={"num_layers": 4})
        segmentation.specifications = Specifications(
            problem=Problem.MONO_LABEL_CLASSIFICATION,
            resolution=Resolution.FRAME,
            duration=10.0,
            classes=speakers,
            powerset_max_classes=2,
            permutation_invariant=True,
        )
        embedding = WeSpeakerResNet34()
        embedding.specifications = Specifications(
            problem=Problem.REPRESENTATION,
            resolution=Resolution.CHUNK,
            duration=10.0,
            classes=speakers,
        )
        for name, model in (("segmentation", segmentation), ("embedding", embedding)):
            model.build()
            _save_checkpoint(model, home / name / "pytorch_model.bin")
        _save_plda(home / "plda")
        (home / "config.yaml").write_text(_CONFIG)
    return home


def _save_checkpoint(model: Any, path: Path) -> None:  # noqa: ANN401
    import torch  # noqa: PLC0415

    checkpoint: dict[str, Any] = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": version("lightning"),
    }
    model.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, path)


def _save_plda(folder: Path) -> None:
    before, after = _PLDA
    random_state = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "xvec_transform.npz",
        mean1=np.zeros(before),
        mean2=np.zeros(after),
        lda=np.linalg.qr(random_state.normal(size=(before, after)))[0],
    )
    np.savez(
        folder / "plda.npz",
        mu=np.zeros(after),
        tr=np.linalg.qr(random_state.normal(size=(after, after)))[0],
        psi=np.linspace(10.0, 0.1, after),
    )


def _tokenizer(folder: Path, *, pieces: int) -> Path:
    """Learn so many word pieces from words that nobody speaks."""
    import sentencepiece  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=_nonsense(),
        model_writer=model,
        vocab_size=pieces,
        model_type="bpe",
        bos_id=-1,
        eos_id=-1,
        unk_id=0,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    learned = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    names = (learned.id_to_piece(index) for index in range(learned.get_piece_size()))
    (folder / "vocab.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def _nonsense() -> Iterator[str]:
    choose = random.Random(0)
    begins, middles, ends = "bdfghklmnprstvwz", ("a", "e", "i", "o", "u", "ou", "er"), " nstlkmrx"
    syllables = [(a + b + c).strip() for a in begins for b in middles for c in ends]
    for _ in range(20_000):
        yield " ".join("".join(choose.choices(syllables, k=choose.randint(1, 4))) for _ in range(8))


def _parakeet_config(tokens: Path, *, layers: int, width: int) -> dict[str, Any]:
    """Sizes of v2, as the public ports of it give them."""
    pre, hidden = "nemo.collections.asr.modules.", 640
    return {
        "sample_rate": 16000,
        "compute_eval_loss": False,
        "log_prediction": False,
        "rnnt_reduction": "mean_batch",
        "skip_nan_grad": False,
        "model_defaults": {
            "enc_hidden": width,
            "pred_hidden": hidden,
            "joint_hidden": hidden,
            "tdt_durations": _DURATIONS,
            "num_tdt_durations": len(_DURATIONS),
        },
        "train_ds": None,
        "validation_ds": {
            "manifest_filepath": None,
            "sample_rate": 16000,
            "batch_size": 4,
            "shuffle": False,
            "use_start_end_token": False,
        },
        "tokenizer": {"dir": str(tokens), "type": "bpe"},
        "preprocessor": {
            "_target_": pre + "AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16000,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": 128,
            "n_fft": 512,
            "frame_splicing": 1,
            "dither": 1e-5,
            "pad_to": 0,
        },
        "spec_augment": {
            "_target_": pre + "SpectrogramAugmentation",
            "freq_masks": 2,
            "time_masks": 10,
            "freq_width": 27,
            "time_width": 0.05,
        },
        "encoder": {
            "_target_": pre + "ConformerEncoder",
            "feat_in": 128,
            "feat_out": -1,
            "n_layers": layers,
            "d_model": width,
            "use_bias": False,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 256,
            "causal_downsampling": False,
            "ff_expansion_factor": 4,
            "self_attention_model": "rel_pos",
            "n_heads": 8,
            "att_context_size": [-1, -1],
            "xscaling": False,
            "untie_biases": True,
            "pos_emb_max_len": 5000,
            "conv_kernel_size": 9,
            "conv_norm_type": "batch_norm",
            "conv_context_size": None,
            "dropout": 0.1,
            "dropout_pre_encoder": 0.1,
            "dropout_emb": 0.0,
            "dropout_att": 0.1,
        },
        "decoder": {
            "_target_": pre + "RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "prednet": {
                "pred_hidden": hidden,
                "pred_rnn_layers": 2,
                "t_max": None,
                "dropout": 0.2,
            },
        },
        "joint": {
            "_target_": pre + "RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "fused_batch_size": -1,
            "num_extra_outputs": len(_DURATIONS),
            "jointnet": {
                "joint_hidden": hidden,
                "activation": "relu",
                "dropout": 0.2,
                "encoder_hidden": width,
                "pred_hidden": hidden,
            },
        },
        "decoding": {
            "strategy": "greedy_batch",
            "model_type": "tdt",
            "durations": _DURATIONS,
            "greedy": {"max_symbols": 10},
            "beam": {"beam_size": 2, "return_best_hypothesis": False, "score_norm": True},
        },
        "loss": {
            "loss_name": "tdt",
            "tdt_kwargs": {
                "fastemit_lambda": 0.0,
                "durations": _DURATIONS,
                "sigma": 0.02,
                "omega": 0.1,
            },
        },
        "optim": {"name": "adamw", "lr": 2e-3, "betas": [0.9, 0.98], "weight_decay": 1e-3},
    }


def main() -> None:
    """Make both, and say where they are."""
    os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print(parakeet(folder))
    print(pipeline(folder))


if __name__ == "__main__":
    main()
