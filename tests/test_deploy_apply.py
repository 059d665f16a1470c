"""A deployment that ends anywhere is completed by the next, to the same end."""

from collections.abc import Callable
from typing import Any

import pytest

from deploy.apply import apply, check_supply, destroy, doomed
from deploy.endpoint import MARK, Deployed, State, Template
from deploy.errors import (
    AnswerLost,
    DeployError,
    GraphqlRefused,
    KeyRefused,
    NoCapacity,
    PlatformFailed,
    PoolUnknown,
    RateLimited,
)
from deploy.manifest import SHAPES, Manifest, Shape
from deploy.plan import plan
from deploy.wanted import aim
from deploy.warm import warm
from tests.deployments import (
    ORCHESTRATOR_KEY,
    SECRETS,
    Account,
    Killed,
    called,
    manifest_of,
    surroundings,
)

AROUND = surroundings()


def with_volume(values: dict[str, Any]) -> None:
    values["volume"] = {"name": "weights", "size_gb": 10, "data_center": "EU-RO-1"}
    for endpoint in values["endpoints"]:
        endpoint["workers"]["min"] = 1


MANIFESTS = [
    pytest.param(manifest_of("single"), id="single"),
    pytest.param(manifest_of("split"), id="split"),
    pytest.param(manifest_of("orch"), id="orch"),
    pytest.param(manifest_of("orch", with_volume), id="orch with a volume and warm workers"),
]


async def deploy(account: Account, manifest: Manifest) -> list[str]:
    """Deploy, and give what was told."""
    told: list[str] = []
    outcome = await apply(manifest, around=AROUND, platform=account, tell=told.append, pause=0)
    assert outcome.left.changes == ()
    return told


@pytest.mark.parametrize("manifest", MANIFESTS)
async def test_an_empty_account_holds_the_shape_afterwards(manifest: Manifest) -> None:
    account = Account()
    await deploy(account, manifest)
    assert set(account.by_name()) == {endpoint.name for endpoint in manifest.endpoints}
    for table in manifest.endpoints:
        spec = account.by_name()[table.name]
        assert len(spec.models) == sum(model.source == "store" for model in table.models)
        assert spec.workers.least == table.workers.min
        assert spec.mark == manifest.shape


async def test_the_orchestrator_knows_its_endpoints_and_has_its_own_key() -> None:
    account = Account()
    await deploy(account, manifest_of("orch"))
    ids = {one.spec.name: one.id for one in account.endpoints.values()}
    environment = account.by_name()["parley-orchestrator"].environment
    raw = account.endpoints[ids["parley-orchestrator"]].spec.environment
    assert raw["PARLEY_TRANSCRIPTION_ENDPOINT"] == ids["parley-transcription"]
    assert environment["PARLEY_DIARIZATION_ENDPOINT"] == "parley-diarization"
    assert raw["RUNPOD_API_KEY"] == ORCHESTRATOR_KEY
    assert account.changes.index("create_endpoint") < len(account.changes) - 1
    assert list(account.endpoints)[-1] == ids["parley-orchestrator"]


async def test_no_worker_starts_before_its_models_are_set() -> None:
    account = Account()
    seen: list[tuple[int, int]] = []

    def look(_name: str) -> None:
        seen.extend(
            (one.spec.workers.least, len(one.spec.models))
            for one in account.endpoints.values()
            if one.spec.name == "parley-transcription"
        )

    account.after = look
    await deploy(account, manifest_of("split", with_volume))
    assert seen[0] == (0, 0)
    assert account.changes.count("update_endpoint") == 0
    assert seen[-1] == (1, 1)
    assert (1, 0) not in seen


async def test_no_worker_starts_with_the_models_of_before() -> None:
    """Where models, the least and the most of workers change at once."""

    def change(values: dict[str, Any]) -> None:
        called(values, "transcription")["workers"] |= {"min": 1, "max": 1}
        called(values, "transcription")["models"][0]["repository"] = "nvidia/parakeet-tdt-0.6b-v3"

    account = Account()
    await deploy(account, manifest_of("split"))
    seen: list[tuple[int, bool]] = []

    def look(_name: str) -> None:
        spec = account.by_name()["parley-transcription"]
        seen.append((spec.workers.least, "v3" in spec.models[0]))

    account.after = look
    await deploy(account, manifest_of("split", change))
    assert seen == [(0, False), (1, True)]


@pytest.mark.parametrize("manifest", MANIFESTS)
async def test_a_second_run_changes_nothing(manifest: Manifest) -> None:
    account = Account()
    await deploy(account, manifest)
    before, account.changes = account.by_name(), []
    await deploy(account, manifest)
    assert account.changes == []
    assert account.by_name() == before


