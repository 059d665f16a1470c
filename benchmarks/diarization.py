"""What diarization takes, beside stock pyannote.audio: `python -m benchmarks.diarization`.

Two minutes of a conversation of four go through the full-size architecture, in turns through
Parley and through the stock pipeline, each in a process of its own; answers must be the same. The
weights are random, the networks as large as the published ones. Beside the medians stands the
floor: both networks once over every chunk, and nothing else.

`--long` takes the demo's pipeline over conversations of 1, 2 and 4 hours, a piece repeated, and
states time per hour and memory. `--bounded` clusters conversations with all their voices and with
a part of them, as very long ones are, and states the error between both and against the truth. All
write `out/bench/diarization.json`.

Memory is what a process holds beyond its libraries and models, without files that it maps: the
recording is one, as it is in a worker.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.full_size import PIPELINE
from benchmarks.full_size import pipeline as full_size
from demo.hub import DIARIZER, HUB

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")

Way = Literal["parley", "stock", "floor"]
Samples = npt.NDArray[np.float32]

_OUT: Final = Path("out/bench")
_FULL_SIZE: Final = Path("build/full-size")
_RATE: Final = 16_000
_SEED: Final = 2026
_SPEAKERS: Final = 4
_PIECE_SECONDS: Final = 601.3
_TOLERANCE: Final = 1e-4
_FLOOR_CHUNKS: Final = 12
_PARTS: Final = (1.0, 0.5, 0.25, 0.125)
"""Of the voices, to be agglomerated; six hours of conversation come down to about a sixth."""
_SHARES: Final = (0.2, 0.2, 0.2, 0.2, 0.08, 0.06, 0.06)
"""How often a random segmentation is to hear nobody, each of three alone, and each pair."""


def load(folder: Path) -> Any:  # noqa: ANN401
    """Load a stock pipeline on the processor."""
    from pyannote.audio import Pipeline  # noqa: PLC0415

    return Pipeline.from_pretrained(folder)


def demo_pipeline() -> Path:
    """Where the demo's pipeline is."""
    home = HUB / ("models--" + DIARIZER.replace("/", "--"))
    return home / "snapshots" / (home / "refs" / "main").read_text()


def awaken(pipeline: Any, samples: Samples) -> None:  # noqa: ANN401
    """Let a segmentation model of random weights hear different speakers at different times.

    Of itself it hears one speaker, always. The last layer is scaled and shifted, by what it says
    of these samples, until every class has its share of the frames; nothing else changes.
    """
    import torch  # noqa: PLC0415

    heard: list[Any] = []
    inference = pipeline._segmentation  # noqa: SLF001
    last = inference.model.classifier
    handle = last.register_forward_hook(lambda _module, _given, found: heard.append(found))
    window = round(inference.duration * _RATE)
    piece = np.resize(samples, window) if len(samples) < window else samples[:window]
    inference.infer(torch.from_numpy(np.array(piece))[None, None])
    handle.remove()
    scores = heard[0].flatten(0, 1)
    scale = 1 / scores.std(dim=0)
    wanted = torch.tensor(_SHARES)
    with torch.no_grad():
        last.weight.mul_(scale[:, None])
        last.bias.copy_((last.bias - scores.mean(dim=0)) * scale)
        level = (scores - scores.mean(dim=0)) * scale
        shift = torch.zeros(len(_SHARES))
        for _ in range(200):
            chosen = torch.bincount((level + shift).argmax(dim=1), minlength=len(_SHARES))
            shift += 0.5 * (wanted - chosen / len(level))
        last.bias.add_(shift)


def talk(seconds: float, *, speakers: int = _SPEAKERS, seed: int = _SEED) -> Samples:
    """A conversation, float32 at 16 kHz, of exactly so many seconds."""
    from demo.generate import distinct  # noqa: PLC0415
    from demo.speech.conversations import converse, fresh_speech  # noqa: PLC0415
    from demo.speech.voices import CAST  # noqa: PLC0415

    rng = Random(f"diarization-{seed}-{speakers}-{seconds}")
    voices = distinct(CAST, speakers, rng)
    found = converse(voices, seconds=seconds, speak=fresh_speech("test"), rng=rng)
    whole = np.zeros(round(seconds * _RATE), dtype=np.float32)
    count = min(len(whole), len(found.samples))
    whole[:count] = found.samples[:count]
    return whole


