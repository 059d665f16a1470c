"""Diarization gives what stock pyannote.audio gives, turn for turn, with less work.

An upgrade of pyannote.audio that changes its answers makes these tests fail.
"""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyannote.audio.pipelines.speaker_diarization import SpeakerDiarization
from pyannote.core import Annotation, SlidingWindow, SlidingWindowFeature
from pyannote.metrics.diarization import DiarizationErrorRate

from benchmarks import full_size
from benchmarks.diarization import Samples, answer, awaken, demo_pipeline, load, talk
from demo.speech.synthesis import SAMPLE_RATE
from handlers.audio import Recording
from handlers.conclusion import activations, annotate, conclude, discrete
from handlers.diarizer import SpeakerCount
from handlers.observation import Observation, Observer, count_speakers
from handlers.pyannote_diarizer import PyannoteDiarizer
from handlers.speaker_clusters import first_clusters
from handlers.timeline import Diarization, Model
from handlers.voices import VoiceNetwork

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def demo() -> Any:
    """The demo's pipeline, as pyannote loads it."""
    return load(demo_pipeline())


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The published architecture with random weights, hearing different speakers."""
    torch.manual_seed(0)
    pipeline = load(full_size.pipeline(tmp_path_factory.mktemp("full-size")))
    awaken(pipeline, talk(10.0))
    return pipeline


def ours(
    pipeline: Any, samples: Samples, speakers: SpeakerCount | None = None, **options: Any
) -> Any:
    observation = Observer(pipeline, **options).observe(samples, told=lambda *_: None)
    return conclude(observation, pipeline=pipeline, speakers=speakers or SpeakerCount())


def stock(pipeline: Any, samples: Samples, speakers: SpeakerCount | None = None) -> Any:
    asked = speakers or SpeakerCount()
    return pipeline(
        {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE},
        num_speakers=asked.exactly,
        min_speakers=asked.least,
        max_speakers=asked.most,
    )


def assert_same(found: Any, expected: Any) -> None:
    one, other = answer(found), answer(expected)
    assert one["regular"] == other["regular"]
    assert one["exclusive"] == other["exclusive"]
    assert np.shape(one["voices"]) == np.shape(other["voices"])
    np.testing.assert_allclose(one["voices"], other["voices"], rtol=0, atol=TOLERANCE)


def gap(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


class TestTheDemosPipeline:
    @pytest.mark.parametrize("speakers", [1, 2, 3, 4, 5, 6])
    def test_conversations_of_one_to_six(self, demo: Any, speakers: int) -> None:
        samples = talk(13.0 + 2.37 * speakers, speakers=speakers)
        expected = stock(demo, samples)
        assert expected.speaker_diarization.labels()
        assert_same(ours(demo, samples), expected)

    @pytest.mark.parametrize(
        "speakers",
        [
            SpeakerCount(exactly=1),
            SpeakerCount(exactly=2),
            SpeakerCount(exactly=5),
            SpeakerCount(least=4),
            SpeakerCount(most=2),
            SpeakerCount(least=2, most=3),
        ],
        ids=str,
    )
    def test_speakers_counted_before(self, demo: Any, speakers: SpeakerCount) -> None:
        samples = talk(16.0, speakers=3)
        assert_same(ours(demo, samples, speakers), stock(demo, samples, speakers))

    @pytest.mark.parametrize("speakers", [SpeakerCount(exactly=9), SpeakerCount(least=9)], ids=str)
    def test_more_speakers_than_voices_are_no_failure(
        self, demo: Any, speakers: SpeakerCount
    ) -> None:
        """Where stock fails: k-means cannot make nine clusters of three voices."""
        samples = talk(11.0, speakers=2)
        with pytest.raises(ValueError, match="n_clusters"):
            stock(demo, samples, speakers)
        assert 1 <= len(ours(demo, samples, speakers).speaker_diarization.labels()) <= 9

    def test_two_who_talk_at_once(self, demo: Any) -> None:
        both = talk(20.0, speakers=1) + talk(20.0, speakers=1, seed=5)
        expected = stock(demo, both)
        exclusive = expected.exclusive_speaker_diarization
        assert expected.speaker_diarization.get_overlap().duration() > 1
        assert not exclusive.get_overlap()
        assert_same(ours(demo, both), expected)

    def test_chunks_in_which_nobody_speaks(self, demo: Any) -> None:
        samples = np.concatenate([gap(13), talk(9.0, speakers=2), gap(24), talk(9.5, speakers=2)])
        masks = Observer(demo).observe(samples, told=lambda *_: None).masks
        assert not masks.any(axis=(1, 2)).all()
        assert_same(ours(demo, samples), stock(demo, samples))

    @pytest.mark.parametrize("count", [1_700, 16_000, 159_999, 160_000, 160_001, 175_999, 176_000])
    def test_short_and_odd_lengths(self, demo: Any, count: int) -> None:
        samples = talk(12.0, speakers=2)[:count]
        assert_same(ours(demo, samples), stock(demo, samples))

    def test_nobody_speaks(self, demo: Any) -> None:
        noise = np.random.default_rng(0).normal(scale=0.003, size=12 * SAMPLE_RATE)
        for samples in (gap(12), noise.astype(np.float32)):
            found = ours(demo, samples)
            assert_same(found, stock(demo, samples))
            assert not found.speaker_diarization

    def test_overlap_left_in_the_voices(self, demo: Any) -> None:
        samples = talk(20.0, speakers=3)
        demo.embedding_exclude_overlap = False
        try:
            assert_same(ours(demo, samples), stock(demo, samples))
        finally:
            demo.embedding_exclude_overlap = True

    def test_another_clustering(self, tmp_path: Path) -> None:
        home = demo_pipeline()
        for name in ("segmentation", "embedding", "plda"):
            (tmp_path / name).symlink_to(home / name)
        text = (home / "config.yaml").read_text().partition("params:\n  clustering")[0]
        (tmp_path / "config.yaml").write_text(
            text.replace("VBxClustering", "AgglomerativeClustering")
            + "params:\n  clustering: {method: centroid, min_cluster_size: 4, threshold: 0.7}\n"
            "  segmentation: {min_duration_off: 0.3}\n"
        )
        pipeline = load(tmp_path)
        samples = talk(20.0, speakers=2)
        assert_same(ours(pipeline, samples), stock(pipeline, samples))

    def test_the_fast_step_is_stocks_with_that_step(self, demo: Any) -> None:
        samples = talk(16.0, speakers=2)
        usual = demo._segmentation.step
        found = ours(demo, samples, step=0.2)
        demo._segmentation.step = 2.0
        try:
            expected = stock(demo, samples)
        finally:
            demo._segmentation.step = usual
        assert_same(found, expected)


class TestTheFullSizeArchitecture:
    @pytest.mark.parametrize("seconds", [3.7, 10.0, 13.4])
    def test_speech(self, large: Any, seconds: float) -> None:
        samples = talk(seconds, speakers=2)
        expected = stock(large, samples)
        assert len(answer(expected)["regular"]) > 1
        assert_same(ours(large, samples), expected)

    def test_mixed_precision_changes_voices_a_little(self, large: Any) -> None:
        samples = talk(10.0, speakers=2)
        one, other = (
            Observer(large, precision=precision).observe(samples, told=lambda *_: None)
            for precision in ("exact", "mixed")
        )
        assert (one.masks == other.masks).all()
        assert one.embeddings is not None
        assert other.embeddings is not None
        assert not np.array_equal(one.embeddings, other.embeddings)
        products = (one.embeddings * other.embeddings).sum(axis=-1)
        lengths = [np.linalg.norm(e, axis=-1) for e in (one.embeddings, other.embeddings)]
        assert (products / np.prod(lengths, axis=0) > 0.999).all()


class TestPartsAgainstPyannotes:
    """Random chunks, of which the networks would hardly think."""

    FRAMES = 40

    @given(
        data=st.data(),
        chunks=st.integers(1, 6),
        step=st.sampled_from([0.1, 0.2, 0.25]),
        clusters=st.integers(1, 14),
    )
    @settings(max_examples=60, deadline=None)
    def test_counting_and_reconstruction(
        self, data: st.DataObject, chunks: int, step: float, clusters: int
    ) -> None:
        chance = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        masks = (chance.random((chunks, self.FRAMES, 3)) < chance.random()).astype(np.uint8)
        hard = chance.integers(0, clusters, size=(chunks, 3))
        hard[~masks.any(axis=1)] = -2
        windows = SlidingWindow(start=0.0, duration=10.0, step=10.0 * step)
        receptive = SlidingWindow(start=0.01, duration=0.3, step=10.0 / self.FRAMES)
        frames = SlidingWindow(start=0.0, duration=0.3, step=10.0 / self.FRAMES)
        scores = SlidingWindowFeature(masks.astype(np.float32), windows)

        count = count_speakers(masks, chunks=windows, frames=frames)
        expected = SpeakerDiarization.speaker_count(scores, receptive, warm_up=(0.0, 0.0))
        np.testing.assert_array_equal(count, expected.data)

        if hard.max() < 0:
            return
        observation = Observation(masks, windows, frames, count, None)
        stock_way = SpeakerDiarization.reconstruct(_Reconstructing, scores, hard, expected)
        found = discrete_of(observation, hard)
        np.testing.assert_array_equal(found.data, stock_way.data)
        assert _place(found.sliding_window) == _place(stock_way.sliding_window)
        turns = SpeakerDiarization.to_annotation(stock_way, min_duration_off=0.4)
        assert annotate(found, gap=0.4) == turns
        assert annotate(found, gap=0) == SpeakerDiarization.to_annotation(stock_way)


def _place(window: SlidingWindow) -> tuple[float, float, float]:
    return window.start, window.duration, window.step


class _Reconstructing:
    """What `reconstruct` asks of its pipeline."""

    to_diarization = SpeakerDiarization.to_diarization


def discrete_of(observation: Observation, hard: Any) -> Any:
    return discrete(
        activations(observation, hard),
        observation.count.astype(np.int8),
        frames=observation.frames,
    )


@pytest.fixture(scope="module")
def seen(demo: Any) -> Observation:
    """A minute of three speakers."""
    return Observer(demo).observe(talk(60.0, speakers=3), told=lambda *_: None)


class TestBoundedClustering:
    @pytest.mark.parametrize(
        "speakers",
        [SpeakerCount(), SpeakerCount(exactly=4), SpeakerCount(least=5), SpeakerCount(most=2)],
        ids=str,
    )
    def test_one_voice_too_many_changes_nothing(
        self, demo: Any, seen: Observation, speakers: SpeakerCount
    ) -> None:
        """All steps of stock's clustering are there, in their order."""
        voices, _, _ = demo.clustering.filter_embeddings(
            seen.embeddings, segmentations=SlidingWindowFeature(seen.masks, seen.chunks)
        )
        assert_same(
            conclude(seen, pipeline=demo, speakers=speakers, points=len(voices) - 1),
            conclude(seen, pipeline=demo, speakers=speakers),
        )

    def test_a_third_of_the_voices_finds_the_same_speakers(
        self, demo: Any, seen: Observation
    ) -> None:
        whole = conclude(seen, pipeline=demo, speakers=SpeakerCount())
        some = conclude(seen, pipeline=demo, speakers=SpeakerCount(), points=30)
        assert len(whole.speaker_diarization.labels()) == 3
        assert error_rate(some.speaker_diarization, whole.speaker_diarization) < 0.02

    @given(seed=st.integers(0, 2**32 - 1), voices=st.integers(2, 60), points=st.integers(2, 60))
    @settings(max_examples=50, deadline=None)
    def test_every_voice_joins_the_cluster_that_is_nearest(
        self, seed: int, voices: int, points: int
    ) -> None:
        chance = np.random.default_rng(seed)
        people = np.eye(8)[chance.integers(0, 8, size=voices)]
        directions = people + chance.normal(scale=0.01, size=people.shape)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        found = first_clusters(directions.astype(np.float32), threshold=0.6, points=points)
        assert sorted(set(found)) == list(range(max(found) + 1))
        chosen = np.arange(min(points, voices)) * voices // min(points, voices)
        known = people.argmax(axis=1)
        heard = set(known[chosen])
        for label in set(found):
            assert len({who for who in known[found == label] if who in heard}) == 1


