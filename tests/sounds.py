"""Sound files of every format, made on the fly."""

import io
import tempfile
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile

Sound = npt.NDArray[np.float32]

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1", 16: "hexadecagonal"}


def tone(
    seconds: float, *, rate: int, channels: int = 1, hertz: float = 440, level: float = 0.5
) -> Sound:
    """A sine, shape (samples, channels)."""
    times = np.arange(round(seconds * rate)) / rate
    wave = (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)
    return np.repeat(wave[:, np.newaxis], channels, axis=1)


def loudest(second: Sound) -> tuple[int, float]:
    """The frequency that stands out of one second of sound, in hertz, and its amplitude."""
    window = np.hanning(len(second))
    spectrum = np.abs(np.fft.rfft(second * window)) * 2 / window.sum()
    peak = int(spectrum.argmax())
    return peak, float(spectrum[peak])


@dataclass(frozen=True)
class Format:
    """How to write a file, and what is to be found in it."""

    container: str
    codec: str
    rate: int = 44_100
    channels: int = 2
    tolerance: float = 0.03
    """By how much the codec may change a level."""

    def write(self, seconds: float = 2.0) -> bytes:
        raise NotImplementedError


@dataclass(frozen=True)
class Sndfile(Format):
    """A file as libsndfile writes it."""

    kind: str = "WAV"
    subtype: str = "PCM_16"

    def write(self, seconds: float = 2.0) -> bytes:
        file = io.BytesIO()
        sound = tone(seconds, rate=self.rate, channels=self.channels)
        soundfile.write(file, sound, self.rate, format=self.kind, subtype=self.subtype)
        return file.getvalue()


@dataclass(frozen=True)
class Ffmpeg(Format):
    """A file as FFmpeg writes it."""

    kind: str = "mp4"
    encoder: str = "aac"
    video: bool = False
    options: tuple[tuple[str, str], ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    """Seconds after which, and for which, nothing is recorded."""

    def write(self, seconds: float = 2.0) -> bytes:
        with tempfile.NamedTemporaryFile() as file:
            options = dict(self.options)
            with av.open(file.name, "w", format=self.kind, options=options) as container:
                film = _film(container) if self.video else None
                layout = LAYOUTS[self.channels]
                track = container.add_stream(self.encoder, rate=self.rate, layout=layout)
                for frame in self._frames(track, seconds):
                    container.mux(track.encode(frame))
                container.mux(track.encode(None))
                if film is not None:
                    _shoot(container, film, frames=round(seconds * 10))
            return file.read()

    def _frames(self, stream: Any, seconds: float) -> Any:
        layout = LAYOUTS[self.channels]
        sound = tone(seconds, rate=self.rate, channels=self.channels)
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=self.rate)
        block = self.rate // 50
        for first in range(0, len(sound), block):
            interleaved = sound[first : first + block].reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(interleaved, "flt", layout)
            frame.sample_rate = self.rate
            late = sum(length for after, length in self.gaps if first / self.rate >= after)
            frame.pts = first + round(late * self.rate)
            yield from resampler.resample(frame)


def _film(container: Any) -> Any:
    stream = container.add_stream("mpeg4", rate=10)
    stream.width = stream.height = 32
    stream.pix_fmt = "yuv420p"
    return stream


def _shoot(container: Any, film: Any, *, frames: int) -> None:
    for count in range(frames):
        picture = av.VideoFrame(32, 32, "yuv420p")
        picture.pts = count
        container.mux(film.encode(picture))
    container.mux(film.encode(None))


def silent_film() -> bytes:
    """A video without an audio track."""
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format="mp4") as container:
            _shoot(container, _film(container), frames=10)
        return file.read()


WAV = Sndfile("wav", "pcm_s16le")
FLAC = Sndfile("flac", "flac", kind="FLAC")
MP3 = Ffmpeg("mp3", "mp3", kind="mp3", encoder="libmp3lame")
M4A = Ffmpeg("mov", "aac")
M4A_FAST = Ffmpeg("mov", "aac", options=(("movflags", "faststart"),))
MP4 = Ffmpeg("mov", "aac", video=True)
WEBM = Ffmpeg("matroska", "opus", rate=48_000, kind="webm", encoder="libopus")
MKV = Ffmpeg("matroska", "aac", kind="matroska", video=True)
VORBIS = Sndfile("ogg", "vorbis", kind="OGG", subtype="VORBIS")
OPUS = Sndfile("ogg", "opus", rate=48_000, kind="OGG", subtype="OPUS")
RF64 = Sndfile("wav", "pcm_s16le", kind="RF64")
AAC = Ffmpeg("aac", "aac", kind="adts")
AIFF = Sndfile("aiff", "pcm_s16be", kind="AIFF")

