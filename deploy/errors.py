"""Every way in which a deployment can fail.

    DeployError                          exit status
    ├── ConfigError                      2
    │   ├── ManifestInvalid              a manifest holds what cannot be
    │   ├── VariableInvalid              an environment variable does
    │   ├── KeyMissing                   RUNPOD_API_KEY is not set
    │   ├── ValueMissing                 a variable that an endpoint needs is not set
    │   ├── OrchestratorKeyMissing       the orchestrator has no key of its own
    │   └── RegistryMissing              nobody says where images go, or come from
    ├── ImageError                       1
    │   ├── ImageMissing                 a registry does not have an image
    │   └── BuildFailed                  an image was not built, or not pushed
    ├── ModelRefused                     1  the hub does not give a model to this token
    ├── AccountError
    │   ├── KeyRefused                   2  RunPod does not accept the key
    │   ├── QuotaExceeded                1  the account allows fewer workers
    │   ├── QuotaRefused                 1  the same, as RunPod says it when asked to create
    │   ├── PoolUnknown                  2  there is no such pool, flavor or data center
    │   ├── NoCapacity                   3  no pool has a machine now
    │   ├── NameTaken                    1  an endpoint of that name belongs to somebody else
    │   └── CannotChange                 1  what is wanted needs another endpoint
    ├── PlatformError
    │   ├── RequestRefused               1  RunPod says that a request is wrong (400, 404, 409, 422)
    │   ├── GraphqlRefused               1  the same, of its GraphQL API
    │   ├── AnswerInvalid                3  what came back is no answer of that API
    │   ├── RateLimited                  3  429, also when asked again
    │   ├── PlatformFailed               3  5xx, also when asked again
    │   ├── PlatformUnreachable          3  no connection, also when tried again
    │   └── AnswerLost                   3  nobody knows whether a request was carried out
    └── SmokeError
        ├── NotAnswering                 3  no worker did the sample in time
        ├── SmokeFailed                  1  a worker says that it cannot
        └── TranscriptEmpty              1  the sample's words did not come back

A message is one or two sentences: what happened, then what to do. It holds no secret; what others
wrote goes through `deploy.secrets.Secrets.hide` before it is shown. Status 3 says that the same
command may succeed later, as in `parley transcribe`.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar


class DeployError(Exception):
    """A failure that whoever deploys can act on."""

    status: ClassVar[int] = 1


class ConfigError(DeployError):
    """What was asked cannot be, whatever RunPod says."""

    status = 2


class ManifestInvalid(ConfigError):
    """A manifest holds what cannot be.

    Args:
        file: as it was named.
        problems: one for each key, with what is allowed.

    """

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{file} cannot be used; correct:{listed}")
        self.problems = tuple(problems)


class VariableInvalid(ConfigError):
    """An environment variable, or an option, holds what cannot be."""

    def __init__(self, name: str, *, reason: str) -> None:
        super().__init__(f"{name} {reason}")


class KeyMissing(ConfigError):
    """There is no key to the account."""

    def __init__(self) -> None:
        super().__init__(
            "RUNPOD_API_KEY is not set. Make a key that may read and write, at "
            "https://console.runpod.io/user/settings under API Keys, and export it."
        )


class ValueMissing(ConfigError):
    """A variable that an endpoint needs is not set, nor has the endpoint a value already."""

    def __init__(self, variable: str, *, endpoint: str, reason: str) -> None:
        super().__init__(f"{variable} is not set, and {endpoint} needs it: {reason}")


class OrchestratorKeyMissing(ConfigError):
    """The orchestrator has no key for the endpoints that it calls."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(
            f"PARLEY_ORCHESTRATOR_KEY is not set, and {endpoint} needs a key to call its two "
            "endpoints. Make a restricted key (docs/deploying.md says how) and export it, or give "
            "--share-key to let the orchestrator use RUNPOD_API_KEY, which may do anything with "
            "your account. Nothing was created."
        )


