"""Every way in which planning can fail.

    PlanError                            exit status
    ├── LogError                         2
    │   ├── LogUnreadable                a log cannot be opened, or is no text
    │   ├── LogColumnsUnknown            its columns are not those that are needed
    │   ├── LogRowsBad                   some of its rows cannot be
    │   └── LogEmpty                     it holds no request
    ├── JobsError                        besides the failures of `handlers.errors.EndpointError`
    │   ├── JobsKeyMissing               2  there is no key to ask with
    │   ├── JobsUnlisted                 1  RunPod lists jobs in a way that is not known
    │   └── RecordNotWritten             2  what was seen of jobs cannot be written
    ├── SpeedsError                      2  how long work takes is not known
    │   ├── SpeedsUnknown                there is no such set of speeds, nor file
    │   ├── SpeedsInvalid                a file of speeds holds what cannot be
    │   ├── RepliesUnreadable            a folder of replies holds none
    │   └── RepliesTooFew                it holds too few to tell how long work takes
    ├── OptionsError                     2
    │   ├── QuotaTooSmall                the account's workers are too few for a shape
    │   └── PriceMissing                 nobody says what a worker costs
    ├── AnswerUnwritable                 1  a file or picture of the answer cannot be written
    ├── ColdStartError
    │   ├── RunsFileUnusable             2  a file of runs cannot be read, written or locked
    │   ├── RunsFileInvalid              2  it holds something else than runs
    │   ├── RunsFileOther                2  it holds runs of another experiment
    │   ├── CriteriaInvalid              2  a file of criteria holds what cannot be
    │   ├── ColdJobInvalid               2  the job to submit cannot be made
    │   ├── ColdJobRefused               2  the platform or the worker says that the job is wrong
    │   ├── ColdCostUnknown              2  nobody says what a worker costs
    │   ├── ColdCostDeclined             2  it may cost more than was agreed to
    │   ├── NeverCold                    3  workers stayed, and no cold start could begin
    │   └── AlwaysWarm                   1  runs in a row met workers that were there before
    ├── AccountError                     what RunPod says of an account cannot be used
    │   ├── AccountKeyMissing            2  there is no key to ask with
    │   ├── AccountAddressInvalid        2  RUNPOD_API_BASE is no address for a key
    │   ├── AccountRefused               1  RunPod does not tell this caller
    │   ├── AccountAnswerInvalid         1  what comes back is no answer of its API
    │   └── AccountUnreachable           3  no usable answer, also when asked again
    ├── CostError                        2
    │   ├── CostFileUnusable             a file cannot be opened, or is too large
    │   ├── CostFileInvalid              it holds what is neither reply, nor bill, nor plan
    │   ├── CostNothing                  there is nothing to add up
    │   └── TablesInvalid                the inputs of tables hold what cannot be
    ├── ProfileInvalid                   2  a profile holds what cannot be
    └── SimulationError                  2  what is to be simulated cannot be
        ├── RulesInvalid                 a fleet's rules contradict themselves
        ├── NoWorkers                    a fleet may have no worker at all
        ├── QuotaExceeded                the account allows fewer workers than the fleets may have
        └── RequestsInvalid              arrival times or work that cannot be

A message is one or two sentences: what happened, then what to do. It holds no secret. Status 3
says that the same command may succeed later, as in `parley transcribe`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final

ROWS_SHOWN: Final = 20
"""How many bad rows a message names; the rest it counts."""


class PlanError(Exception):
    """A failure that whoever plans can act on."""

    status: ClassVar[int] = 1


class LogError(PlanError):
    """A log of requests cannot be used as it is."""

    status = 2


class LogUnreadable(LogError):
    """A log cannot be opened, or is no text."""

    def __init__(self, file: str, *, reason: str, advice: str) -> None:
        super().__init__(f"{file} {reason}. {advice}")


class LogColumnsUnknown(LogError):
    """A log's columns are not those that are needed."""

    def __init__(self, file: str, *, reason: str, advice: str) -> None:
        super().__init__(f"{file}: {reason}. {advice}")