def answer(output: Any) -> dict[str, Any]:  # noqa: ANN401
    """The turns and voices of a `DiarizeOutput`, ready for JSON."""
    return {
        "regular": _rows(output.speaker_diarization),
        "exclusive": _rows(output.exclusive_speaker_diarization),
        "voices": np.asarray(output.speaker_embeddings, dtype=float).tolist(),
    }


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two answers have equal turns, and voices that are equal up to rounding."""
    if any(one[kind] != other[kind] for kind in ("regular", "exclusive")):
        return False
    a, b = one["voices"], other["voices"]
    return np.allclose(a, b, rtol=0, atol=_TOLERANCE, equal_nan=True)


def _rows(annotation: Any) -> list[list[Any]]:  # noqa: ANN401
    tracks = annotation.itertracks(yield_label=True)
    return [[round(s.start, 6), round(s.end, 6), str(label)] for s, _, label in tracks]


def run(way: Way, *, folder: Path, recording: Path) -> dict[str, Any]:
    """Diarize a recording once in this process; what it took, and the answer."""
    import torch  # noqa: PLC0415

    from handlers.conclusion import conclude  # noqa: PLC0415
    from handlers.diarizer import SpeakerCount  # noqa: PLC0415
    from handlers.loading import keep_one_heap  # noqa: PLC0415
    from handlers.observation import Observer  # noqa: PLC0415

    if way != "stock":
        keep_one_heap()  # as every worker does
    pipeline = load(folder)
    samples = np.load(recording, mmap_mode="r")
    if folder.name == PIPELINE:
        awaken(pipeline, samples)
    if way == "floor":
        return _floor(pipeline, samples)
    observer = Observer(pipeline) if way == "parley" else None
    observed = 0.0

    def diarize(sound: Samples) -> Any:  # noqa: ANN401
        nonlocal observed
        if observer is None:
            waveform = torch.from_numpy(np.array(sound))[None]
            return pipeline({"waveform": waveform, "sample_rate": _RATE})
        began = time.monotonic()
        observation = observer.observe(sound, told=lambda *_: None)
        observed = time.monotonic() - began
        return conclude(observation, pipeline=pipeline, speakers=SpeakerCount())

    with _memory() as taken:
        diarize(samples[:_RATE])  # what happens once in a process is not timed
        began, worked = time.monotonic(), time.process_time()
        output = diarize(samples)
        took = {
            "seconds": time.monotonic() - began,
            "processor_seconds": time.process_time() - worked,
            "observed": observed,
        }
    return {**took, **taken, **answer(output)}


def _floor(pipeline: Any, samples: Samples) -> dict[str, Any]:  # noqa: ANN401
    """What both networks take for one pass over each chunk, on all cores."""
    import torch  # noqa: PLC0415
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    from handlers.team import Team, cores  # noqa: PLC0415

    some = np.array(samples[: 10 * _RATE + (_FLOOR_CHUNKS - 1) * _RATE])
    chunks = torch.from_numpy(some).unfold(0, 10 * _RATE, _RATE).unsqueeze(1)
    network = pipeline._embedding.model_  # noqa: SLF001
    with FlopCounterMode(display=False) as trunk, torch.inference_mode():
        network(chunks[:1])
    team = Team("floor", size=cores())

    def embed(chunk: Any) -> None:  # noqa: ANN401
        with torch.inference_mode():
            network(chunk[None])

    team.map(embed, list(chunks))  # the first time is not counted
    began = time.monotonic()
    team.map(embed, list(chunks))
    middle = time.monotonic()
    team.map(pipeline._segmentation.infer, chunks.split(_FLOOR_CHUNKS // team.size))  # noqa: SLF001
    ended = time.monotonic()
    return {
        "embedding_gigaflop_a_chunk": round(trunk.get_total_flops() / 1e9, 2),
        "embedding_seconds_a_chunk": (middle - began) / len(chunks),
        "segmentation_seconds_a_chunk": (ended - middle) / len(chunks),
    }


@contextmanager
def _memory() -> Iterator[dict[str, float]]:
    """Megabytes of anonymous memory: at the start, and the most beyond it."""
    found = {"floor_megabytes": _anonymous()}
    peak, over = found["floor_megabytes"], threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.01):
            peak = max(peak, _anonymous())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()
        found["peak_megabytes"] = peak - found["floor_megabytes"]


def _anonymous() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


def _child(way: Way, *, folder: Path, recording: Path) -> dict[str, Any]:
    """`run` in a fresh process."""
    asked = [sys.executable, "-W", "ignore", "-m", "benchmarks.diarization", "--once", way]
    done = subprocess.run(  # noqa: S603
        [*asked, str(folder), str(recording)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{way} ended with status {done.returncode}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def pairs(folder: Path, recording: Path, *, count: int) -> dict[str, Any]:
    """Compare with stock pyannote in so many interleaved pairs."""
    ways: tuple[Way, Way] = ("parley", "stock")
    runs: dict[Way, list[dict[str, Any]]] = {way: [] for way in ways}
    for number in range(count):
        for way in ways[:: 1 if number % 2 else -1]:
            found = _child(way, folder=folder, recording=recording)
            print(
                f"{way:8} {found['seconds']:7.1f} s  {found['peak_megabytes']:6.0f} MB", flush=True
            )
            runs[way].append(found)
    first = runs["stock"][0]
    ratios = [b["seconds"] / a["seconds"] for a, b in zip(*runs.values(), strict=True)]
    return {
        "identical": all(same(found, first) for way in ways for found in runs[way]),
        "turns": len(first["regular"]),
        "speakers": len(first["voices"]),
        "ratio": _spread(ratios),
        **{
            way: {
                figure: _spread([found[figure] for found in runs[way]])
                for figure in ("seconds", "processor_seconds", "peak_megabytes")
            }
            for way in ways
        },
    }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
        "all": [round(value, 3) for value in values],
    }


def short(out: Path, *, count: int, seconds: float) -> dict[str, Any]:
    """The full-size architecture against stock."""
    folder = full_size(_FULL_SIZE)
    recording = out / f"talk-{seconds:g}.npy"
    np.save(recording, talk(seconds))
    floor = _child("floor", folder=folder, recording=recording)
    chunks = max(1, -(-round(seconds * _RATE - 10 * _RATE) // _RATE) + 1)
    each = floor["embedding_seconds_a_chunk"] + floor["segmentation_seconds_a_chunk"]
    floor |= {"chunks": chunks, "seconds": round(chunks * each, 2)}
    found = pairs(folder, recording, count=count)
    return {"audio_seconds": seconds, "cores": os.cpu_count(), "floor": floor, **found}


def long(out: Path, *, hours: Sequence[float]) -> dict[str, Any]:
    """The demo's pipeline on recordings of hours."""
    piece = out / "piece.npy"
    if not piece.exists():
        np.save(piece, talk(_PIECE_SECONDS))
    sound = np.load(piece)
    rows = []
    for each in hours:
        recording = out / "long.npy"
        count = round(each * 3600 * _RATE)
        whole = np.lib.format.open_memmap(recording, "w+", dtype=np.float32, shape=(count,))
        for first in range(0, count, len(sound)):
            whole[first : first + len(sound)] = sound[: count - first]
        whole.flush()
        del whole
        found = _child("parley", folder=demo_pipeline(), recording=recording)
        recording.unlink()
        row = {
            "hours": each,
            "seconds_an_hour": round(found["seconds"] / each, 2),
            "networks_seconds_an_hour": round(found["observed"] / each, 2),
            "conclusion_seconds_an_hour": round((found["seconds"] - found["observed"]) / each, 2),
            "peak_megabytes": round(found["peak_megabytes"]),
            "floor_megabytes": round(found["floor_megabytes"]),
            "speakers": len(found["voices"]),
        }
        print(json.dumps(row), flush=True)
        rows.append(row)
    return {"speakers": _SPEAKERS, "runs": rows}