class RegistryMissing(ConfigError):
    """Nobody says where images go, or come from."""

    def __init__(self) -> None:
        super().__init__(
            "IMAGE_REGISTRY is not set. Say where images are kept, for instance "
            "IMAGE_REGISTRY=ghcr.io/you, and log in there (docker login ghcr.io)."
        )


class ImageError(DeployError):
    """An image is not where RunPod will look for it."""


class ImageMissing(ImageError):
    """A registry does not have an image."""

    def __init__(self, image: str) -> None:
        super().__init__(
            f"There is no image {image}, or nobody may read it without a password. Check "
            "IMAGE_REGISTRY and IMAGE_TAG, make it public, or name the credentials that RunPod "
            "has for it by `registry` in the manifest. Nothing was created."
        )


class BuildFailed(ImageError):
    """An image was not built, or not pushed."""

    def __init__(self, *, command: str, reason: str) -> None:
        super().__init__(
            f"The images were not built and pushed: {reason}. Run it by itself to see all of it: "
            f"{command}"
        )


class ModelRefused(DeployError):
    """The hub does not give a model to this token."""

    def __init__(self, repository: str) -> None:
        super().__init__(
            f"The hub does not give {repository} to this HF_TOKEN. Accept its conditions at "
            f"https://huggingface.co/{repository} with the account that the token belongs to. "
            "Nothing was created."
        )


class AccountError(DeployError):
    """The account does not allow it."""


class KeyRefused(AccountError):
    """RunPod does not accept the key."""

    status = 2

    def __init__(self, *, what: str, http: int) -> None:
        reason = "does not know the key" if http == 401 else "does not allow the key"  # noqa: PLR2004
        super().__init__(
            f"RunPod {reason} to {what} (HTTP {http}). Set RUNPOD_API_KEY to a key that may read "
            "and write, of https://console.runpod.io/user/settings."
        )


class QuotaExceeded(AccountError):
    """The account allows fewer workers than all endpoints would have."""

    def __init__(self, *, quota: int, wanted: int, endpoints: Iterable[str]) -> None:
        super().__init__(
            f"All endpoints together would have up to {wanted} workers, and the account allows "
            f"{quota}: {', '.join(endpoints)}. Lower workers.max in the manifest, delete an "
            "endpoint that is not needed, or add balance: RunPod allows 10 from $100. Nothing was "
            "created."
        )


class QuotaRefused(AccountError):
    """RunPod itself says that there would be too many workers."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"RunPod does not allow so many workers: {reason}. Lower workers.max in the manifest, "
            "delete an endpoint that is not needed, or add balance; then run the same command "
            "again."
        )


class PoolUnknown(AccountError):
    """There is no such pool, flavor or data center.

    Args:
        kind: of what is not known.
        names: that are not.
        known: those that are.

    """

    status = 2

    def __init__(self, *, kind: str, names: Sequence[str], known: Iterable[str]) -> None:
        super().__init__(
            f"RunPod has no {kind} {', '.join(names)}. It has: {', '.join(known)}. Correct the "
            "manifest. Nothing was created."
        )


class NoCapacity(AccountError):
    """No machine of those that were asked for is free."""

    status = 3

    def __init__(self, endpoint: str, *, asked: str, where: str, reason: str = "") -> None:
        said = f" RunPod says: {reason}." if reason else ""
        super().__init__(
            f"None of {asked} has a free machine for {endpoint} {where}.{said} Add another pool to "
            "the manifest, leave data_centers empty, or try again later."
        )


class NameTaken(AccountError):
    """An endpoint of that name is not this shape's to change."""

    def __init__(self, name: str, *, reason: str, advice: str) -> None:
        super().__init__(f"There is already an endpoint {name}, and {reason}. {advice}")