class LogRowsBad(LogError):
    """Some rows of a log cannot be.

    Attributes:
        rows: line and reason of the first `ROWS_SHOWN` of them.
        count: of all of them.

    """

    def __init__(self, file: str, rows: Sequence[tuple[int, str]], *, count: int, of: int) -> None:
        self.rows, self.count = tuple(rows[:ROWS_SHOWN]), count
        listed = "".join(f"\n  line {line}: {reason}" for line, reason in self.rows)
        hidden = count - len(self.rows)
        more = f"\n  and {hidden:,} more" if hidden else ""
        super().__init__(
            f"{file}: {count:,} of {of:,} rows cannot be used; correct them, or give --skip-bad "
            f"to use the rest:{listed}{more}"
        )


class LogEmpty(LogError):
    """A log holds no request."""

    def __init__(self, file: str) -> None:
        super().__init__(
            f"{file} holds no request. Give a log with at least one, or describe the traffic in a "
            "profile (--profile)."
        )


class JobsError(PlanError):
    """RunPod's own records of jobs cannot be had."""


class JobsKeyMissing(JobsError):
    """There is no key to ask RunPod with."""

    status = 2

    def __init__(self) -> None:
        super().__init__(
            "RUNPOD_API_KEY is not set, and RunPod tells of jobs only to their owner. Export a key "
            "that may read the endpoint."
        )


class JobsUnlisted(JobsError):
    """RunPod lists jobs in a way that is not known: it does not document how."""

    def __init__(self, endpoint: str, *, reason: str) -> None:
        super().__init__(
            f"RunPod's list of the jobs of {endpoint} is none that is known: {reason}. Have your "
            "client write a log of its requests instead: time, audio_seconds, user."
        )


class RecordNotWritten(JobsError):
    """What was seen of jobs cannot be written."""

    status = 2

    def __init__(self, file: str, *, reason: str) -> None:
        super().__init__(
            f"{file} cannot be written: {reason}. Name a file in a folder that is there and has "
            "room."
        )


class AccountError(PlanError):
    """What RunPod says of an account cannot be used."""


class AccountKeyMissing(AccountError):
    """There is no key to ask RunPod with."""

    status = 2

    def __init__(self, *, what: str) -> None:
        super().__init__(
            f"RUNPOD_API_KEY is not set, and RunPod tells {what} only to the account's owner. "
            "Export a key that may read it."
        )


class AccountAddressInvalid(AccountError):
    """RUNPOD_API_BASE is no address that a key may be sent to."""

    status = 2

    def __init__(self) -> None:
        super().__init__(
            "RUNPOD_API_BASE is no https address (http is taken for this machine alone). Leave it "
            "out for RunPod."
        )


class AccountRefused(AccountError):
    """RunPod does not tell this caller."""

    def __init__(self, *, what: str, http: int, reason: str) -> None:
        super().__init__(
            f"RunPod does not tell {what} (HTTP {http}: {reason}). Check that RUNPOD_API_KEY is "
            "of this account and may read it."
        )


class AccountAnswerInvalid(AccountError):
    """What comes back is no answer of RunPod's API."""

    def __init__(self, *, what: str, reason: str) -> None:
        super().__init__(
            f"What RunPod says of {what} cannot be read: {reason}. Its API may have changed: look "
            "for a newer version of Parley."
        )


class AccountUnreachable(AccountError):
    """RunPod gives no usable answer, also when asked again."""

    status = 3

    def __init__(self, *, what: str, reason: str) -> None:
        super().__init__(
            f"RunPod cannot be asked for {what}: {reason}. Run the same command again later."
        )


class CostError(PlanError):
    """Costs cannot be added up."""

    status = 2


class CostFileUnusable(CostError):
    """A file cannot be opened, or is too large."""

    def __init__(self, file: str, *, reason: str) -> None:
        super().__init__(f"{file} {reason}. Leave it out, or correct it.")


