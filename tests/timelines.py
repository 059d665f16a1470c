"""Words, turns and nasty texts. Times lie on a grid of milliseconds, so that sums are exact."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from handlers.timeline import Turn, Word

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast a machine is has no part in what is right."""

SPEAKERS = ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02")

NASTY_TEXTS = (
    "-->", "00:00:01,000", "<v Mallory>", "</v>", "&amp;", "&", "<", ">", "a\nb", "a\r\n\r\nb",
    "", " ", "\t", "\u2028", "\x00", "\x1c", "\x85", "NOTE", "WEBVTT", "STYLE", "1", "2", ";;", '"',
    "\\", "{\\an8}", "<i>", "👩\u200d👩\u200d👧", "مرحبا", "שלום", "\u202eabc\u202c", "e\u0301",
    "日本語。", "½", "\ufeff", "supercalifragilisticexpialidocious" * 3, "SPEAKER_01:", "<NA>",
    "null", "Dr.", "So.", "then,",
)  # fmt: skip


def word(text: str, start: float, end: float, speaker: str | None = None) -> Word:
    return Word(text, start, end, speaker=speaker)


def spoken(
    *texts: str, start: float = 0.0, pace: float = 0.5, speaker: str | None = None
) -> list[Word]:
    """Words one after the other, without a pause."""
    return [
        Word(text, start + pace * number, start + pace * (number + 1), speaker=speaker)
        for number, text in enumerate(texts)
    ]


def times(*, until: int = 4000) -> st.SearchStrategy[float]:
    return st.integers(0, until).map(lambda ticks: ticks / 1000)


plain_texts = st.sampled_from(("so", "I", "mean,", "yes.", "Really?", "1984", "Dr."))
any_texts = st.sampled_from(NASTY_TEXTS) | st.text(max_size=12)


def stretches(*, until: int, longest: int) -> st.SearchStrategy[tuple[float, float]]:
    """Start and end, which may be the same."""
    return st.builds(
        lambda start, length: (start / 1000, (start + length) / 1000),
        st.integers(0, until),
        st.integers(0, longest),
    )


def word_lists(
    *, until: int = 4000, text: st.SearchStrategy[str] = plain_texts
) -> st.SearchStrategy[list[Word]]:
    """Words in no order, which may overlap, last no time, or last too long."""
    return st.lists(
        st.builds(
            lambda text, stretch, sure: Word(text, stretch[0], stretch[1], sure),
            text,
            stretches(until=until, longest=until // 4),
            st.none() | st.integers(0, 1000).map(lambda share: share / 1000),
        ),
        max_size=12,
    )


@st.composite
def turn_lists(draw: st.DrawFn, *, until: int = 4000, exclusive: bool = False) -> list[Turn]:
    """Turns in no order, some of them empty; exclusive ones never overlap."""
    if exclusive:
        edges = sorted(draw(st.lists(times(until=until), max_size=20, unique=True)))
        pairs = list(zip(edges[::2], edges[1::2], strict=False))
    else:
        pairs = draw(st.lists(stretches(until=until, longest=until // 2), max_size=8))
    turns = [Turn(start, end, draw(st.sampled_from(SPEAKERS))) for start, end in pairs]
    return draw(st.permutations(turns))
