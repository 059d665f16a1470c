"""A small Parakeet: NeMo's FastConformer-TDT, and its loss as this recipe trains it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from nemo.collections.asr.models import EncDecRNNTBPEModel
from omegaconf import OmegaConf
from torch import nn

from demo.recipes.mixtures import Batch
from demo.recipes.tdt_loss import DURATIONS, Lattice, tdt_loss
from demo.recipes.tokens import IGNORED, Target, WordPieces
from demo.speech.synthesis import SAMPLE_RATE, Samples

_MEL: Final = 80
_WIDTH: Final = 128
_LAYERS: Final = 7
_HEADS: Final = 4
_KERNEL: Final = 9
_CHANNELS: Final = 64
_PREDICTOR: Final = 160
_JOINT: Final = 160
_DROPOUT: Final = 0.0
_SIGMA: Final = 0.02
_FRAME_WEIGHT: Final = 0.3


def quiet() -> None:
    """Let NeMo say warnings only when they matter here."""
    logging.getLogger("nemo_logger").setLevel(logging.ERROR)


def build(pieces: WordPieces) -> Any:  # noqa: ANN401  # NeMo's model is untyped
    """An untrained `EncDecRNNTBPEModel`, about 3 million parameters."""
    model = EncDecRNNTBPEModel(cfg=OmegaConf.create(_config(pieces)))
    joint = model.joint.joint_net[-1]
    with torch.no_grad():  # most frames emit nothing: start there
        joint.bias[len(pieces)] = 2.0
    return model


def restore(path: Path) -> Any:  # noqa: ANN401
    """A trained model, on the CPU, ready to transcribe."""
    return EncDecRNNTBPEModel.restore_from(str(path), map_location="cpu").eval()


def transcribe(model: Any, samples: Samples) -> tuple[str, list[tuple[str, float, float]]]:  # noqa: ANN401
    """Text, and words with start and end in seconds, the way NeMo's users get them."""
    (found,) = model.transcribe([samples], timestamps=True, batch_size=1, verbose=False)
    words = [(str(w["word"]), float(w["start"]), float(w["end"])) for w in found.timestamp["word"]]
    return str(found.text), words


class Trainee(nn.Module):
    """The model with a head that only training needs: which piece each encoder frame holds.

    The times of words are known, so the encoder can be told at once what it hears where; with the
    transducer alone, or with CTC, it has to find that out, and spends half the time on it.
    """

    def __init__(self, model: Any, pieces: WordPieces) -> None:  # noqa: ANN401
        super().__init__()
        self.model = model
        self.blank = len(pieces)
        self.head = nn.Linear(_WIDTH, len(pieces) + 1)

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Transducer loss in nats per second, and frame loss in nats per frame."""
        features, lengths = self.model.preprocessor(
            input_signal=torch.from_numpy(batch.samples), length=torch.from_numpy(batch.lengths)
        )
        if self.training:
            features = self.model.spec_augmentation(input_spec=features, length=lengths)
        encoded, frames = self.model.encoder(audio_signal=features, length=lengths)
        encoded = encoded.transpose(1, 2)
        transducer = self._transducer(encoded, frames, batch.targets).sum() * 12.5 / frames.sum()
        return transducer, self._framewise(encoded, frames, batch.targets)

    @staticmethod
    def combined(transducer: torch.Tensor, framewise: torch.Tensor) -> torch.Tensor:
        return transducer + _FRAME_WEIGHT * 12.5 * framewise

    def _transducer(
        self, encoded: torch.Tensor, frames: torch.Tensor, targets: Sequence[Target]
    ) -> torch.Tensor:
        """Losses (B,) of encoder outputs (B, T, width), over the states near the words' times."""
        lattice = Lattice.of(
            [target.band(int(count)) for target, count in zip(targets, frames, strict=True)]
        )
        labels = _padded(targets)
        predicted, _, _ = self.model.decoder(
            targets=labels, target_length=torch.tensor([len(t.pieces) for t in targets])
        )
        joint = self.model.joint
        heard = joint.project_encoder(encoded)
        said = joint.project_prednet(predicted.transpose(1, 2))
        where, when, which = (
            torch.from_numpy(each) for each in (lattice.utterance, lattice.frame, lattice.label)
        )
        logits = joint.joint_net(heard[where, when] + said[where, which])
        tokens = logits[:, : self.blank + 1].log_softmax(-1) - _SIGMA
        following = nn.functional.pad(labels, (0, 1))[where, which]
        return tdt_loss(
            tokens[:, self.blank],
            tokens.gather(1, following[:, None])[:, 0],
            logits[:, self.blank + 1 :].log_softmax(-1),
            lattice,
        )

    def _framewise(
        self, encoded: torch.Tensor, frames: torch.Tensor, targets: Sequence[Target]
    ) -> torch.Tensor:
        pieces = np.full(encoded.shape[:2], IGNORED)
        for row, target, count in zip(pieces, targets, frames, strict=True):
            row[:count] = target.by_frame(int(count), silence=self.blank)
        scores = self.head(encoded).flatten(0, 1)
        loss: torch.Tensor = nn.functional.cross_entropy(scores, torch.from_numpy(pieces).flatten())
        return loss