FORMATS: dict[str, Format] = {
    "wav, 16 bit": WAV,
    "wav, unsigned 8 bit": Sndfile("wav", "pcm_u8", subtype="PCM_U8"),
    "wav, 24 bit": Sndfile("wav", "pcm_s24le", subtype="PCM_24"),
    "wav, 32 bit": Sndfile("wav", "pcm_s32le", subtype="PCM_32"),
    "wav, float": Sndfile("wav", "pcm_f32le", subtype="FLOAT"),
    "wav, double": Sndfile("wav", "pcm_f64le", subtype="DOUBLE"),
    "wav, mu-law": Sndfile("wav", "pcm_mulaw", 8_000, 1, subtype="ULAW"),
    "wav, A-law": Sndfile("wav", "pcm_alaw", 8_000, 1, subtype="ALAW"),
    "wav, ADPCM": Sndfile("wav", "adpcm_ms", 16_000, 1, subtype="MS_ADPCM"),
    "wav, 8 kHz mono": Sndfile("wav", "pcm_s16le", 8_000, 1),
    "wav, 16 kHz mono": Sndfile("wav", "pcm_s16le", 16_000, 1),
    "wav, 96 kHz, 6 channels": Sndfile("wav", "pcm_s24le", 96_000, 6, subtype="PCM_24"),
    "wav, 3 channels": Sndfile("wav", "pcm_s16le", 22_050, 3),
    "wav, 12 channels": Sndfile("wav", "pcm_s16le", 16_000, 12),
    "flac, 8 channels": Sndfile("flac", "flac", 16_000, 8, kind="FLAC"),
    "ogg, vorbis, 8 channels": Sndfile("ogg", "vorbis", 48_000, 8, kind="OGG", subtype="VORBIS"),
    "wav, extensible, 7 channels": Sndfile("wav", "pcm_s16le", 11_025, 7, kind="WAVEX"),
    "rf64": RF64,
    "w64": Sndfile("w64", "pcm_s16le", kind="W64"),
    "aiff": AIFF,
    "au": Sndfile("au", "pcm_s16be", kind="AU"),
    "caf": Sndfile("caf", "pcm_s16be", kind="CAF"),
    "flac": FLAC,
    "flac, 24 bit": Sndfile("flac", "flac", 96_000, 2, kind="FLAC", subtype="PCM_24"),
    "ogg, vorbis": VORBIS,
    "ogg, opus": OPUS,
    "ogg, opus, mono": Sndfile("ogg", "opus", 48_000, 1, kind="OGG", subtype="OPUS"),
    "mp3": MP3,
    "mp3, 16 kHz mono": Sndfile("mp3", "mp3", 16_000, 1, kind="MP3", subtype="MPEG_LAYER_III"),
    "m4a": M4A,
    "m4a, index first": M4A_FAST,
    "mp4 with video": MP4,
    "mp4 in fragments": Ffmpeg(
        "mov",
        "aac",
        options=(("movflags", "frag_keyframe+empty_moov"), ("frag_duration", "500000")),
    ),
    "m4a, 8 channels": replace(M4A, channels=8, tolerance=0.07),  # one is for bass alone
    "m4a, 16 channels": replace(M4A, channels=16),
    "webm": WEBM,
    "webm, 8 channels": replace(WEBM, channels=8),
    "mkv with video": MKV,
    "aac": AAC,
    "mpeg transport stream": Ffmpeg("mpegts", "aac", kind="mpegts"),
    "avi": Ffmpeg("avi", "ac3", kind="avi", encoder="ac3", video=True),
    "amr": Ffmpeg("amr", "amr_nb", 8_000, 1, 0.1, kind="amr", encoder="libopencore_amrnb"),
}