def bounded(*, minutes: float, speakers: Sequence[int] = (2, 4, 6)) -> list[dict[str, Any]]:
    """Errors where the agglomerative clustering sees a part of the voices."""
    from pyannote.core import Segment as Stretch  # noqa: PLC0415
    from pyannote.core import SlidingWindowFeature, Timeline  # noqa: PLC0415
    from pyannote.metrics.diarization import DiarizationErrorRate  # noqa: PLC0415

    from handlers.conclusion import conclude  # noqa: PLC0415
    from handlers.diarizer import SpeakerCount  # noqa: PLC0415
    from handlers.observation import Observer  # noqa: PLC0415

    pipeline = load(demo_pipeline())
    rows = []
    for count in speakers:
        samples, truth = long_talk(60 * minutes, speakers=count)
        seen = Observer(pipeline).observe(samples, told=lambda *_: None)
        voices, _, _ = pipeline.clustering.filter_embeddings(
            seen.embeddings, segmentations=SlidingWindowFeature(seen.masks, seen.chunks)
        )
        whole = Timeline([Stretch(0, len(samples) / _RATE)])
        complete: Any = None
        for part in _PARTS:
            began = time.monotonic()
            points = round(len(voices) * part)
            output = conclude(seen, pipeline=pipeline, speakers=SpeakerCount(), points=points)
            found = output.speaker_diarization
            complete = found if complete is None else complete
            row = {
                "speakers": count,
                "voices": len(voices),
                "agglomerated": points,
                "seconds": round(time.monotonic() - began, 2),
                "speakers_found": len(found.labels()),
                "der_to_unbounded": round(DiarizationErrorRate()(complete, found, uem=whole), 4),
                "der": round(DiarizationErrorRate()(truth, found, uem=whole), 4),
            }
            print(json.dumps(row), flush=True)
            rows.append(row)
    return rows