class CostFileInvalid(CostError):
    """A file holds what is neither a reply, nor a bill, nor a plan.

    Args:
        file: as it was named.
        problems: line and reason of each.
        kind: what was looked for.

    """

    def __init__(self, file: str, problems: Sequence[tuple[int, str]], *, kind: str) -> None:
        self.problems = tuple(problems)
        listed = "".join(f"\n  line {line}: {reason}" for line, reason in problems[:ROWS_SHOWN])
        hidden = len(problems) - ROWS_SHOWN
        more = f"\n  and {hidden:,} more" if hidden > 0 else ""
        super().__init__(f"{file} does not hold {kind}; correct it, or leave it out:{listed}{more}")


class CostNothing(CostError):
    """There is nothing to add up."""

    def __init__(self, *, what: str) -> None:
        super().__init__(
            f"{what}. Give replies (JSON files of `parley transcribe`, or one reply a line), or "
            "--billing for RunPod's records."
        )


class TablesInvalid(CostError):
    """The inputs of tables hold what cannot be.

    Args:
        file: as it was named.
        problems: one for each key.

    """

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{file} cannot be used; correct:{listed}")


class ProfileInvalid(PlanError):
    """A profile holds what cannot be.

    Args:
        file: as it was named.
        problems: one for each key, with what is allowed.

    """

    status = 2

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{file} cannot be used; correct:{listed}")
        self.problems = tuple(problems)


class SpeedsError(PlanError):
    """How long work takes is not known."""

    status = 2


class SpeedsUnknown(SpeedsError):
    """There is no such set of speeds, nor such a file."""

    def __init__(self, name: str, *, known: Iterable[str]) -> None:
        super().__init__(
            f"{name} is neither a file nor one of Parley's sets of speeds: {', '.join(known)}. "
            "Give one of these, or a file that is written like planner/options/speeds.toml."
        )


class SpeedsInvalid(SpeedsError):
    """A file of speeds holds what cannot be.

    Args:
        file: as it was named.
        problems: one for each key, with what is allowed.

    """

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{file} cannot be used; correct:{listed}")
        self.problems = tuple(problems)


class RepliesUnreadable(SpeedsError):
    """A folder of replies holds none."""

    def __init__(self, folder: str, *, reason: str) -> None:
        super().__init__(
            f"{folder} {reason}. Give a folder of `.json` files, each the answer to one job: what "
            "an endpoint's /status says, or its `output` alone."
        )


class RepliesTooFew(SpeedsError):
    """Replies are too few to tell how long work takes.

    Args:
        folder: as it was named.
        counts: replies by role.
        needed: of one role.

    """

    def __init__(self, folder: str, *, counts: Mapping[str, int], needed: int) -> None:
        found = ", ".join(f"{role} {count}" for role, count in counts.items())
        super().__init__(
            f"{folder} tells too little of how long work takes: replies by role are {found}, and "
            f"{needed} of a role are needed. Add replies, of recordings of different lengths if "
            "you can, or take out those of the role that is too rare."
        )
        self.counts = dict(counts)


class OptionsError(PlanError):
    """What was asked cannot be planned."""

    status = 2


class QuotaTooSmall(OptionsError):
    """The account's workers are too few for any shape."""

    def __init__(self, quota: int, *, shapes: Sequence[str], least: int) -> None:
        super().__init__(
            f"A quota of {quota} workers is too small for {', '.join(shapes)}: at least {least} "
            "are needed. Give a larger --quota, or other shapes (--shape)."
        )


class PriceMissing(OptionsError):
    """Nobody says what a worker costs."""

    def __init__(self, *, reason: str, advice: str) -> None:
        super().__init__(f"{reason} {advice}")


class SimulationError(PlanError):
    """What is to be simulated cannot be."""

    status = 2


class RulesInvalid(SimulationError):
    """A fleet's rules contradict themselves."""

    def __init__(self, *, rule: str, value: object, advice: str) -> None:
        super().__init__(f"{rule} is {value!r}. {advice}")
        self.rule = rule


class NoWorkers(SimulationError):
    """A fleet may have no worker at all, so that nothing would ever be done."""

    def __init__(self) -> None:
        super().__init__(
            "workers_max is 0, so no request would ever be answered. Give 1 or more. (RunPod "
            "itself sets it to 0 where an endpoint had no request for 7 days.)"
        )


