"""From what a job names to samples: real files of every format, and everything wrong with them."""

import asyncio
import base64
import hashlib
import io
import struct
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from handlers.audio import Recording, containers, fetch, open_audio
from handlers.audio.decoding import decode
from handlers.errors import (
    AddressForbidden,
    AudioEmpty,
    AudioError,
    AudioTooLarge,
    AudioTooLong,
    AudioTruncated,
    AudioUnreadable,
    DownloadRefused,
    InvalidEncoding,
)
from handlers.inline import decoded
from handlers.progress import Step
from handlers.settings import Settings
from handlers.sources import AudioSource
from tests import sounds
from tests.sounds import Format, loudest, silent_film, tone
from tests.web import answering, giving, in_pieces, serving


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A job's folder; nobody may leave anything there."""
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def inline(content: bytes) -> AudioSource:
    return AudioSource(base64=base64.b64encode(content).decode())


async def opened(content: bytes, folder: Path, **changes: Any) -> Recording:
    return await open_audio(inline(content), settings=Settings(**changes), folder=folder)


async def refused(content: bytes, folder: Path, kind: type[AudioError], **changes: Any) -> str:
    with pytest.raises(kind) as caught:
        await opened(content, folder, **changes)
    assert type(caught.value) is kind
    return str(caught.value)


def wav(sound: Any, rate: int = 16_000, subtype: str = "FLOAT") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, rate, format="WAV", subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("made", sounds.FORMATS.values(), ids=sounds.FORMATS.keys())
async def test_every_format_sounds_as_it_did(folder: Path, made: Format) -> None:
    content = made.write(2.0)
    recording = await opened(content, folder)
    assert recording.duration == pytest.approx(2.0, abs=0.05)
    assert recording.samples.dtype == np.float32
    assert recording.samples.shape == (round(recording.duration * 16_000),)
    hertz, level = loudest(recording.slice(0.5, 1.5))
    assert hertz == 440
    assert level == pytest.approx(0.5, abs=made.tolerance)
    assert recording.container == made.container
    assert recording.codec == made.codec
    assert recording.original_sample_rate == made.rate
    assert recording.channels == made.channels
    assert recording.bytes == len(content)
    assert recording.sha256 == hashlib.sha256(content).hexdigest()
    assert recording.warnings == ()
    assert set(recording.seconds_spent) == {"fetch", "decode"}


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
async def test_resampling_keeps_every_moment_in_its_place(folder: Path, rate: int) -> None:
    sound = tone(1.0, rate=rate)[:, 0]
    sound[: rate // 2] = 0
    recording = await opened(wav(sound, rate), folder)
    assert len(recording.samples) == 16_000
    loud = np.flatnonzero(np.abs(recording.samples) > 0.1)
    assert loud[0] / 16_000 == pytest.approx(0.5, abs=0.001)


async def test_sound_at_16_khz_is_not_touched(folder: Path) -> None:
    sound = np.random.default_rng(1).uniform(-1, 1, 40_000).astype(np.float32)
    recording = await opened(wav(sound), folder)
    np.testing.assert_array_equal(recording.samples, sound)


async def test_channels_are_mixed_by_their_mean(folder: Path) -> None:
    sound = np.zeros((16_000, 4), dtype=np.float32)
    sound[:, 0], sound[:, 3] = 0.8, -0.2
    recording = await opened(wav(sound), folder)
    np.testing.assert_allclose(recording.samples, 0.15, atol=1e-6)


async def test_a_slice_is_what_lies_between_two_times(folder: Path) -> None:
    recording = await opened(wav(np.arange(16_000) / 16_000), folder)
    np.testing.assert_array_equal(recording.slice(0.25, 0.5), recording.samples[4000:8000])
    assert len(recording.slice(0.9, 7.0)) == 1600
    assert len(recording.slice(-1.0, 0.1)) == 1600
    assert len(recording.slice(3.0, 4.0)) == 0
    assert len(recording.slice(0.5, 0.25)) == 0


async def test_samples_cannot_be_changed(folder: Path) -> None:
    recording = await opened(sounds.WAV.write(), folder)
    with pytest.raises(ValueError, match="read-only"):
        recording.samples[0] = 1


async def test_what_is_no_number_becomes_silence(folder: Path) -> None:
    sound = tone(1.0, rate=16_000, channels=2)
    sound[100, 0], sound[200, 1], sound[300, :] = np.nan, -np.inf, 1e38
    recording = await opened(wav(sound), folder)
    assert np.isfinite(recording.samples).all()
    assert recording.samples[[100, 200, 300]].tolist() == [0, 0, 0]
    assert recording.warnings == ("3 samples were no sensible numbers; silence stands there.",)


async def test_parts_of_a_chained_file_are_all_heard(folder: Path) -> None:
    recording = await opened(sounds.VORBIS.write(1.0) * 2, folder)
    assert recording.duration == pytest.approx(2.0, abs=0.05)
    assert loudest(recording.slice(1.0, 2.0))[0] == 440


async def test_a_chain_that_cannot_be_followed_is_not_cut_in_silence(folder: Path) -> None:
    content = sounds.VORBIS.write(1.0) + replace(sounds.VORBIS, rate=8_000).write(1.0)
    await refused(content, folder, AudioTruncated)


async def test_the_rate_may_change_on_the_way(folder: Path) -> None:
    wide = replace(sounds.AAC, rate=44_100, channels=2)
    narrow = replace(sounds.AAC, rate=22_050, channels=1)
    recording = await opened(wide.write(1.0) + narrow.write(2.0), folder)
    assert recording.duration == pytest.approx(3.0, abs=0.2)
    assert loudest(recording.slice(1.5, 2.5))[0] == 440
    assert recording.original_sample_rate == 44_100


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000, 0x8000_0000])
async def test_a_streamed_wav_lasts_as_long_as_it_does(folder: Path, length: int) -> None:
    content = sounds.WAV.write(1.0)
    where = content.index(b"data") + 4
    content = content[:where] + struct.pack("<I", length) + content[where + 4 :]
    recording = await opened(content, folder)
    assert recording.duration == pytest.approx(1.0)


