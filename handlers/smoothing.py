"""Words whose turns do not decide follow the words around them.

Turns and words come from two engines with two frame rates, so a word at an edge may fall on the
wrong side of it. Both repairs move only words that lie less than `confident` in the turns of the
speaker they have: a short interjection that the diarizer did hear stays, and so does a change of
speaker in the middle of a sentence.

The ideas are public: short islands between words of one speaker (OpenTranscribe), and one speaker
per sentence by majority (MahmoudAshraf97/whisper-diarization). Neither asks there how well the
turns hold the words.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, count, pairwise
from operator import ne

from handlers.sentences import ends_sentence, sentences
from handlers.timeline import Word

Shares = Mapping[str, float]
"""By speaker: the share of one word, 0 to 1, that lies in their turns."""


def collapse_islands(  # noqa: PLR0913 - each option is a documented knob of its own
    words: Sequence[Word],
    labels: Sequence[str],
    shares: Sequence[Shares],
    *,
    max_words: int,
    max_seconds: float,
    max_gap: float,
    confident: float,
) -> list[str]:
    """Give a short, doubtful island to the speaker on both of its shores.

    An island that is a sentence of its own stays, because it may be a reply: `Really?` `Yes.`

    Args:
        words: ordered by start.
        labels: the speaker of each word.
        shares: of each word.
        max_words: longest island, in words.
        max_seconds: longest island, in seconds.
        max_gap: longest pause between island and shore, in seconds.
        confident: share in its speaker's turns that keeps a word, and so its island.

    """

    def moves(island: range) -> bool:
        first, last = island[0], island[-1]
        before, after = words[first - 1], words[last + 1]
        return (
            words[last].end - words[first].start <= max_seconds
            and words[first].start - before.end <= max_gap
            and after.start - words[last].end <= max_gap
            and _doubtful(island, smoothed, shares, confident)
            and not (
                ends_sentence(before.text, words[first].text)
                and ends_sentence(words[last].text, after.text)
            )
        )

    smoothed = list(labels)
    moved = True
    # A collapse may leave a new island, made of the old one and its shores; each round leaves
    # fewer and longer ones, so there are about as many rounds as an island has words.
    while moved:
        moved = False
        for island in _runs(smoothed, range(len(smoothed)))[1:-1]:
            left, right = smoothed[island[0] - 1], smoothed[island[-1] + 1]
            if len(island) <= max_words and left == right != smoothed[island[0]] and moves(island):
                smoothed[island.start : island.stop] = [left] * len(island)
                moved = True
    return smoothed


def settle_sentences(  # noqa: PLR0913 - each option is a documented knob of its own
    words: Sequence[Word],
    labels: Sequence[str],
    shares: Sequence[Shares],
    *,
    max_words: int,
    max_gap: float,
    confident: float,
) -> list[str]:
    """Give doubtful words at the rim of a sentence to the speaker of most of it.

    This is for a last word that has slipped into the answer: `How are` | `you? Fine, thanks.`
    Neighbours of one speaker move together or not at all, and only next to words of the winner, so
    no new change of speaker arises.

    Args:
        words: ordered by start.
        labels: the speaker of each word.
        shares: of each word.
        max_words: longest sentence that is settled.
        max_gap: pause that ends a sentence without punctuation, in seconds.
        confident: share in its speaker's turns that keeps a word, and those around it.

    """
    settled = list(labels)
    doubtful = {
        at
        for at, label, share in zip(count(), labels, shares, strict=False)
        if share.get(label, 0.0) < confident
    }
    for sentence in sentences(words, max_gap=max_gap):
        own = settled[sentence.start : sentence.stop]
        if len(own) > max_words or own.count(own[0]) == len(own) or doubtful.isdisjoint(sentence):
            continue
        winner = sorted(own)[len(own) // 2]  # which holds the middle if anyone holds most
        if 2 * own.count(winner) > len(own):
            runs = _runs(settled, sentence)
            for run in (*runs, *reversed(runs)):
                beside = {settled[at] for at in (run.start - 1, run.stop) if at in sentence}
                if winner in beside and doubtful.issuperset(run):
                    settled[run.start : run.stop] = [winner] * len(run)
    return settled


def _doubtful(
    run: Iterable[int], labels: Sequence[str], shares: Sequence[Shares], confident: float
) -> bool:
    return all(shares[index].get(labels[index], 0.0) < confident for index in run)


def _runs(labels: Sequence[str], within: range) -> list[range]:
    """Ranges of neighbours with the same label, in order."""
    of = labels[within.start : within.stop]
    edges = compress(count(within.start + 1), map(ne, of, of[1:]))
    return [range(first, last) for first, last in pairwise((within.start, *edges, within.stop))]