class QuotaExceeded(SimulationError):
    """The account allows fewer workers than the fleets together may have."""

    def __init__(self, *, quota: int, wanted: int, fleets: Sequence[str]) -> None:
        super().__init__(
            f"{', '.join(fleets)} may have up to {wanted} workers together, and the account allows "
            f"{quota}. Lower workers_max, or state the quota that your balance gives: RunPod "
            "allows 10 workers from $100."
        )


class RequestsInvalid(SimulationError):
    """Arrival times or work that cannot be."""

    def __init__(self, *, reason: str, advice: str) -> None:
        super().__init__(f"The requests cannot be simulated: {reason}. {advice}")


class ColdStartError(PlanError):
    """Cold starts cannot be tried or judged."""

    status = 2


class RunsFileUnusable(ColdStartError):
    """A file of runs cannot be read, written or locked."""

    def __init__(self, file: str, *, reason: str) -> None:
        super().__init__(f"{file} cannot be used: {reason}. Name a file that only this uses.")


class RunsFileInvalid(ColdStartError):
    """A file holds something else than runs."""

    def __init__(self, file: str, *, line: int, reason: str) -> None:
        super().__init__(
            f"{file}, line {line}: {reason}. Name a file that `parley coldstart run` wrote."
        )


class RunsFileOther(ColdStartError):
    """A file holds runs of another experiment, which must not be mixed."""

    def __init__(self, file: str, *, fields: Sequence[str]) -> None:
        super().__init__(
            f"{file} holds runs of another experiment: {', '.join(fields)} differ. Repeat what was "
            "asked then, or name another file."
        )


class CriteriaInvalid(ColdStartError):
    """A file of criteria holds what cannot be."""

    def __init__(self, file: str, *, problems: Sequence[str]) -> None:
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{file} cannot be used; correct:{listed}")


class ColdJobInvalid(ColdStartError):
    """The job to submit cannot be made."""


class ColdJobRefused(ColdStartError):
    """The platform or the worker says that the job is wrong; so it would be every time."""

    def __init__(self, endpoint: str, *, reason: str) -> None:
        super().__init__(
            f"{endpoint} refuses the job, and would every time: {reason} Correct the audio or the "
            "input; the run is kept and not counted."
        )


class ColdCostUnknown(ColdStartError):
    """Nobody says what a second of a worker costs."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"What this may cost is not known: {reason} Give --gpu POOL or --price DOLLARS (of a "
            "second of a worker), or --yes to go on without a bound."
        )


class ColdCostDeclined(ColdStartError):
    """It may cost more than was agreed to."""

    def __init__(self, *, dollars: float) -> None:
        super().__init__(
            f"Nothing was started: it may cost up to ${dollars:.2f}. Give --yes to agree, or lower "
            "--runs or --within."
        )


class NeverCold(ColdStartError):
    """Workers stayed, and no cold start could begin."""

    status = 3

    def __init__(self, endpoint: str, *, seconds: float, seen: str) -> None:
        super().__init__(
            f"{endpoint} was not cold within {seconds:.0f} s: {seen}. Set its minimum of workers "
            "to 0, stop other callers, or wait longer (--cool-within); where workers stay idle "
            "without being billed, give --asleep-after. Then run the same command again."
        )


class AlwaysWarm(ColdStartError):
    """Runs in a row met workers that were there before their job."""

    status = 1

    def __init__(self, endpoint: str, *, runs: int) -> None:
        super().__init__(
            f"{runs} runs in a row of {endpoint} met a worker that had been started before. Wait "
            "longer between them (--settle, --asleep-after), or stop other callers; FlashBoot, if "
            "it is on, brings back workers instead of starting them."
        )


class AnswerUnwritable(PlanError):
    """A file or a picture of the answer cannot be written."""

    def __init__(self, path: str, *, reason: str) -> None:
        super().__init__(
            f"{path} cannot be written: {reason}. Give a place that can; the answer itself is "
            "shown above."
        )