def error_rate(found: Annotation, expected: Annotation) -> float:
    return float(DiarizationErrorRate()(expected, found))


def recording(samples: Samples) -> Recording:
    return Recording(
        samples=samples,
        sha256="",
        bytes=0,
        container="wav",
        codec="pcm_f32le",
        original_sample_rate=SAMPLE_RATE,
        channels=1,
    )


class TestTheDiarizer:
    async def test_recordings_at_once_are_answered_as_one_by_one(self, demo: Any) -> None:
        diarizer = PyannoteDiarizer(demo, model=Model("demo"))
        recordings = [recording(talk(14.0, speakers=n)) for n in (1, 2)]

        async def turns(audio: Recording) -> Diarization:
            return await diarizer.diarize(audio, speakers=SpeakerCount(), progress=lambda _: None)

        together = await asyncio.gather(*map(turns, recordings))
        assert list(together) == [await turns(audio) for audio in recordings]
        assert all(found.turns and not found.warnings for found in together)

    @pytest.mark.parametrize("leaves_out", [True, False])
    def test_no_job_is_the_first_for_the_embedding_network(self, *, leaves_out: bool) -> None:
        pipeline = load(demo_pipeline()).to(torch.device("cpu"))
        pipeline.embedding_exclude_overlap = leaves_out
        heard = []
        network = pipeline._embedding.model_
        hook = network.register_forward_hook(
            lambda _model, _sound, voices: heard.append(voices.shape)
        )
        diarizer = PyannoteDiarizer(pipeline, model=Model("demo"))
        diarizer.warm_up()
        hook.remove()
        assert heard
        assert ("shortest" in vars(diarizer._observer._network)) is leaves_out

    @pytest.mark.parametrize("milliseconds", [25.0, 20.0])
    def test_the_shortest_sound_is_the_one_that_stock_finds(
        self, large: Any, milliseconds: float
    ) -> None:
        embedding = large._embedding
        settings = embedding.model_.hparams
        settings["frame_length"] = milliseconds  # a wrong guess: the banks keep what they have
        try:
            found = VoiceNetwork(embedding, precision="exact").shortest
        finally:
            settings["frame_length"] = 25.0
        assert found == embedding.min_num_samples == 400

    def test_a_network_of_another_kind_is_asked_for_its_shortest_sound(self, demo: Any) -> None:
        embedding = demo._embedding
        found = VoiceNetwork(embedding, precision="exact").shortest
        assert found == embedding.min_num_samples > 400

    def test_one_chunk_alone_has_the_filter_banks_of_many(self, large: Any) -> None:
        network = VoiceNetwork(large._embedding, precision="exact")
        sounds = torch.randn(2, 1, 16_000)
        both = network._features(sounds)
        assert torch.equal(network._features(sounds[:1])[0], both[0])
        assert torch.equal(network._features(sounds[1:])[0], both[1])

    async def test_progress_grows_to_the_end(self, demo: Any) -> None:
        shares: list[float] = []
        await PyannoteDiarizer(demo, model=Model("demo")).diarize(
            recording(talk(14.0, speakers=2)),
            speakers=SpeakerCount(),
            progress=lambda step: shares.append(step.done),
        )
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert len(set(shares)) > 4

    @pytest.mark.parametrize("step", ["segmentation", "embeddings"])
    def test_work_ends_where_nobody_waits_for_it(self, demo: Any, step: str) -> None:
        class NobodyWaits(Exception): ...

        batches = []

        def told(name: str, done: int, _total: int) -> None:
            batches.append((name, done))
            if name == step and done:
                raise NobodyWaits

        with pytest.raises(NobodyWaits):
            Observer(demo).observe(talk(25.0, speakers=1), told=told)
        assert batches[-1][0] == step

    async def test_the_fast_profile_says_so(self, demo: Any) -> None:
        diarizer = PyannoteDiarizer(demo, model=Model("demo"), profile="fast")
        found = await diarizer.diarize(
            recording(talk(14.0, speakers=2)), speakers=SpeakerCount(), progress=lambda _: None
        )
        assert found.turns
        assert "PARLEY_DIARIZER_PROFILE" in found.warnings[0]

    def test_mixed_precision_needs_a_network_that_has_it(self, demo: Any) -> None:
        with pytest.raises(ValueError, match="no residual network"):
            PyannoteDiarizer(demo, model=Model("demo"), precision="mixed")

    def test_another_kind_of_pipeline_is_refused(self) -> None:
        pipeline = load(demo_pipeline())
        pipeline.legacy = True
        with pytest.raises(ValueError, match="cannot find out"):
            Observer(pipeline)


def test_a_recording_that_may_not_be_written_to_is_read(demo: Any) -> None:
    samples = talk(5.0, speakers=1)
    samples.flags.writeable = False
    assert_same(ours(demo, samples), stock(demo, samples.copy()))
