"""What has to change: nothing where all is right, and else exactly what differs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.apply import apply
from deploy.differences import differences
from deploy.endpoint import (
    MARK,
    Cpu,
    Deployed,
    EndpointSpec,
    Gpu,
    Scaling,
    State,
    Volume,
    VolumeSpec,
    Workers,
)
from deploy.errors import (
    CannotChange,
    NameTaken,
    OrchestratorKeyMissing,
    QuotaExceeded,
    RegistryMissing,
    ValueMissing,
)
from deploy.manifest import SHAPES, Manifest, Shape
from deploy.plan import (
    CreateEndpoint,
    GrowVolume,
    Plan,
    RemoveEndpoint,
    UpdateEndpoint,
    plan,
    render,
    summary,
)
from deploy.wanted import Aim, Surroundings, aim
from tests.deployments import (
    MONDAY_NOON,
    SECRETS,
    VARIABLES,
    Account,
    called,
    manifest_of,
    surroundings,
)


def planned(manifest: Manifest, state: State, around: Surroundings | None = None) -> Plan:
    return plan(aim(manifest, around or surroundings(), state), state)


async def deployed(manifest: Manifest, around: Surroundings | None = None) -> State:
    """What an account holds after a deployment."""
    account = Account()
    outcome = await apply(
        manifest, around=around or surroundings(), platform=account, tell=lambda _line: None
    )
    return outcome.state


def stranger(name: str, *, most: int = 1, mark: str | None = None) -> Deployed:
    environment = {MARK: mark} if mark else {}
    spec = EndpointSpec(
        name=name,
        image="somebody/else:1",
        disk_gb=5,
        machines=(Cpu(flavor="cpu3c", vcpus=2),),
        workers=Workers(most=most),
        scaling=Scaling(),
        timeout_ms=1000,
        flashboot="OFF",
        environment=environment,
    )
    return Deployed(id=f"id-of-{name}", spec=spec)


@pytest.mark.parametrize("shape", SHAPES)
async def test_where_nothing_is_everything_is_created(shape: Shape) -> None:
    manifest = manifest_of(shape)
    changes = planned(manifest, State(quota=5)).changes
    assert [type(change) for change in changes] == [CreateEndpoint] * len(manifest.endpoints)


@pytest.mark.parametrize("shape", SHAPES)
async def test_what_was_applied_plans_nothing(shape: Shape) -> None:
    state = await deployed(manifest_of(shape))
    again = planned(manifest_of(shape), state)
    assert again.changes == ()
    assert summary(again) == "No changes: everything is as the manifest says."
    assert len(again.right) == len(state.endpoints)


CHANGES: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("disk_gb", lambda one: one.update(disk_gb=40), "20 -> 40"),
    ("registry", lambda one: one.update(registry="reg1"), "- -> reg1"),
    ("timeout_seconds", lambda one: one.update(timeout_seconds=7200), "3600 -> 7200"),
    ("flashboot", lambda one: one.update(flashboot="OFF"), "FLASHBOOT -> OFF"),
    ("data_centers", lambda one: one.update(data_centers=["US-TX-3"]), "- -> US-TX-3"),
    (
        "gpu.pools",
        lambda one: one["gpu"].update(pools=["ADA_24"]),
        "AMPERE_16, AMPERE_24, ADA_24 -> ADA_24",
    ),
    ("gpu.excluded", lambda one: one["gpu"].update(excluded=["NVIDIA L4"]), "- -> NVIDIA L4"),
    ("gpu.count", lambda one: one["gpu"].update(count=2), "1 -> 2"),
    ("gpu.min_cuda", lambda one: one["gpu"].update(min_cuda="13.1"), "13.0 -> 13.1"),
    ("workers.min", lambda one: one["workers"].update(min=1), "0 -> 1"),
    ("workers.max", lambda one: one["workers"].update(max=1), "2 -> 1"),
    ("workers.idle_seconds", lambda one: one["workers"].update(idle_seconds=5), "60 -> 5"),
    ("scaling.value", lambda one: one["scaling"].update(value=2), "4 -> 2"),
    (
        "environment.PARLEY_CONCURRENCY",
        lambda one: one["environment"].update(PARLEY_CONCURRENCY="4"),
        "- -> 4",
    ),
]


@pytest.mark.parametrize(("key", "change", "shown"), CHANGES)
async def test_a_changed_value_plans_exactly_that_change(
    key: str, change: Callable[[dict[str, Any]], Any], shown: str
) -> None:
    state = await deployed(manifest_of("orch"))
    manifest = manifest_of("orch", lambda values: change(called(values, "transcription")))
    (update,) = planned(manifest, state).changes
    assert isinstance(update, UpdateEndpoint)
    assert update.existing.spec.name == "parley-transcription"
    assert update.keys == {key}
    assert render(planned(manifest, state))[1] == f"    {key}: {shown}"


async def test_a_new_tag_changes_the_images_and_nothing_else() -> None:
    state = await deployed(manifest_of("orch"))
    changes = planned(manifest_of("orch"), state, surroundings(tag="1.1")).changes
    assert [change.keys for change in changes if isinstance(change, UpdateEndpoint)] == [
        frozenset({"image"})
    ] * 3


async def test_another_model_is_planned_and_a_commit_of_the_same_branch_is_not() -> None:
    def v3(values: dict[str, Any]) -> None:
        called(values, "transcription")["models"][0]["repository"] = "nvidia/parakeet-tdt-0.6b-v3"

    state = await deployed(manifest_of("split"))
    models = {one.spec.name: one.spec.models for one in state.endpoints}
    assert models["parley-transcription"] == (
        f"https://huggingface.co/nvidia/parakeet-tdt-0.6b-v2:{'5' * 40}",
    )
    (update,) = planned(manifest_of("split", v3), state).changes
    assert isinstance(update, UpdateEndpoint)
    assert update.keys == {"models"}


async def test_another_commit_is_planned() -> None:
    def pin(values: dict[str, Any]) -> None:
        called(values, "transcription")["models"][0]["revision"] = "7" * 40

    state = await deployed(manifest_of("split"))
    (update,) = planned(manifest_of("split", pin), state).changes
    assert isinstance(update, UpdateEndpoint)
    assert update.differences[0].new.endswith("7" * 40)


async def test_a_schedule_counts_in_its_hours_alone() -> None:
    def evening(values: dict[str, Any]) -> None:
        called(values, "transcription")["warm"] = {"workers": 1, "hours": "17:00-23:00"}

    manifest = manifest_of("split", evening)
    state = await deployed(manifest)
    assert planned(manifest, state).changes == ()
    later = surroundings(moment=MONDAY_NOON + timedelta(hours=6))
    (update,) = planned(manifest, state, later).changes
    assert isinstance(update, UpdateEndpoint)
    assert update.keys == {"workers.min"}


async def test_what_is_not_set_stays_and_what_is_set_to_nothing_goes() -> None:
    manifest = manifest_of("orch")
    state = await deployed(manifest)
    assert planned(manifest, state, surroundings(variables={})).changes == ()
    emptied = surroundings(variables={**VARIABLES, "BUCKET_SECRET_ACCESS_KEY": ""})
    changes = planned(manifest, state, emptied).changes
    assert [change.keys for change in changes if isinstance(change, UpdateEndpoint)] == [
        frozenset({"environment.BUCKET_SECRET_ACCESS_KEY"})
    ] * 3


async def test_no_plan_shows_a_secret() -> None:
    manifest = manifest_of("orch")
    state = await deployed(manifest)
    other = surroundings(
        variables={name: f"hf_new{value}" for name, value in VARIABLES.items()}, tag="2"
    )
    shown = [
        *render(planned(manifest, State(quota=5))),
        *render(planned(manifest, state, other)),
        repr(planned(manifest, State(quota=5))),
        repr(planned(manifest, state, other)),
        repr(state),
        repr(other),
        repr(aim(manifest, other, state)),
    ]
    text = "\n".join(shown)
    assert "environment.HF_TOKEN: (hidden) -> (hidden)" in text
    assert not any(secret in text for secret in SECRETS)


async def test_a_reference_to_a_secret_of_runpod_is_no_secret() -> None:
    around = surroundings(variables={**VARIABLES, "HF_TOKEN": "{{ RUNPOD_SECRET_hf }}"})
    text = "\n".join(render(planned(manifest_of("split"), State(), around)))
    assert "environment.HF_TOKEN: {{ RUNPOD_SECRET_hf }}" in text


def test_the_orchestrator_is_last_and_waits_for_the_ids_of_the_others() -> None:
    changes = planned(manifest_of("orch"), State(quota=5)).changes
    names = [change.spec.name for change in changes if isinstance(change, CreateEndpoint)]
    assert names == ["parley-transcription", "parley-diarization", "parley-orchestrator"]
    text = "\n".join(render(planned(manifest_of("orch"), State())))
    assert "PARLEY_DIARIZATION_ENDPOINT: (the id of parley-diarization)" in text


def test_the_quota_counts_endpoints_of_others_too() -> None:
    manifest = manifest_of("orch")
    assert planned(manifest, State(quota=5)).changes
    assert planned(manifest, State(quota=None, endpoints=(stranger("x"),))).changes
    with pytest.raises(QuotaExceeded, match=r"up to 6 workers.*allows 5.*x 1.*Nothing was created"):
        planned(manifest, State(quota=5, endpoints=(stranger("x"),)))


async def test_a_quota_that_sank_does_not_stop_what_asks_for_no_more() -> None:
    state = replace(await deployed(manifest_of("orch")), quota=3)
    changes = planned(manifest_of("orch"), state, surroundings(tag="2")).changes
    assert len(changes) == 3


def test_an_endpoint_of_somebody_else_is_not_touched() -> None:
    with pytest.raises(NameTaken, match=r"Parley did not make it.*Rename it"):
        planned(manifest_of("single"), State(endpoints=(stranger("parley-single"),)))


async def test_a_shape_that_grows_takes_over_what_there_is() -> None:
    state = await deployed(manifest_of("split"))
    changes = planned(manifest_of("orch"), replace(state, quota=9)).changes
    assert [type(change) for change in changes] == [UpdateEndpoint, UpdateEndpoint, CreateEndpoint]
    assert render(Plan(changes=changes[:1]))[-1] == f"    environment.{MARK}: split -> orch"


async def test_a_shape_does_not_take_away_what_another_needs() -> None:
    state = await deployed(manifest_of("orch"))
    with pytest.raises(NameTaken, match=r"shape orch, with parley-orchestrator.*destroy-orch"):
        planned(manifest_of("split"), state)


async def test_what_left_the_manifest_goes_when_somebody_agrees() -> None:
    state = await deployed(manifest_of("single"))
    renamed = manifest_of("single", lambda values: values["endpoints"][0].update(name="other"))
    removal, creation = planned(renamed, replace(state, quota=9)).changes
    assert isinstance(removal, RemoveEndpoint)
    assert removal.asks
    assert isinstance(creation, CreateEndpoint)


async def test_a_duplicate_goes_without_a_question_and_the_older_stays() -> None:
    state = await deployed(manifest_of("single"))
    (one,) = state.endpoints
    twice = replace(state, endpoints=(replace(one, id="later", created="2027"), one), quota=9)
    (removal,) = planned(manifest_of("single"), twice).changes
    assert isinstance(removal, RemoveEndpoint)
    assert removal.existing.id == "later"
    assert not removal.asks


async def test_a_gpu_endpoint_cannot_become_a_cpu_endpoint() -> None:
    def cpu(values: dict[str, Any]) -> None:
        table = called(values, "transcription")
        del table["gpu"], table["models"]
        table |= {"cpu": [{"flavor": "cpu3c", "vcpus": 2}], "disk_gb": 5}

    state = await deployed(manifest_of("split"))
    with pytest.raises(CannotChange, match="destroy-split"):
        planned(manifest_of("split", cpu), state)


def test_a_volume_that_is_too_small_grows_and_one_that_is_large_stays() -> None:
    def volume(values: dict[str, Any]) -> None:
        values["volume"] = {"name": "w", "size_gb": 20, "data_center": "EU-RO-1"}

    manifest = manifest_of("single", volume)

    def state(size: int) -> State:
        spec = VolumeSpec(name="w", size_gb=size, data_center="EU-RO-1")
        return State(volumes=(Volume(id="v", spec=spec),))

    assert isinstance(planned(manifest, state(10)).changes[0], GrowVolume)
    assert isinstance(planned(manifest, state(30)).changes[0], CreateEndpoint)


@pytest.mark.parametrize(
    ("shape", "without", "error", "message"),
    [
        ("split", "HF_TOKEN", ValueMissing, "accept|Accept their conditions"),
        ("orch", "PARLEY_ORCHESTRATOR_KEY", OrchestratorKeyMissing, "--share-key"),
    ],
)
def test_what_is_needed_and_nowhere_is_told_before_anything_is_created(
    shape: Shape, without: str, error: type[Exception], message: str
) -> None:
    kept = {name: value for name, value in VARIABLES.items() if name != without}
    with pytest.raises(error, match=message):
        planned(manifest_of(shape), State(), surroundings(variables=kept))


def test_the_account_s_own_key_is_shared_only_when_that_is_asked_for() -> None:
    kept = {"RUNPOD_API_KEY": "rpa_own", "HF_TOKEN": "hf_x"}
    around = surroundings(variables=kept, share_key=True)
    orchestrator = aim(manifest_of("orch"), around, State()).endpoints[-1]
    assert orchestrator.environment["RUNPOD_API_KEY"] == "rpa_own"


def test_a_model_in_the_image_needs_no_token_at_run_time() -> None:
    around = surroundings(variables={})
    (single,) = aim(manifest_of("single"), around, State()).endpoints
    assert "HF_TOKEN" not in single.environment
    assert single.image == "ghcr.io/somebody/parley-single:1.0-baked-diarizer"


def test_images_have_to_be_somewhere() -> None:
    with pytest.raises(RegistryMissing, match="IMAGE_REGISTRY"):
        planned(manifest_of("single"), State(), surroundings(registry=None))


texts = st.text("abcdef-", min_size=1, max_size=5)
machines = st.one_of(
    st.builds(
        Gpu,
        pools=st.lists(texts, min_size=1, max_size=3).map(tuple),
        excluded=st.lists(texts, max_size=2, unique=True).map(tuple),
        count=st.integers(1, 2),
        min_cuda=st.none() | st.just("13.0"),
    ),
    st.lists(
        st.builds(Cpu, flavor=texts, vcpus=st.sampled_from([2, 4])), min_size=1, max_size=2
    ).map(tuple),
)
specs = st.builds(
    EndpointSpec,
    name=st.just("one"),
    image=texts,
    disk_gb=st.integers(1, 3),
    registry=st.none() | texts,
    machines=machines,
    workers=st.builds(
        Workers,
        least=st.integers(0, 1),
        most=st.integers(1, 2),
        idle_seconds=st.none() | st.integers(1, 2),
    ),
    scaling=st.builds(
        Scaling,
        type=st.sampled_from(["QUEUE_DELAY", "REQUEST_COUNT"]),
        value=st.sampled_from([1.0, 2.5]),
    ),
    timeout_ms=st.integers(1, 3).map(lambda n: n * 1000),
    flashboot=st.sampled_from(["OFF", "FLASHBOOT"]),
    data_centers=st.lists(texts, max_size=2, unique=True).map(lambda names: tuple(sorted(names))),
    volumes=st.lists(texts, max_size=1).map(tuple),
    models=st.lists(texts, max_size=2).map(tuple),
    environment=st.dictionaries(texts, texts, max_size=3).map(lambda some: {**some, MARK: "split"}),
)


@given(specs)
def test_nothing_differs_from_itself(spec: EndpointSpec) -> None:
    assert differences(spec, spec) == ()
    state = State(endpoints=(Deployed(id="1", spec=spec),), quota=2)
    assert plan(Aim(shape="split", endpoints=(spec,)), state).changes == ()


@given(specs, specs)
def test_whatever_differs_is_planned(old: EndpointSpec, new: EndpointSpec) -> None:
    alike = replace(old, environment=dict(old.environment)) == new
    same_exclusions = (
        isinstance(old.machines, Gpu)
        and isinstance(new.machines, Gpu)
        and replace(old, machines=replace(old.machines, excluded=()))
        == replace(new, machines=replace(new.machines, excluded=()))
        and sorted(old.machines.excluded) == sorted(new.machines.excluded)
    )
    assert (differences(old, new) == ()) == (alike or same_exclusions)