class CannotChange(AccountError):
    """What is wanted needs another endpoint."""

    def __init__(self, name: str, *, reason: str, shape: str) -> None:
        super().__init__(
            f"{name} cannot be changed as the manifest wants it: {reason}. Run "
            f"`make destroy-{shape}` first; the endpoint then gets another id."
        )


class PlatformError(DeployError):
    """RunPod's API gave no answer that can be used."""


class RequestRefused(PlatformError):
    """RunPod says that a request is wrong."""

    def __init__(self, *, what: str, http: int, reason: str) -> None:
        super().__init__(
            f"RunPod refused to {what} (HTTP {http}): {reason}. Correct what it names in the "
            "manifest and run the same command again: what is there already is kept."
        )
        self.http, self.reason = http, reason


class GraphqlRefused(PlatformError):
    """RunPod's GraphQL API says that a request is wrong."""

    def __init__(self, *, what: str, reason: str) -> None:
        super().__init__(
            f"RunPod's GraphQL API refused to {what}: {reason}. Run the same command again: what "
            "is there already is kept. If it stays, RunPod may have changed that API: "
            "docs/deploying.md says what it is used for."
        )


class AnswerInvalid(PlatformError):
    """What came back is no answer of that API."""

    status = 3

    def __init__(self, *, what: str, reason: str) -> None:
        super().__init__(
            f"RunPod's answer to the request to {what} is none that is known: {reason}. Check "
            "RUNPOD_API_BASE and that Parley is up to date, then run the same command again."
        )


class RateLimited(PlatformError):
    """RunPod answers 429, also when asked again."""

    status = 3

    def __init__(self, *, what: str, seconds: float) -> None:
        pause = f" in {seconds:.0f} s" if seconds else " in some minutes"
        super().__init__(
            f"RunPod takes no more requests for now (429, asked to {what}). Run the same command "
            f"again{pause}: it goes on where it was."
        )


class PlatformFailed(PlatformError):
    """RunPod answers 5xx, also when asked again."""

    status = 3

    def __init__(self, *, what: str, http: int) -> None:
        super().__init__(
            f"RunPod keeps answering HTTP {http} when asked to {what}. Look at "
            "https://uptime.runpod.io and run the same command again later: it goes on where it "
            "was."
        )


class PlatformUnreachable(PlatformError):
    """RunPod cannot be connected to, also when tried again."""

    status = 3

    def __init__(self, *, what: str, host: str, reason: str) -> None:
        super().__init__(
            f"{host} cannot be reached to {what}: {reason}. Check the network and RUNPOD_API_BASE, "
            "then run the same command again: it goes on where it was."
        )


class AnswerLost(PlatformError):
    """Nobody knows whether a request was carried out: look before it is sent again."""

    status = 3

    def __init__(self, *, what: str) -> None:
        super().__init__(
            f"The connection broke while RunPod was asked to {what}. Run the same command again: "
            "it looks first whether that happened."
        )


class SmokeError(DeployError):
    """The endpoints are there, and the sample did not come back as a transcript."""


class NotAnswering(SmokeError):
    """No worker did the sample in time."""

    status = 3

    def __init__(self, *, endpoint: str, seconds: float, seen: str) -> None:
        super().__init__(
            f"{endpoint} did not answer within {seconds:.0f} s; seen last: {seen}. The endpoints "
            "stay as they are. A first start pulls the image and fills the model cache, which can "
            "take 20 minutes: run the same command again, or look into the endpoint's Workers tab "
            "and logs in the console (throttled: add pools; unhealthy: its log says why)."
        )


class SmokeFailed(SmokeError):
    """A worker, or the platform for it, says that it cannot."""

    def __init__(self, *, code: str, message: str) -> None:
        super().__init__(f"The sample failed with {code}: {message}")


class TranscriptEmpty(SmokeError):
    """The sample's words did not come back."""

    def __init__(self) -> None:
        super().__init__(
            "The sample's reply holds no words. Check which models the endpoints use "
            "(PARLEY_TRANSCRIBER_MODEL) and look into the transcription worker's log."
        )
