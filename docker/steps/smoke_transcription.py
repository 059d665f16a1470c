"""Imports and touches what the transcriber uses; fails where something is missing."""  # noqa: INP001  a script

import aiohttp
import av
import boto3
import cuda.bindings
import numba
import pydantic_settings
import runpod
import soundfile
import soxr
import torch
import torchaudio
from nemo.collections.asr.models import EncDecRNNTBPEModel
from nemo.collections.asr.parts.submodules.rnnt_decoding import RNNTBPEDecoding

print(aiohttp, av, boto3, cuda.bindings, numba, pydantic_settings, runpod, soundfile, soxr)  # noqa: T201
print(EncDecRNNTBPEModel, RNNTBPEDecoding)  # noqa: T201
wave = torch.sin(torch.arange(16_000) / 20)
spectrum = torch.stft(wave, 512, window=torch.hann_window(512), return_complex=True)
torchaudio.transforms.MelSpectrogram(16_000)(wave)
torch.nn.LSTM(257, 8, batch_first=True)(spectrum.abs().T[None])
torch.linalg.qr(torch.randn(8, 8))