@pytest.mark.parametrize("manifest", MANIFESTS)
async def test_a_run_that_is_killed_after_any_call_is_completed_by_the_next(
    manifest: Manifest,
) -> None:
    whole = Account()
    await deploy(whole, manifest)
    assert len(whole.changes) >= 2
    for calls in range(1, len(whole.changes) + 1):
        account = Account(dies_after=calls)
        with pytest.raises(Killed):
            await deploy(account, manifest)
        await deploy(account, manifest)
        assert account.by_name() == whole.by_name()
        assert len(account.volumes) == len(whole.volumes)


async def test_a_run_that_is_killed_after_every_call_still_comes_to_the_end() -> None:
    account, runs = Account(), 0
    while True:
        account.dies_after, account.changes = 1, []
        try:
            await deploy(account, manifest_of("orch", with_volume))
        except Killed:
            runs += 1
        else:
            break
    whole = Account()
    await deploy(whole, manifest_of("orch", with_volume))
    assert account.by_name() == whole.by_name()
    assert runs == len(whole.changes)


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_destruction_that_is_killed_after_any_call_is_completed_by_the_next(
    shape: Shape,
) -> None:
    manifest = manifest_of(shape, with_volume)
    for calls in range(1, len(manifest.endpoints) + 1):
        account = Account()
        await deploy(account, manifest)
        account.changes, account.dies_after = [], calls
        with pytest.raises(Killed):
            await destroy(manifest, platform=account, tell=print)
        await destroy(manifest, platform=account, tell=print)
        assert account.endpoints == {}
        assert len(account.volumes) == 1


async def test_a_lost_answer_is_looked_for_before_it_is_asked_again() -> None:
    account = Account()
    lost = iter([True])

    def lose(name: str) -> None:
        if name == "create_endpoint" and next(lost, False):
            raise AnswerLost(what="create")

    account.after = lose
    await deploy(account, manifest_of("split"))
    assert set(account.by_name()) == {"parley-transcription", "parley-diarization"}
    assert account.changes.count("create_endpoint") == 2


async def test_a_request_that_never_arrived_is_sent_again() -> None:
    account = Account()
    lost = iter([True])

    def lose(name: str) -> None:
        if name == "create_endpoint" and next(lost, False):
            raise AnswerLost(what="create")

    account.before = lose
    await deploy(account, manifest_of("split"))
    assert set(account.by_name()) == {"parley-transcription", "parley-diarization"}


async def test_a_duplicate_that_comes_late_is_removed() -> None:
    """A request whose answer was lost may be carried out after it was looked for."""
    account = Account(quota=None)
    await deploy(account, manifest_of("single"))
    (one,) = account.endpoints.values()
    account.endpoints["late"] = Deployed(id="late", spec=one.spec, created="2027")
    await deploy(account, manifest_of("single"))
    assert list(account.endpoints) == [one.id]


async def test_answers_that_are_always_lost_end_the_run() -> None:
    account = Account()

    def lose(name: str) -> None:
        if name == "create_endpoint":
            raise AnswerLost(what="create the endpoint parley-single")

    account.before = lose
    with pytest.raises(AnswerLost, match="Run the same command again"):
        await deploy(account, manifest_of("single"))