class TestGaps:
    """What a recorder left out is silence, not missing time."""

    @pytest.mark.parametrize("made", [sounds.WEBM, sounds.M4A, sounds.MKV])
    async def test_are_filled(self, folder: Path, made: sounds.Ffmpeg) -> None:
        paused = replace(made, gaps=((0.5, 1.0), (1.0, 0.5)))
        recording = await opened(paused.write(2.0), folder)
        assert recording.duration == pytest.approx(3.5, abs=0.05)
        assert np.abs(recording.slice(0.6, 1.4)).max() < 0.01
        assert np.abs(recording.slice(2.1, 2.4)).max() < 0.01
        assert loudest(recording.slice(2.5, 3.5))[0] == 440
        assert "1.5 s in 2 places" in recording.warnings[0]

    async def test_before_the_first_sound_of_a_film_count(self, folder: Path) -> None:
        late = replace(sounds.MP4, gaps=((0.0, 0.5),))
        recording = await opened(late.write(2.0), folder)
        assert recording.duration == pytest.approx(2.5, abs=0.05)
        assert np.abs(recording.slice(0.0, 0.4)).max() == 0

    async def test_too_short_to_hear_add_up(self, folder: Path) -> None:
        lossy = replace(sounds.WEBM, gaps=tuple((at / 10, 0.02) for at in range(20)))
        recording = await opened(lossy.write(2.0), folder)
        assert recording.duration == pytest.approx(2.4, abs=0.15)

    async def test_do_not_outlast_the_limit(self, folder: Path) -> None:
        endless = replace(sounds.WEBM, gaps=((1.0, 10_000.0),))
        await refused(endless.write(2.0), folder, AudioTooLong, max_audio_seconds=3600)


CUT = {
    "wav": sounds.WAV,
    "rf64": sounds.RF64,
    "aiff": sounds.AIFF,
    "flac": sounds.FLAC,
    "vorbis": sounds.VORBIS,
    "opus": sounds.OPUS,
    "mp3": sounds.MP3,
    "m4a": sounds.M4A,
    "m4a, index first": sounds.M4A_FAST,
    "mp4 with video": sounds.MP4,
    "webm": sounds.WEBM,
    "mkv with video": sounds.MKV,
}
WHOLE = {name: made.write(3.0) for name, made in CUT.items()}