def _padded(targets: Sequence[Target]) -> torch.Tensor:
    """Pieces as (B, U)."""
    labels = np.zeros((len(targets), max(len(t.pieces) for t in targets)), dtype=np.int64)
    for row, target in zip(labels, targets, strict=True):
        row[: len(target.pieces)] = target.pieces
    return torch.from_numpy(labels)


def _config(pieces: WordPieces) -> dict[str, Any]:
    """What NVIDIA's Parakeet-TDT has, made small."""
    return {
        "sample_rate": SAMPLE_RATE,
        "compute_eval_loss": False,
        "log_prediction": False,
        "rnnt_reduction": "mean_batch",
        "skip_nan_grad": False,
        "model_defaults": {
            "enc_hidden": _WIDTH,
            "pred_hidden": _PREDICTOR,
            "joint_hidden": _JOINT,
            "tdt_durations": list(DURATIONS),
            "num_tdt_durations": len(DURATIONS),
        },
        "train_ds": None,
        "validation_ds": {  # transcribe() reads its defaults here
            "manifest_filepath": None,
            "sample_rate": SAMPLE_RATE,
            "batch_size": 4,
            "shuffle": False,
            "use_start_end_token": False,
        },
        "tokenizer": {"dir": str(pieces.folder), "type": "bpe"},
        "preprocessor": {
            "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
            "sample_rate": SAMPLE_RATE,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": _MEL,
            "n_fft": 512,
            "frame_splicing": 1,
            "dither": 1e-5,
            "pad_to": 0,
        },
        "spec_augment": {
            "_target_": "nemo.collections.asr.modules.SpectrogramAugmentation",
            "freq_masks": 2,
            "time_masks": 2,
            "freq_width": 10,
            "time_width": 8,
        },
        "encoder": {
            "_target_": "nemo.collections.asr.modules.ConformerEncoder",
            "feat_in": _MEL,
            "feat_out": -1,
            "n_layers": _LAYERS,
            "d_model": _WIDTH,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": _CHANNELS,
            "causal_downsampling": False,
            "ff_expansion_factor": 4,
            "self_attention_model": "rel_pos",
            "n_heads": _HEADS,
            "att_context_size": [-1, -1],
            "xscaling": False,
            "untie_biases": True,
            "pos_emb_max_len": 5000,
            "conv_kernel_size": _KERNEL,
            "conv_norm_type": "batch_norm",
            "conv_context_size": None,
            "dropout": _DROPOUT,
            "dropout_pre_encoder": _DROPOUT,
            "dropout_emb": 0.0,
            "dropout_att": _DROPOUT,
        },
        "decoder": {
            "_target_": "nemo.collections.asr.modules.RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "prednet": {
                "pred_hidden": _PREDICTOR,
                "pred_rnn_layers": 1,
                "t_max": None,
                "dropout": _DROPOUT,
            },
        },
        "joint": {
            "_target_": "nemo.collections.asr.modules.RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "fused_batch_size": -1,
            "num_extra_outputs": len(DURATIONS),
            "jointnet": {
                "joint_hidden": _JOINT,
                "activation": "relu",
                "dropout": _DROPOUT,
                "encoder_hidden": _WIDTH,
                "pred_hidden": _PREDICTOR,
            },
        },
        "decoding": {
            "strategy": "greedy_batch",
            "model_type": "tdt",
            "durations": list(DURATIONS),
            "greedy": {"max_symbols": 10},
            "beam": {"beam_size": 2, "return_best_hypothesis": False, "score_norm": True},
        },
        "loss": {
            "loss_name": "tdt",
            "tdt_kwargs": {
                "fastemit_lambda": 0.0,
                "durations": list(DURATIONS),
                "sigma": _SIGMA,
                "omega": 0.1,
            },
        },
        "optim": {"name": "adamw", "lr": 2e-3, "betas": [0.9, 0.98], "weight_decay": 1e-3},
    }
