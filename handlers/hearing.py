"""One recording on its way through the transcriber: cut, heard, tried again, joined."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import islice
from typing import Final

import numpy as np

from handlers.audio import Recording
from handlers.batching import in_order
from handlers.progress import Progress, Step
from handlers.seams import join
from handlers.timeline import Word, milliseconds
from handlers.windows import Window, cut, is_silent, margin, seems_voiced
from handlers.word_decoder import Stretch

SHORTEST_SECONDS: Final = 0.1
"""Less audio than this holds no word, and engines fail on it or invent one."""

_NAMED: Final = 10
"""Stretches that a warning names, at most."""

Decode = Callable[[Stretch], Awaitable[Sequence[Word]]]


class Hearing:
    """Finds the words of one recording, window by window."""

    def __init__(self, audio: Recording, *, decode: Decode, longest: float, frame: int) -> None:
        """Look at nothing yet.

        Args:
            audio: the recording.
            decode: gives the words of a stretch of it; is asked for many at once.
            longest: seconds of a stretch.
            frame: samples; stretches begin on multiples of it.

        """
        self._samples = audio.samples
        self._rate = audio.sample_rate
        self._decode = decode
        self._longest = longest
        self._frame = frame
        self._wide = margin(sample_rate=self._rate, longest=longest, frame=frame)
        self._missed: list[tuple[int, int]] = []

    async def words(self, progress: Progress, *, ahead: int) -> list[Word]:
        """Give every word once, in order.

        Args:
            progress: told how far the words are known.
            ahead: windows that are waited for at once: what else is cut waits.

        """
        windows = cut(
            self._samples, sample_rate=self._rate, longest=self._longest, frame=self._frame
        )

        def some(count: int) -> list[tuple[Window, bool]]:
            return [(window, self._is_empty(window)) for window in islice(windows, count)]

        async def more(count: int) -> Iterable[tuple[Window, bool]]:
            return await asyncio.to_thread(some, count)

        parts: list[tuple[float, Sequence[Word]]] = []
        async with aclosing(in_order(self._heard, more, ahead=ahead)) as found:
            async for window, heard in found:
                parts.append((window.begin / self._rate, heard))
                progress(Step("transcribe", window.end / max(1, len(self._samples))))
        # the joints of hours take a while, in which other jobs want to be served
        words = await asyncio.to_thread(join, parts, reach=self._wide / self._rate)
        end = milliseconds(len(self._samples) / self._rate)
        return [
            word
            if word.end <= end  # the last frame may reach beyond the recording
            else replace(word, start=min(word.start, end), end=end)
            for word in words
        ]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where something sounds like speech and no word was found."""
        if not self._missed:
            return ()
        spans: list[tuple[int, int]] = []
        for begin, end in sorted(self._missed):
            if spans and spans[-1][1] >= begin:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((begin, end))
        seconds = [(begin / self._rate, end / self._rate) for begin, end in spans[:_NAMED]]
        named = ", ".join(f"{begin:.1f} to {end:.1f}" for begin, end in seconds)
        more = f" and in {len(spans) - _NAMED} more places" if len(spans) > _NAMED else ""
        return (f"Something sounds but no words were found at seconds {named}{more}.",)

    async def _heard(self, cut_out: tuple[Window, bool]) -> tuple[Window, Sequence[Word]]:
        """The words of a window; one that seems voiced and gives none is heard with other edges."""
        window, empty = cut_out
        if empty:
            return window, ()
        words = await self._decode(self._stretch(window.first, window.last))
        if any(self._is_of(word, window) for word in words):
            return window, words
        if not await asyncio.to_thread(self._is_voiced, window):
            return window, words
        for wider in (self._wide // 2, self._wide):
            first = (window.begin - wider) // self._frame * self._frame
            again = await self._decode(self._stretch(first, window.end + wider))
            if found := [word for word in again if self._is_of(word, window)]:
                return window, found
        self._missed.append((window.begin, window.end))
        return window, words

    def _stretch(self, first: int, last: int) -> Stretch:
        """Samples from `first` to `last`; beyond the recording there is silence."""
        inside = self._samples[max(0, first) : last]
        if first >= 0 and last <= len(self._samples):
            return Stretch(inside, first)
        after = max(0, last - len(self._samples))
        return Stretch(np.pad(inside, (max(0, -first), after)), first)

    def _is_empty(self, window: Window) -> bool:
        samples = self._samples[window.first : window.last]
        short = len(samples) < SHORTEST_SECONDS * self._rate
        return short or is_silent(samples, sample_rate=self._rate)

    def _is_voiced(self, window: Window) -> bool:
        samples = self._samples[window.begin : window.end]
        return seems_voiced(samples, sample_rate=self._rate)

    def _is_of(self, word: Word, window: Window) -> bool:
        return window.begin <= (word.start + word.end) / 2 * self._rate < window.end