@pytest.mark.parametrize("name", CUT)
async def test_a_file_that_breaks_off_is_refused(folder: Path, name: str) -> None:
    whole = WHOLE[name]
    await refused(whole[: len(whole) * 6 // 10], folder, AudioTruncated)


@examples(max_examples=40, deadline=None, derandomize=True)
@given(name=st.sampled_from(sorted(CUT)), kept=st.floats(0, 0.9))
def test_no_cut_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, name: str, kept: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "audio"
    path.write_bytes(WHOLE[name][: int(len(WHOLE[name]) * kept)])
    with pytest.raises((AudioTruncated, AudioUnreadable, AudioEmpty)):
        decode(path, max_seconds=60, stop=threading.Event())


async def test_a_recorder_that_was_stopped_hard(folder: Path) -> None:
    content = bytearray(sounds.M4A.write())
    content[content.index(b"moov") :][:4] = b""
    content[content.index(b"moov") : content.index(b"moov") + 4] = b"free"
    message = await refused(bytes(content), folder, AudioTruncated)
    assert "moov" in message


async def test_a_few_bytes_more_in_the_header_are_forgiven(folder: Path) -> None:
    content = sounds.WAV.write(1.0)
    where = content.index(b"data") + 4
    content = content[:where] + struct.pack("<I", len(content)) + content[where + 4 :]
    assert (await opened(content, folder)).duration == pytest.approx(1.0)


async def test_damage_in_the_middle_is_left_out_and_told(folder: Path) -> None:
    content = bytearray(sounds.MP3.write(3.0))
    middle = len(content) // 2
    content[middle : middle + 2000] = np.random.default_rng(1).bytes(2000)
    recording = await opened(bytes(content), folder)
    assert recording.duration == pytest.approx(3.0, abs=0.3)


async def test_a_stream_cut_in_a_frame_loses_that_frame_and_says_so(folder: Path) -> None:
    content = sounds.AAC.write(2.0)
    recording = await opened(content[: len(content) * 6 // 10], folder)
    assert recording.duration == pytest.approx(1.2, abs=0.1)
    assert "Damaged" in recording.warnings[0]


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.wav", sounds.WAV.write())
    return file.getvalue()


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Hello, this is a meeting. " * 400, "not known"),
        (b"\n<!DOCTYPE html><html><body>" + b"Log in " * 2000, "a web page"),
        (b'{"error": "expired"}', "JSON"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
        (zipped(), "ZIP"),
        (PNG, "picture"),
        (b"%PDF-1.7\n" + bytes(5000), "PDF"),
        (bytes(100_000), "not known"),
        (np.random.default_rng(7).bytes(200_000), "not known"),
        (b"RIFF", "not known"),
        (b"\xff\xfb", "not known"),
        (silent_film(), "no audio track"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_audio_is_named(folder: Path, content: bytes, said: str) -> None:
    assert said in await refused(content, folder, AudioUnreadable)


@pytest.mark.parametrize(
    "content", [b"", wav(np.zeros(0)), wav(np.zeros((0, 2)), 44_100, "PCM_16")]
)
async def test_no_samples_are_no_recording(folder: Path, content: bytes) -> None:
    await refused(content, folder, AudioEmpty)


@examples(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_damage_of_any_kind_is_survived(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(WHOLE[data.draw(st.sampled_from(sorted(CUT)))])
    ends = st.sampled_from([len(content) - 1, 500])
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, data.draw(ends)))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "audio"
    path.write_bytes(content)
    try:
        decoded = decode(path, max_seconds=60, stop=threading.Event())
    except AudioError:
        return
    assert np.isfinite(decoded.samples).all()


async def test_an_unknown_codec_is_named(folder: Path) -> None:
    content = bytearray(sounds.WAV.write())
    struct.pack_into("<H", content, 20, 0x7777)
    assert "codec" in await refused(bytes(content), folder, AudioUnreadable)


@pytest.mark.parametrize("rate", [1, 10, 2_000_000])
async def test_impossible_sample_rates(folder: Path, rate: int) -> None:
    content = bytearray(wav(np.zeros(1000), 16_000, "PCM_16"))
    struct.pack_into("<I", content, 24, rate)
    await refused(bytes(content), folder, AudioUnreadable)


class TestOneFileOnly:
    """A recording leads FFmpeg to no other file and no address."""

    @pytest.fixture
    def secret(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        path = tmp_path_factory.mktemp("elsewhere") / "secret.wav"
        path.write_bytes(sounds.WAV.write())
        return path

    async def test_concat_lists(self, folder: Path, secret: Path) -> None:
        content = f"ffconcat version 1.0\nfile {secret}\n"
        assert "playlist" in await refused(content.encode(), folder, AudioUnreadable)

    def test_concat_lists_even_if_they_were_a_known_format(
        self, secret: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(containers, "FORMATS", "concat,wav")
        path = secret.with_name("list")
        path.write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
        with pytest.raises(AudioUnreadable):
            decode(path, max_seconds=60, stop=threading.Event())

    async def test_hls_playlists(self, folder: Path, secret: Path) -> None:
        content = (
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n"
            f"#EXTINF:2.0,\nfile://{secret}\n#EXT-X-ENDLIST\n"
        )
        assert "playlist" in await refused(content.encode(), folder, AudioUnreadable)

    async def test_session_descriptions(self, folder: Path) -> None:
        content = (
            b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            b"m=audio 5004 RTP/AVP 0\r\n"
        )
        await refused(content, folder, AudioUnreadable)

    async def test_dash_manifests(self, folder: Path, secret: Path) -> None:
        content = (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet>'
            f"<Representation><BaseURL>{secret}</BaseURL></Representation>"
            "</AdaptationSet></Period></MPD>"
        )
        await refused(content.encode(), folder, AudioUnreadable)


async def test_decoding_stops_at_the_limit(folder: Path) -> None:
    content = sounds.FLAC.write(4.0)
    message = await refused(content, folder, AudioTooLong, max_audio_seconds=3)
    assert "3 s" in message
    assert (await opened(content, folder, max_audio_seconds=4)).duration == 4


async def test_hours_of_sound_take_no_memory(folder: Path) -> None:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 48_000, 2, "PCM_16", format="FLAC") as flac:
        for _ in range(120):
            flac.write(np.zeros((48_000, 2), dtype=np.int16))
    content = file.getvalue()
    whole = 120 * 16_000 * 4
    tracemalloc.start()
    try:
        recording = await opened(content, folder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert recording.samples.nbytes == whole
    assert peak < whole / 2


async def test_a_cancelled_job_stops_and_leaves_nothing(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    decoding = asyncio.Event()
    steps: list[Step] = []

    def note(step: Step) -> None:
        steps.append(step)
        if step.phase == "decode":
            loop.call_soon_threadsafe(decoding.set)

    source = inline(replace(sounds.FLAC, rate=16_000, channels=1).write(240.0))
    task = asyncio.create_task(
        open_audio(source, settings=Settings(), folder=folder, progress=note)
    )
    await decoding.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps[-1].done < 1


async def test_steps_lead_from_nothing_to_all(folder: Path) -> None:
    steps: list[Step] = []
    await open_audio(
        inline(sounds.M4A.write(10.0)), settings=Settings(), folder=folder, progress=steps.append
    )
    for phase in ("fetch", "decode"):
        shares = [step.done for step in steps if step.phase == phase]
        assert shares == sorted(shares)
        assert shares[-1] == 1
    assert len(steps) > 4


class TestInline:
    """Base64 and data URIs, as they come out of all sorts of programs."""

    CONTENT = bytes(range(256)) + b"\xfb\xff\xfe"

    async def bytes_of(self, folder: Path, **source: str) -> bytes:
        fetched = await fetch(AudioSource(**source), settings=Settings(), folder=folder)
        content = fetched.path.read_bytes()
        fetched.path.unlink()
        assert fetched.size == len(content)
        assert fetched.sha256 == hashlib.sha256(content).hexdigest()
        return content

    @given(content=st.binary(max_size=200), url_safe=st.booleans(), data=st.data())
    @examples(max_examples=40, deadline=None, derandomize=True)
    def test_comes_back_byte_by_byte(
        self, *, content: bytes, url_safe: bool, data: st.DataObject
    ) -> None:
        text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(content).decode()
        text = data.draw(st.sampled_from([text, text.rstrip("="), text + "=="]))
        if text:
            where = data.draw(st.integers(0, len(text)))
            text = (
                text[:where] + data.draw(st.sampled_from(["", "\n", "\r\n", " \t"])) + text[where:]
            )
        assert decoded(text, limit=1000) == content

    async def test_in_either_alphabet_with_or_without_padding(self, folder: Path) -> None:
        for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
            text = encode(self.CONTENT).decode()
            assert await self.bytes_of(folder, base64=text) == self.CONTENT
            assert await self.bytes_of(folder, base64=text.replace("=", "")) == self.CONTENT

    @pytest.mark.parametrize(
        "head",
        [
            "data:audio/wav;base64,",
            "data:;base64,",
            "DATA:audio/ogg;codecs=opus;BASE64,",
            " data:a;base64,",
        ],
    )
    @pytest.mark.parametrize("field", ["url", "base64"])
    async def test_as_data_uri(self, folder: Path, head: str, field: str) -> None:
        encoded = base64.b64encode(self.CONTENT).decode()
        for text in (encoded, encoded.replace("+", "%2B").replace("=", "%3D")):
            assert await self.bytes_of(folder, **{field: head + text}) == self.CONTENT

    async def test_as_percent_encoded_data_uri(self, folder: Path) -> None:
        uri = "data:audio/wav," + quote_from_bytes(self.CONTENT)
        assert await self.bytes_of(folder, url=uri) == self.CONTENT

    @pytest.mark.parametrize("text", ["A", "AAAAA", "!!!!", "AAAA*AAA", "ÄÖÜ", "AA==AA", "ab\0d"])
    async def test_what_is_no_base64_is_refused(self, folder: Path, text: str) -> None:
        for source in (AudioSource(base64=text), AudioSource(url=f"data:;base64,{text}")):
            with pytest.raises(InvalidEncoding):
                await open_audio(source, settings=Settings(), folder=folder)

    @pytest.mark.parametrize("text", ["", " \n", "data:audio/wav;base64,", "data:,"])
    async def test_nothing_is_empty(self, folder: Path, text: str) -> None:
        with pytest.raises(AudioEmpty):
            await open_audio(AudioSource(base64=text), settings=Settings(), folder=folder)

    async def test_is_bounded(self, folder: Path) -> None:
        content = bytes(1000)
        await self.bytes_of(folder, base64=base64.b64encode(content).decode())
        await refused(content, folder, AudioTooLarge, max_audio_bytes=999)
        source = AudioSource(url="data:," + "a" * 1000)
        with pytest.raises(AudioTooLarge):
            await open_audio(source, settings=Settings(max_audio_bytes=999), folder=folder)

    def test_is_not_shown(self) -> None:
        assert "UklG" not in repr(AudioSource(base64="UklGRg=="))
        assert "secret" not in repr(AudioSource(url="https://h/?secret"))

    @pytest.mark.parametrize("source", [{}, {"url": "http://h/", "base64": "AAAA"}])
    def test_is_either_url_or_base64(self, source: dict[str, str]) -> None:
        with pytest.raises(ValueError, match="either"):
            AudioSource(**source)


class TestFromTheWeb:
    async def test_a_url_becomes_a_recording(self, folder: Path) -> None:
        content = sounds.MP3.write()
        async with serving(giving(content, headers={"Content-Type": "text/plain"})) as host:
            recording = await open_audio(
                AudioSource(url=host.url("/no-name")),
                settings=Settings(allow_private_addresses=True),
                folder=folder,
            )
        assert recording.sha256 == hashlib.sha256(content).hexdigest()
        assert loudest(recording.slice(0.5, 1.5))[0] == 440

    async def test_a_missing_file_leaves_nothing(self, folder: Path) -> None:
        async with serving(answering(404)) as host:
            with pytest.raises(DownloadRefused):
                await open_audio(
                    AudioSource(url=host.url()),
                    settings=Settings(allow_private_addresses=True),
                    folder=folder,
                )

    @pytest.mark.parametrize("url", ["data:no comma", "audio.mp3", "file:///etc/passwd"])
    async def test_other_addresses_are_refused(self, folder: Path, url: str) -> None:
        with pytest.raises(AddressForbidden):
            await open_audio(AudioSource(url=url), settings=Settings(), folder=folder)

    async def test_a_cancelled_download_leaves_nothing(self, folder: Path) -> None:
        async with serving(in_pieces([bytes(100_000)], hang=True)) as host:
            task = asyncio.create_task(
                open_audio(
                    AudioSource(url=host.url()),
                    settings=Settings(allow_private_addresses=True),
                    folder=folder,
                )
            )
            while not any(path.stat().st_size for path in folder.rglob("*.audio")):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
