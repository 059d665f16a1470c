"""From a file in any format to samples: FFmpeg, as PyAV's wheel brings it.

One decoder serves all formats. libsndfile, tried beside it, reads only the first part of a chained
OGG file, sees no samples in a WAV file written to a pipe, makes up silence for the missing end of
an MP3 file, and is slower. None of these fails; each would have lost words without a trace.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import av
import numpy as np

from handlers.audio.containers import open_container
from handlers.audio.tape import Samples, Tape
from handlers.errors import AudioTruncated, AudioUnreadable
from handlers.progress import Progress, Step, ignore

_BLOCK_SAMPLES = 2**15
"""Of each channel. Frames hold about a thousand; one by one they cost several times the time."""
_RATES = range(1_000, 768_001)
_LOUDEST = 2.0**32
"""Full scale is 1; some programs write integers as floats. Beyond all integers lies only damage,
and enough of it overflows in the resampler."""
_MOST_DAMAGED_PACKETS = 1_000

_HEADER_TELLS_DURATION = frozenset({"aiff", "ape", "flac", "tta", "wv"})
_SHORT_SECONDS = 0.25

_TIMED = frozenset({"matroska", "mov"})
"""Containers whose time stamps can be trusted to tell where something was left out."""
_LEAST_GAP_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Decoded:
    """The sound of a file.

    Attributes:
        samples: float32, mono, at `tape.SAMPLE_RATE`, shape (samples,).
        container: such as `wav`, `mov` or `matroska`.
        codec: such as `pcm_s16le`, `aac` or `opus`.
        sample_rate: hertz, in the file.
        channels: in the file.
        warnings: what was wrong with the file and could be helped.

    """

    samples: Samples = field(repr=False)
    container: str
    codec: str
    sample_rate: int
    channels: int
    warnings: tuple[str, ...]


class Stopped(Exception):
    """Decoding was told to stop."""


def decode(
    path: Path, *, max_seconds: float, stop: threading.Event, progress: Progress = ignore
) -> Decoded:
    """Decode the main audio track of a file.

    Channels are mixed by their mean. Where a container's time stamps show that something was left
    out, as recorders of calls do while nobody speaks, silence takes its place, so that times in
    the samples are times in the recording. Memory is needed for a block at a time: the samples lie
    in a nameless file in the file's own folder.

    Args:
        path: the file. Its name says nothing; its content does.
        max_seconds: decoding stops here, whatever the file claims about itself.
        stop: may be set from another thread, to give up.
        progress: told the steps of the phase `decode`, where the file tells its duration.

    Raises:
        AudioUnreadable: no format that is known, or no audio track, or mostly damage.
        AudioTruncated: the file breaks off.
        AudioEmpty: no samples.
        AudioTooLong: more than `max_seconds`.
        Stopped: `stop` was set.

    """
    with (
        path.open("rb") as file,
        Tape(path.parent, max_seconds=max_seconds) as tape,
        open_container(file) as container,
    ):
        track = _Track(container)
        for stretch, frames in groupby(track.frames(stop), key=track.stretch):
            tape.write_silence(stretch.gap, rate=stretch.rate)
            for sound in track.mono(frames):
                tape.write(sound, rate=stretch.rate)
                progress(Step("decode", track.share))
        track.check_whole()
        progress(Step("decode", 1.0))
        return Decoded(
            samples=tape.finish(),
            container=track.container,
            codec=track.codec,
            sample_rate=track.sample_rate,
            channels=track.channels,
            warnings=track.warnings(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """Frames of one kind that follow each other, after `gap` seconds without sound."""

    rate: int
    layout: str
    format: str
    gap: float


class _Track:
    """The audio track of an open file, and what comes to light while it is decoded."""

    def __init__(self, container: Any) -> None:  # noqa: ANN401
        stream = container.streams.best("audio")
        if stream is None:
            raise AudioUnreadable(reason="it holds no audio track")
        if stream.codec_context is None:
            raise AudioUnreadable(reason="its codec is not known")
        self.container: str = container.format.name.partition(",")[0]
        self.codec: str = stream.codec_context.codec.canonical_name
        self.sample_rate = 0
        self.channels = 0
        self._input = container
        self._stream = stream
        self._seconds = 0.0
        start = container.start_time
        self._due: float | None = None if start is None else start / av.time_base
        self._stretch: _Stretch | None = None
        self._gaps: list[float] = []
        self._sound_packets = 0
        self._damaged_packets = 0
        self._not_sound = 0

    @property
    def share(self) -> float:
        """How much of the track is decoded, 0 to 1, as far as the file tells."""
        duration = (self._input.duration or 0) / av.time_base
        return min(1.0, self._seconds / duration) if duration > 0 else 0.0

    def frames(self, stop: threading.Event) -> Iterator[Any]:
        packets = iter(self._input.demux(self._stream))
        while (packet := self._next(packets)) is not None:
            if stop.is_set():
                raise Stopped
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._count_damage()
                continue
            self._sound_packets += bool(frames)
            for frame in frames:
                self._count(frame)
                yield frame

    def _next(self, packets: Iterator[Any]) -> Any:  # noqa: ANN401
        try:
            return next(packets, None)
        except IndexError:
            # at the very end PyAV flushes all tracks, and stumbles over those that FFmpeg only
            # found on the way; this one has been flushed by then, as it was there before them
            return None
        except av.FFmpegError as error:
            if not self._seconds:
                raise AudioUnreadable(reason="its content contradicts its header") from error
            reason = f"nothing can be read after {self._seconds:.1f} s"
            raise AudioTruncated(reason=reason) from error

    def _count(self, frame: Any) -> None:  # noqa: ANN401
        if frame.sample_rate not in _RATES:
            raise AudioUnreadable(reason=f"its sample rate is {frame.sample_rate} Hz")
        if not self.sample_rate:
            self.sample_rate = frame.sample_rate
            self.channels = frame.layout.nb_channels
        self._seconds += frame.samples / frame.sample_rate

    def _count_damage(self) -> None:
        self._damaged_packets += 1
        if self._damaged_packets > _MOST_DAMAGED_PACKETS:
            self._check_damage()

    def stretch(self, frame: Any) -> _Stretch:  # noqa: ANN401
        """The stretch that a frame belongs to: the same object for all its frames."""
        kind = (frame.sample_rate, frame.layout.name, frame.format.name)
        gap = self._gap_before(frame)
        stretch = self._stretch
        if stretch is None or gap or kind != (stretch.rate, stretch.layout, stretch.format):
            self._stretch = stretch = _Stretch(*kind, gap)
        return stretch

    def _gap_before(self, frame: Any) -> float:  # noqa: ANN401
        """How far the frame's time is ahead of all sound so far, once that is worth mending.

        Lost packets are too short to be gaps each, yet add up to minutes in a long call.
        """
        if self.container not in _TIMED or frame.time is None:
            return 0.0
        if self._due is None:
            self._due = frame.time
        gap: float = frame.time - self._due
        if gap < _LEAST_GAP_SECONDS:
            gap = 0.0
        else:
            self._gaps.append(gap)
        self._due += gap + frame.samples / frame.sample_rate
        return gap

    def mono(self, frames: Iterable[Any]) -> Iterator[Samples]:
        """The mean of the channels of frames of one kind, full scale at 1, in arrays (samples,)."""
        # Interleaved first: PyAV counts a planar frame's planes by looking for a null pointer that
        # FFmpeg puts there for fewer than 8 channels only, and reads wild memory for 8 or more.
        interleave = av.AudioResampler(format="flt", frame_size=_BLOCK_SAMPLES)
        for frame in chain(frames, (None,)):
            try:
                blocks = interleave.resample(frame)
            except (av.FFmpegError, ValueError) as error:
                raise AudioUnreadable(reason="its channels are in no known order") from error
            for block in blocks:
                values = block.to_ndarray().reshape(-1, block.layout.nb_channels)
                yield self._mean(values)

    def _mean(self, values: Samples) -> Samples:
        with np.errstate(over="ignore", invalid="ignore"):  # what is no number is looked for below
            # channel after channel in memory: a mean over neighbours takes four times as long
            sound: Samples = np.ascontiguousarray(values.T).mean(axis=0)
        is_sound = np.abs(sound) < _LOUDEST  # which is false of what is no number, too
        if not is_sound.all():
            self._not_sound += int((~is_sound).sum())
            sound[~is_sound] = 0
        return sound

    def check_whole(self) -> None:
        """Compare what was decoded with what there should have been.

        Raises:
            AudioTruncated: the header promised more.
            AudioUnreadable: more of it is damaged than not.

        """
        self._check_damage()
        if self.container in _HEADER_TELLS_DURATION and self._stream.duration is not None:
            promised = float(self._stream.duration * self._stream.time_base)
            if promised - self._seconds > _SHORT_SECONDS:
                reason = f"it announces {promised:.1f} s, and {self._seconds:.1f} s are there"
                raise AudioTruncated(reason=reason)

    def _check_damage(self) -> None:
        if self._damaged_packets > self._sound_packets:
            raise AudioUnreadable(reason="most of it is damaged")

    def warnings(self) -> tuple[str, ...]:
        """What a reader of the transcript should know, in sentences."""
        found = []
        tracks = len(self._input.streams.audio)
        if tracks > 1:
            found.append(f"The file has {tracks} audio tracks; one was used.")
        if self._gaps:
            found.append(
                f"Nothing was recorded for {sum(self._gaps):.1f} s in {len(self._gaps)} places; "
                "silence stands there."
            )
        if self._damaged_packets:
            found.append(f"Damaged parts of the file, {self._damaged_packets}, were left out.")
        if self._not_sound:
            found.append(
                f"{self._not_sound} samples were no sensible numbers; silence stands there."
            )
        return tuple(found)
