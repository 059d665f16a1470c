"""What the embedding network of a pyannote pipeline hears: a voice for each speaker of a chunk."""

from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Embeddings = npt.NDArray[np.float32]
Precision = Literal["exact", "mixed"]

_FULL_SCALE: Final = 1 << 15
"""Kaldi's filter banks take samples as 16-bit integers count them."""


class VoiceNetwork:
    """Runs an embedding network in its parts, with the answers that pyannote.audio gets.

    Args:
        embedding: a `PyannoteAudioPretrainedSpeakerEmbedding` at its device.
        precision: `mixed` runs the convolutions in bfloat16; sound features before and pooling
            after them keep 32 bits. It needs a residual network, as WeSpeaker's.

    """

    def __init__(self, embedding: Any, *, precision: Precision) -> None:  # noqa: ANN401
        self._embedding = embedding
        self._network = embedding.model_
        self._in_parts = hasattr(self._network, "resnet") and hasattr(self._network, "_fbank")
        self._precision = precision
        self.sample_rate: int = embedding.sample_rate
        self.dimension: int = embedding.dimension

    def hear(self, sounds: Any, masks: npt.NDArray[np.float32]) -> Embeddings:  # noqa: ANN401
        """Give one vector for each speaker of some chunks.

        Args:
            sounds: a float32 tensor, shape (chunks, 1, samples).
            masks: which frames a speaker is heard in; shape (chunks, speakers, frames).

        Returns:
            Voices, shape (chunks, speakers, dimension).

        """
        import torch  # noqa: PLC0415

        weights = torch.from_numpy(masks)
        if not self._in_parts:
            found: Embeddings = self._embedding(sounds, masks=weights)
            return found
        with torch.inference_mode():
            features = self._features(sounds)
            device = features.device
            mixed = self._precision == "mixed"
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
                inner = self._network.resnet.forward_frames(features)
            pooled = self._network.forward_embedding(inner.float(), weights.to(device))
        vectors: Embeddings = pooled.cpu().numpy()
        return vectors

    @cached_property
    def shortest(self) -> int:
        """The fewest samples that the network takes.

        pyannote.audio finds that by trying a dozen lengths. It is nearly always the window of the
        filter banks, which one try that works and one that fails prove; else it is asked.
        """
        settings = getattr(self._network, "hparams", {})
        guess: int = round(settings.get("frame_length", 0.0) * self.sample_rate / 1000)
        if guess and self._takes(guess) and not self._takes(guess - 1):
            return guess
        return int(self._embedding.min_num_samples)

    def _takes(self, samples: int) -> bool:
        import torch  # noqa: PLC0415

        sound = torch.randn(1, 1, samples, device=self._embedding.device)
        try:
            with torch.inference_mode():
                self._heard(sound)
        except Exception:  # noqa: BLE001  it raises whatever its operations do
            return False
        return True

    def _heard(self, sound: Any) -> Any:  # noqa: ANN401
        if self._in_parts:
            return self._network.resnet(self._features(sound))
        return self._network(sound)

    def _features(self, sounds: Any) -> Any:  # noqa: ANN401
        """Filter banks, shape (chunks, frames, bins), around their mean.

        One chunk, as on each core of a processor, does without `torch.vmap`, which imports what
        exports models before it does anything: a third of a second of every cold start.
        """
        network = self._network
        if len(sounds) > 1 or network.hparams.fbank_centering_span is not None:
            return network.compute_fbank(sounds)
        features = network._fbank(sounds[0] * _FULL_SCALE)  # noqa: SLF001
        return (features - features.mean(dim=0, keepdim=True)).unsqueeze(0)
