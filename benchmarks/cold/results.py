"""What was measured of one kind of worker, and whether it is what is allowed."""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.cold.cache import Cache
from benchmarks.cold.contests import OURS, PLAIN, Contest
from benchmarks.cold.floor import Floor
from benchmarks.cold.start import Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The starts of one kind of worker in one state of the page cache, by who was started."""

    contest: Contest
    cache: Cache
    floor: Floor
    starts: Mapping[str, tuple[Start, ...]]

    def seconds(self, who: str) -> float:
        """Until the first job was taken: the median."""
        return statistics.median(start.taken for start in self.starts[who])

    def share(self, who: str) -> float:
        """Of the plain worker's time: the median of pairs, each started next to each other."""
        pairs = zip(self.starts[who], self.starts[PLAIN], strict=True)
        return statistics.median(start.taken / plain.taken for start, plain in pairs)

    def peak(self, who: str) -> int:
        """Bytes, of the worst start."""
        return max(start.peak_bytes for start in self.starts[who])

    def phases(self, who: str) -> Mapping[str, float]:
        """Medians of what the worker itself says of its start."""
        starts = self.starts[who]
        return {
            name: statistics.median(start.phases.get(name, 0.0) for start in starts)
            for name in starts[0].phases
        }

    @property
    def allowed_share(self) -> float:
        return self.contest.allowed.share[self.cache]

    def misses(self) -> Iterator[str]:
        """Say what of ours is above what is allowed."""
        where = f"{self.contest.name}, {self.cache} cache"
        if (share := self.share(OURS)) > self.allowed_share:
            yield f"{where}: {share:.0%} of plain, allowed {self.allowed_share:.0%}"
        memory, peak = self.contest.allowed.memory, self.peak(OURS)
        if memory and peak > memory:
            yield f"{where}: {peak / 1e6:.0f} MB, allowed {memory / 1e6:.0f} MB"

    def as_json(self) -> dict[str, Any]:
        """All of it, run by run."""
        return {
            "worker": self.contest.name,
            "cache": self.cache,
            "weight_bytes": self.contest.weight_bytes,
            "floor_seconds": round(self.floor.of(self.contest), 3),
            "allowed_share": self.allowed_share,
            "allowed_peak_bytes": self.contest.allowed.memory,
            "starts": {
                who: {
                    "median_seconds": round(self.seconds(who), 3),
                    "share_of_plain": round(self.share(who), 4),
                    "peak_bytes": self.peak(who),
                    "phases": {name: round(s, 3) for name, s in self.phases(who).items()},
                    "runs": [asdict(start) for start in starts],
                }
                for who, starts in self.starts.items()
            },
        }