@pytest.mark.parametrize(
    "failure",
    [
        KeyRefused(what="read the account", http=401),
        GraphqlRefused(what="set models", reason="no"),
        PlatformFailed(what="create", http=500),
        RateLimited(what="create", seconds=5),
    ],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("at", ["read", "create_endpoint", "set_models"])
async def test_a_failure_ends_the_run_and_the_next_completes_it(
    failure: DeployError, at: str
) -> None:
    account = Account()
    failing = iter([True])

    def fail(name: str) -> None:
        if name == at and next(failing, False):
            raise failure

    account.before = fail
    with pytest.raises(type(failure)):
        await deploy(account, manifest_of("orch"))
    await deploy(account, manifest_of("orch"))
    assert len(account.by_name()) == 3


async def test_what_runpod_does_not_take_is_told_and_not_asked_for_ever() -> None:
    account = Account(takes_updates=False)
    await deploy(account, manifest_of("single"))
    longer = manifest_of("single", lambda values: values["endpoints"][0].update(disk_gb=30))
    outcome = await apply(longer, around=AROUND, platform=account, tell=print)
    (left,) = outcome.left.changes
    assert getattr(left, "keys", None) == {"disk_gb"}
    assert account.changes.count("update_endpoint") == 2


async def test_models_that_an_update_loses_are_set_again() -> None:
    class Forgetful(Account):
        async def update_endpoint(self, existing: Deployed, spec: Any, *, keys: Any) -> None:
            await super().update_endpoint(existing, spec, keys=keys)
            await super().set_models(existing, (), least_workers=0)

    account = Forgetful()
    await deploy(account, manifest_of("single"))
    longer = manifest_of("single", lambda values: values["endpoints"][0].update(disk_gb=30))
    outcome = await apply(longer, around=AROUND, platform=account, tell=print)
    assert outcome.left.changes == ()
    assert [len(one.spec.models) for one in account.endpoints.values()] == [1]


async def test_nothing_that_is_told_holds_a_secret() -> None:
    told = "\n".join(await deploy(Account(), manifest_of("orch")))
    assert told
    assert not any(secret in told for secret in SECRETS)


async def test_destroying_leaves_nothing_of_the_shape_and_all_of_others() -> None:
    account = Account(quota=None)
    await deploy(account, manifest_of("orch", with_volume))
    other = manifest_of("single")
    await deploy(account, other)
    account.leftovers = {
        "t1": Template(id="t1", name="parley-x__template__1", mark="orch"),
        "t2": Template(id="t2", name="somebody's", mark=None),
        "t3": Template(id="t3", name="parley-single__template__2", mark="single"),
    }
    manifest = manifest_of("orch", with_volume)
    state = await account.read()
    assert doomed(manifest, state)[0].spec.name == "parley-orchestrator"
    await destroy(manifest, platform=account, tell=print)
    assert set(account.by_name()) == {"parley-single"}
    assert set(account.leftovers) == {"t2", "t3"}
    assert len(account.volumes) == 1
    await destroy(manifest, platform=account, tell=print, with_volume=True)
    assert account.volumes == {}


async def test_endpoints_of_an_earlier_manifest_are_destroyed_too() -> None:
    account = Account()
    await deploy(account, manifest_of("single"))
    renamed = manifest_of("single", lambda values: values["endpoints"][0].update(name="other"))
    await destroy(renamed, platform=account, tell=print)
    assert account.endpoints == {}


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "free", "error", "message"),
    [
        (
            lambda one: one["gpu"].update(pools=["AMPERE_61"]),
            ["AMPERE_16"],
            PoolUnknown,
            r"no GPU pool AMPERE_61. It has: ADA_24, AMPERE_16, AMPERE_24",
        ),
        (
            lambda one: one.update(data_centers=["MARS-1"]),
            ["AMPERE_16"],
            PoolUnknown,
            r"no data center MARS-1. It has: EU-RO-1, US-TX-3",
        ),
        (
            lambda _one: None,
            ["ADA_48_PRO"],
            NoCapacity,
            r"None of AMPERE_16, AMPERE_24, ADA_24 with CUDA 13.0 or later has a free machine",
        ),
        (
            lambda one: one.update(data_centers=["US-TX-3"]),
            ["AMPERE_16"],
            NoCapacity,
            r"parley-single in US-TX-3",
        ),
    ],
)
async def test_machines_that_are_not_to_be_had_are_told_before_anything_is_created(
    change: Change, free: list[str], error: type[DeployError], message: str
) -> None:
    manifest = manifest_of("single", lambda values: change(values["endpoints"][0]))
    account = Account(free=free)
    with pytest.raises(error, match=message):
        await check_supply(aim(manifest, AROUND, State()), account)
    assert account.changes == []


async def test_one_free_pool_is_enough() -> None:
    account = Account(free=["ADA_24", "cpu5c"])
    await check_supply(aim(manifest_of("orch"), AROUND, State()), account)


async def test_cpu_flavors_can_be_out_too() -> None:
    account = Account(free=["AMPERE_16"])
    with pytest.raises(NoCapacity, match="None of cpu3c, cpu3g, cpu5c"):
        await check_supply(aim(manifest_of("orch"), AROUND, State()), account)


async def test_workers_of_another_shape_are_not_kept_warm() -> None:
    def always(values: dict[str, Any]) -> None:
        called(values, "diarization")["warm"] = {"hours": "00:00-00:00"}

    account = Account()
    await deploy(account, manifest_of("split"))
    await deploy(account, manifest_of("orch"))
    told: list[str] = []
    moment = AROUND.moment
    split = manifest_of("split", always)
    assert not await warm(split, platform=account, moment=moment, tell=told.append)
    assert "make deploy-split" in told[0]
    orch = manifest_of("orch", always)
    assert await warm(orch, platform=account, moment=moment, tell=told.append)
    assert account.by_name()["parley-diarization"].workers.least == 1
    assert account.changes.count("set_workers") == 1


async def test_the_mark_says_whose_an_endpoint_is() -> None:
    account = Account()
    await deploy(account, manifest_of("orch"))
    assert {spec.environment[MARK] for spec in account.by_name().values()} == {"orch"}
    changed = manifest_of("orch", lambda values: called(values, "orchestrator").update(disk_gb=6))
    assert len(plan(aim(changed, AROUND, await account.read()), await account.read()).changes) == 1