def long_talk(seconds: float, *, speakers: int) -> tuple[Samples, Any]:
    """A conversation and an `Annotation` of who speaks when in it."""
    from pyannote.core import Annotation  # noqa: PLC0415
    from pyannote.core import Segment as Stretch  # noqa: PLC0415

    from demo.generate import conversation  # noqa: PLC0415

    name, ends = f"bounded-{_SEED}-{speakers}", (seconds, seconds)
    pieces = list(conversation(seed=name, speakers=(speakers, speakers), seconds=ends))
    truth = Annotation()
    for number, part in enumerate(part for piece in pieces for part in piece.parts):
        truth[Stretch(part.start, part.end), number] = part.speaker
    return np.concatenate([piece.samples for piece in pieces]), truth.support()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status, 1 where answers differ from stock's."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.diarization", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--pairs", type=int, default=5, help="how many pairs (5)")
    parser.add_argument("--seconds", type=float, default=120.0, help="of audio, for pairs (120)")
    parser.add_argument("--long", action="store_true", help="hours of audio instead of pairs")
    parser.add_argument("--bounded", action="store_true", help="clustering a part of the voices")
    parser.add_argument("--minutes", type=float, default=20.0, help="of audio, for --bounded (20)")
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--out", type=Path, default=_OUT)
    parser.add_argument("--once", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.once:
        way, folder, recording = options.once
        print(json.dumps(run(way, folder=Path(folder), recording=Path(recording))))
        return 0
    scratch = options.out / "diarization"
    scratch.mkdir(parents=True, exist_ok=True)
    path = options.out / "diarization.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    if options.long:
        figures["long"] = long(scratch, hours=options.hours)
    elif options.bounded:
        figures["bounded"] = bounded(minutes=options.minutes)
    else:
        figures["against_stock"] = short(scratch, count=options.pairs, seconds=options.seconds)
        print(json.dumps(figures["against_stock"], indent=1))
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(path)
    return 0 if figures.get("against_stock", {}).get("identical", True) else 1


if __name__ == "__main__":
    sys.exit(main())
