"""Imports and touches what the diarizer uses; fails where something is missing."""  # noqa: INP001  a script

import aiohttp
import av
import boto3
import pydantic_settings
import runpod
import soundfile
import soxr
import torch
import torchaudio
from pyannote.audio import Inference, Model, Pipeline
from pyannote.audio.models.embedding import WeSpeakerResNet34
from pyannote.audio.models.segmentation import PyanNet
from pyannote.audio.pipelines import SpeakerDiarization
from scipy.cluster.hierarchy import fcluster, linkage

print(aiohttp, av, boto3, pydantic_settings, runpod, soundfile, soxr)  # noqa: T201
print(Inference, Model, Pipeline, SpeakerDiarization)  # noqa: T201
wave = torch.sin(torch.arange(16_000) / 20)
WeSpeakerResNet34()(wave[None, None])
PyanNet().eval()
torchaudio.compliance.kaldi.fbank(wave[None])
fcluster(linkage(torch.randn(8, 4).numpy()), t=2, criterion="maxclust")
