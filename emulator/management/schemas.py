"""The bodies that the REST API takes, closed and bounded as its published description has them.

Rules that the description tells in words alone are in `emulator.management.rules`.
"""

from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic.alias_generators import to_camel

_T = TypeVar("_T")


def _whole(value: object) -> object:
    """JSON knows one kind of number: 2.0 is whole."""
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value  # type: ignore[call-overload]


def _unique(values: list[_T]) -> list[_T]:
    if any(value in values[:place] for place, value in enumerate(values)):
        message = "items must be unique"
        raise ValueError(message)
    return values


Whole = Annotated[int, BeforeValidator(_whole)]
Positive = Annotated[Whole, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
CudaVersion = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")]
FlashBoot = Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"]
Gigabytes = Annotated[Whole, Field(ge=10, le=4096)]


class Closed(BaseModel):
    """An object that has no other properties, and null only where that is said."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)
    nullable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _holds_no_null(cls, raw: Any) -> Any:  # noqa: ANN401  whatever JSON holds
        for name in cls.model_fields:
            key = to_camel(name)
            if isinstance(raw, dict) and raw.get(key, "") is None and name not in cls.nullable:
                message = f"{key} must not be null"
                raise ValueError(message)
        return raw

    def chosen(self, field: str, otherwise: _T) -> _T:
        """Give a field's value where the body has it."""
        value: _T = getattr(self, field) if field in self.model_fields_set else otherwise
        return value


class Container(Closed):
    """What templates and endpoints say about the container."""

    nullable: ClassVar[frozenset[str]] = frozenset({"registry"})
    args: str = ""
    disk: Positive = 20
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    image: str = ""
    ports: list[str] = Field(default_factory=list)
    registry: str | None = None


class GpuChoice(Closed):
    """Pools of GPUs without some of their types."""

    pools: Annotated[list[str], Field(min_length=1)]
    excluded_types: Annotated[
        list[Annotated[str, Field(pattern=r"^\s*[^-\s]")]], AfterValidator(_unique)
    ] = Field(default_factory=list)
    count: Positive = 1
    allowed_cuda_versions: list[CudaVersion] = Field(default_factory=list)
    min_cuda_version: CudaVersion = ""


class GpuChange(Closed):
    """A part of such a choice; pools and exclusions go together."""

    pools: Annotated[list[str], Field(min_length=1)] = Field(default_factory=list)
    excluded_types: Annotated[
        list[Annotated[str, Field(pattern=r"^\s*[^-\s]")]], AfterValidator(_unique)
    ] = Field(default_factory=list)
    count: Positive = 1
    allowed_cuda_versions: list[CudaVersion] = Field(default_factory=list)
    min_cuda_version: Annotated[str, Field(pattern=r"^$|^[0-9]+\.[0-9]+$")] = ""

    @model_validator(mode="after")
    def _exclusions_need_pools(self) -> Self:
        if "excluded_types" in self.model_fields_set and "pools" not in self.model_fields_set:
            message = "excludedTypes requires pools"
            raise ValueError(message)
        return self


class CpuChoice(Closed):
    """One flavor and size of a CPU worker."""

    id: Text
    vcpu_count: Annotated[Whole, Field(ge=2)]


CpuChoices = Annotated[list[CpuChoice], Field(min_length=1), AfterValidator(_unique)]


class Workers(Closed):
    """How many workers there are, and for how many seconds one may be idle."""

    min: Annotated[Whole, Field(ge=0)] = 0
    max: Annotated[Whole, Field(ge=0)] = 3
    idle_timeout: Annotated[Whole, Field(ge=1, le=3600)] = 10


class QueueDelay(Closed):
    """More workers when a job has waited for so many seconds."""

    type: Literal["QUEUE_DELAY"]
    queue_delay: Annotated[float, Field(ge=0.5, allow_inf_nan=False)]


class RequestCount(Closed):
    """One worker for so many jobs."""

    type: Literal["REQUEST_COUNT"]
    request_count: Positive


Scaler = Annotated[QueueDelay | RequestCount, Field(discriminator="type")]


class CreateEndpoint(Container):
    """POST /v2/serverless."""

    name: Text
    type: Literal["QUEUE", "LOAD_BALANCER"]
    scaling: Scaler
    gpu: GpuChoice | None = None
    cpu: CpuChoices = Field(default_factory=list)
    data_center_ids: list[str] = Field(default_factory=list)
    flashboot: FlashBoot = "OFF"
    network_volumes: list[str] = Field(default_factory=list)
    template_id: Text = ""
    timeout: Whole = 0
    """The description says 300000; what was observed is 0, which is no limit."""
    workers: Workers = Workers()

    @model_validator(mode="after")
    def _has_an_image(self) -> Self:
        if not {"image", "template_id"} & self.model_fields_set:
            message = "missing property 'image'"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _balances_by_requests(self) -> Self:
        if self.type == "LOAD_BALANCER" and self.scaling.type != "REQUEST_COUNT":
            message = "scaling.type must be 'REQUEST_COUNT' for a load balancer"
            raise ValueError(message)
        return self


class UpdateEndpoint(Container):
    """PATCH /v2/serverless/{id}: what is left out stays."""

    name: Text = ""
    scaling: Scaler | None = None
    gpu: GpuChange | None = None
    cpu: CpuChoices = Field(default_factory=list)
    data_center_ids: list[str] = Field(default_factory=list)
    flashboot: FlashBoot = "OFF"
    network_volumes: list[str] = Field(default_factory=list)
    template_id: str = ""
    timeout: Whole = 0
    workers: Workers = Workers()


class PersistentMount(Closed):
    """A disk of a pod, in GB."""

    size: Annotated[Whole, Field(ge=10)]
    path: str


class Mounts(Closed):
    """The disks of a template."""

    persistent: PersistentMount | None = None


class _Template(Container):
    allowed_cuda_versions: list[CudaVersion] = Field(default_factory=list)
    category: Literal["CPU", "NVIDIA", "AMD"] = "NVIDIA"
    mounts: Mounts = Mounts()
    public: bool = False
    serverless: bool = False
    start_jupyter: bool = True
    start_ssh: bool = True


class CreateTemplate(_Template):
    """POST /v2/templates."""

    name: Text
    image: str


class UpdateTemplate(_Template):
    """PATCH /v2/templates/{id}: what is left out stays."""

    name: Text = ""


class CreateVolume(Closed):
    """POST /v2/network-volumes."""

    name: Text
    size: Gigabytes
    data_center: Text
    type: Literal["STANDARD", "HIGH_PERFORMANCE"] = "STANDARD"


class UpdateVolume(Closed):
    """PATCH /v2/network-volumes/{id}."""

    name: Text = ""
    size: Gigabytes = 10

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            message = "minimum 1 properties allowed, but found 0 properties"
            raise ValueError(message)
        return self


class CreateRegistry(Closed):
    """POST /v2/registries."""

    name: Text
    username: Text
    password: Annotated[Text, Field(repr=False)]
