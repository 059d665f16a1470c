"""What an errand to an endpoint comes to, whatever the platform does meanwhile."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from handlers import errors
from handlers.errors import AudioTooLong, DownloadRefused, OutOfMemory, ParleyError
from orchestrator.endpoint import Endpoint, Patience, Update
from tests.scripted_platform import (
    KEY,
    Answer,
    Platform,
    accepts,
    after,
    breaks_off,
    drops,
    endless,
    gives,
    numbered,
    page,
    says,
    scripted,
    when,
)

QUICK = Patience(
    request_seconds=20.0,
    attempts=3,
    first_pause=0.01,
    longest_pause=0.02,
    least_poll=0.005,
    longest_poll=0.01,
    polls_per_second=1e6,
    outage_seconds=0.5,
    forgotten_seconds=0.1,
    cancel_seconds=20.0,
    cancels=1000,
)
LONG = 120.0
"""Seconds; no test takes nearly as long."""
WISH = {"audio_url": "https://example.com/a.wav"}
YES = {"text": "yes"}


@asynccontextmanager
async def caller(
    platform: Platform, patience: Patience = QUICK, *, key: str = KEY
) -> AsyncIterator[Endpoint]:
    async with aiohttp.ClientSession() as session:
        yield Endpoint(
            "ep", session=session, api_key=key, base_url=platform.base_url, patience=patience
        )


async def failure(
    platform: Platform, patience: Patience = QUICK, *, within: float = LONG
) -> ParleyError:
    async with caller(platform, patience) as endpoint:
        with pytest.raises(ParleyError) as caught:
            await endpoint.run(WISH, within=within)
    return caught.value


class TestAnErrand:
    async def test_gives_the_reply_with_its_job_worker_and_times_in_seconds(self) -> None:
        done = says(
            "COMPLETED", output=YES, workerId="w1", delayTime=2500, executionTime=1250, retries=0
        )
        async with scripted(status=(done,)) as platform, caller(platform) as endpoint:
            result = await endpoint.run(WISH, within=LONG)
        assert (result.output, result.job, result.worker) == (YES, "job-1", "w1")
        assert (result.delay, result.execution, result.submissions) == (2.5, 1.25, 1)

    @pytest.mark.parametrize(
        "told", [pytest.param(10**400, id="immense"), 1e13, 1e308, -1, True, "soon"]
    )
    async def test_takes_a_time_that_cannot_be_for_none(self, told: object) -> None:
        done = says("COMPLETED", output=YES, delayTime=told, executionTime=told)
        async with scripted(status=(done,)) as platform, caller(platform) as endpoint:
            result = await endpoint.run(WISH, within=LONG)
        assert (result.delay, result.execution) == (0.0, 0.0)

    async def test_refuses_a_job_id_that_no_address_can_hold(self) -> None:
        async with scripted(run=(accepts("\ud800"),)) as platform:
            assert isinstance(await failure(platform), errors.ReplyInvalid)

    async def test_shows_the_key_and_bounds_the_job_by_its_deadline(self) -> None:
        async with scripted() as platform, caller(platform) as endpoint:
            await endpoint.run(WISH, within=60)
        assert {asked.authorization for asked in platform.asked} == {f"Bearer {KEY}"}
        sent = platform.to("run")[0].body
        assert sent["input"] == WISH
        assert set(sent["policy"]) == {"ttl"}  # how long a worker may take is the endpoint's to say
        assert 69_000 < sent["policy"]["ttl"] <= 70_000

    @pytest.mark.parametrize(
        ("within", "policy"),
        [
            (-1.0, {"ttl": 10_000}),
            (30 * 86400.0, {"ttl": 604_800_000}),
        ],
    )
    async def test_asks_for_a_policy_that_the_platform_takes(
        self, within: float, policy: dict[str, int]
    ) -> None:
        async with scripted() as platform, caller(platform) as endpoint:
            await endpoint.submit(WISH, within=within)
        sent = platform.to("run")[0].body["policy"]
        assert sent == {**sent, **policy}
        assert sent["ttl"] >= 10_000

    async def test_tells_every_state_that_is_not_final(self) -> None:
        status = (
            says("IN_QUEUE"),
            says("IN_PROGRESS", output={"progress": {"decode": 0.5}}, delayTime=40, workerId="w"),
            says("RUNNING"),
            says("COMPLETED", output=YES),
        )
        seen: list[Update] = []
        async with scripted(status=status) as platform, caller(platform) as endpoint:
            await endpoint.run(WISH, within=LONG, update=seen.append)
        states = [update.state for update in seen]
        assert states == ["IN_QUEUE", "IN_QUEUE", "IN_PROGRESS", "RUNNING"]
        assert seen[2].output == {"progress": {"decode": 0.5}}
        assert (seen[2].job, seen[2].delay, seen[2].worker) == ("job-1", 0.04, "w")

    async def test_takes_a_base_url_that_ends_in_a_slash(self) -> None:
        async with scripted() as platform, aiohttp.ClientSession() as session:
            base_url = f"{platform.base_url}/"
            endpoint = Endpoint("ep", session=session, api_key=KEY, base_url=base_url)
            assert (await endpoint.run(WISH, within=LONG)).output == YES
            assert await endpoint.health() == {"jobs": {}, "workers": {}}

    async def test_of_nothing_is_refused_here(self) -> None:
        async with scripted() as platform, caller(platform) as endpoint:
            with pytest.raises(errors.InvalidRequest):
                await endpoint.run({}, within=LONG)
        assert platform.asked == []

    async def test_that_is_too_large_is_refused_here(self) -> None:
        async with scripted() as platform, caller(platform) as endpoint:
            with pytest.raises(errors.RequestTooLarge):
                await endpoint.run({"audio_base64": "A" * 10 * 1024**2}, within=LONG)
        assert platform.asked == []

    async def test_brings_large_input_and_a_result_of_twenty_megabytes(self) -> None:
        text = "x" * 20 * 1024**2
        done = says("COMPLETED", output={"text": text})
        async with scripted(status=(done,)) as platform, caller(platform) as endpoint:
            result = await endpoint.run({"audio_base64": "A" * 10_000_000}, within=LONG)
        assert result.output == {"text": text}
        assert len(platform.to("run")[0].body["input"]["audio_base64"]) == 10_000_000

    async def test_without_time_is_not_begun(self) -> None:
        async with scripted() as platform:
            assert isinstance(await failure(platform, within=0), errors.DeadlineExceeded)
        assert platform.asked == []


PASSING: dict[str, Answer] = {
    "408": gives({}, status=408),
    "429": gives({"error": "slow down"}, status=429),
    "500": gives({"error": "oh"}, status=500),
    "502 as a web page": page(502),
    "524 as a web page": page(524),
    "a lost connection": drops(),
    "an answer that breaks off": breaks_off(),
    "200 with a web page": page(200),
    "JSON that is no object": gives(["COMPLETED"]),
}


class TestWhatMayPass:
    @pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
    async def test_is_asked_again(self, answer: Answer) -> None:
        done = says("COMPLETED", output=YES)
        async with (
            scripted(run=(answer, answer, accepts()), status=(answer, answer, done)) as platform,
            caller(platform) as endpoint,
        ):
            result = await endpoint.run(WISH, within=LONG)
        assert (result.output, result.submissions) == (YES, 1)
        # a request that got no answer on a kept connection is repeated once more by aiohttp
        assert len(platform.to("run")) >= 3
        assert platform.to("cancel") == []

    async def test_is_asked_again_when_no_answer_comes(self) -> None:
        never = after(60, accepts())
        patience = replace(QUICK, request_seconds=0.5, outage_seconds=LONG)
        async with (
            scripted(run=(never, accepts())) as platform,
            caller(platform, patience) as endpoint,
        ):
            assert (await endpoint.run(WISH, within=LONG)).output == YES
        assert len(platform.to("run")) == 2

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (gives({}, status=429), errors.EndpointFailed),
            (page(503), errors.EndpointFailed),
            (drops(), errors.EndpointUnreachable),
            (page(200), errors.ReplyInvalid),
        ],
    )
    async def test_does_not_pass_for_ever(self, answer: Answer, kind: type[ParleyError]) -> None:
        async with scripted(run=(answer,)) as platform:
            assert type(await failure(platform)) is kind
        asked = platform.to("run")
        assert len(asked) > QUICK.attempts  # time bounds them
        assert asked[-1].at - asked[0].at <= QUICK.outage_seconds + 0.1
        assert platform.to("status") == []

    async def test_is_waited_for_as_long_as_the_platform_asks(self) -> None:
        slow_down = gives({}, status=429, headers={"Retry-After": "1"})
        patient = replace(QUICK, outage_seconds=LONG)
        async with (
            scripted(run=(slow_down, accepts())) as platform,
            caller(platform, patient) as endpoint,
        ):
            await endpoint.run(WISH, within=LONG)
        first, second = platform.to("run")
        assert second.at - first.at >= 1

    async def test_is_not_waited_for_past_the_deadline(self) -> None:
        slow_down = gives({}, status=429, headers={"Retry-After": "3600"})
        async with scripted(run=(slow_down,)) as platform:
            assert isinstance(await failure(platform), errors.EndpointFailed)
        assert len(platform.to("run")) == 1

    async def test_costs_no_job_while_it_is_an_outage_that_patience_covers(self) -> None:
        outage = [page(502)] * 3 * QUICK.attempts
        done = says("COMPLETED", output=YES)
        async with (
            scripted(status=(says("IN_PROGRESS"), *outage, done)) as platform,
            caller(platform, replace(QUICK, outage_seconds=LONG)) as endpoint,
        ):
            assert (await endpoint.run(WISH, within=LONG)).output == YES

    async def test_costs_the_job_when_it_lasts_longer(self) -> None:
        async with scripted(status=(says("IN_PROGRESS"), page(502))) as platform:
            assert isinstance(await failure(platform), errors.EndpointFailed)
        assert [asked.job for asked in platform.to("cancel")] == ["job-1"]


class TestWhatCannotPass:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, errors.RequestRefused),
            (422, errors.RequestRefused),
            (302, errors.RequestRefused),
            (401, errors.EndpointAccessDenied),
            (403, errors.EndpointAccessDenied),
            (404, errors.EndpointNotFound),
            (413, errors.RequestTooLarge),
        ],
    )
    async def test_is_asked_once(self, status: int, kind: type[ParleyError]) -> None:
        refused = gives({"error": "no"}, status=status, headers={"Location": "/v2/ep/health"})
        async with scripted(run=(refused,)) as platform:
            assert type(await failure(platform)) is kind
        assert [asked.route for asked in platform.asked] == ["run"]

    async def test_says_why(self) -> None:
        async with scripted(run=(gives({"error": "bad policy"}, status=400),)) as platform:
            assert "bad policy" in str(await failure(platform))
        async with scripted(run=(page(400),)) as platform:
            message = str(await failure(platform))
        assert "a web page" in message
        assert "<" not in message

    async def test_is_an_answer_without_a_job(self) -> None:
        async with scripted(run=(gives({"status": "IN_QUEUE"}),)) as platform:
            assert isinstance(await failure(platform), errors.ReplyInvalid)

    async def test_is_an_answer_without_end(self) -> None:
        async with scripted(status=(endless(b" " * 2**20),)) as platform:
            assert isinstance(await failure(platform), errors.ResultTooLarge)
        assert len(platform.to("status")) == 1
        assert len(platform.to("cancel")) == 1

    @pytest.mark.parametrize("base_url", ["api.runpod.ai/v2", "ftp://127.0.0.1/v2", "http://[::1"])
    async def test_is_an_address_that_is_none(self, base_url: str) -> None:
        async with aiohttp.ClientSession() as session:
            endpoint = Endpoint(
                "ep", session=session, api_key=KEY, base_url=base_url, patience=Patience()
            )
            with pytest.raises(errors.EndpointUnreachable, match=r"no http\(s\) URL"):
                await endpoint.run(WISH, within=LONG)

    async def test_stays_with_the_endpoint_whatever_its_id(self) -> None:
        async with scripted() as platform, aiohttp.ClientSession() as session:
            endpoint = Endpoint(
                "../v2/ep", session=session, api_key=KEY, base_url=platform.base_url
            )
            with pytest.raises(errors.EndpointNotFound):
                await endpoint.run(WISH, within=LONG)
        assert platform.asked == []


def failed(error: Any) -> Answer:
    return says("FAILED", error=error)


def body(error: ParleyError) -> str:
    return json.dumps(error.body())


SDK_ERROR = json.dumps(
    {
        "error_type": "<class 'ValueError'>",
        "error_message": "no such thing",
        "error_traceback": 'File "/app/secret.py", line 1',
        "hostname": "host",
        "worker_id": "w",
        "runpod_version": "1.12.0",
    }
)


class TestAJobThatEnds:
    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (failed(body(AudioTooLong(limit=60))), AudioTooLong),
            (failed(DownloadRefused(address="https://a", status=403).body()), DownloadRefused),
            (failed('{"code": "from_the_future", "message": "Oh.", "retryable": true}'), None),
            (failed("Something broke"), None),
            (failed(SDK_ERROR), None),
            (failed(None), None),
            (failed(["odd"]), None),
            (failed("[" * 100_000), None),
            (says("TIMED_OUT"), errors.JobTimedOut),
            (says("CANCELLED"), errors.JobCancelled),
            (says("COMPLETED"), errors.ResultLost),
        ],
    )
    async def test_without_a_reply_is_one_typed_error(
        self, answer: Answer, kind: type[ParleyError] | None
    ) -> None:
        async with scripted(status=(answer,)) as platform:
            assert type(await failure(platform)) is (kind or errors.JobFailed)
        assert [asked.route for asked in platform.asked] == ["run", "status"]

    async def test_as_unknown_is_believed_after_a_while(self) -> None:
        unknown, done = gives({}, status=404), says("COMPLETED", output=YES)
        async with (
            scripted(status=(unknown, unknown, done)) as platform,
            caller(platform) as endpoint,
        ):
            assert (await endpoint.run(WISH, within=LONG)).output == YES
        async with scripted(status=(unknown,)) as platform:
            assert isinstance(await failure(platform), errors.JobForgotten)
        assert platform.to("cancel") == []

    async def test_by_an_exception_is_told_by_its_message_alone(self) -> None:
        async with scripted(status=(failed(SDK_ERROR),)) as platform:
            message = str(await failure(platform))
        assert "no such thing" in message
        assert "secret.py" not in message

    async def test_with_a_long_error_is_told_shortly(self) -> None:
        async with scripted(status=(failed("line\n" * 10**6),)) as platform:
            assert len(str(await failure(platform))) < 600

    async def test_by_what_may_not_happen_again_is_submitted_again(self) -> None:
        again = failed(body(OutOfMemory("Out of memory.")))
        async with (
            scripted(
                run=(accepts("job-1"), accepts("job-2")),
                status=(again, says("COMPLETED", output=YES)),
            ) as platform,
            caller(platform) as endpoint,
        ):
            result = await endpoint.run(WISH, within=LONG)
        assert (result.output, result.job, result.submissions) == (YES, "job-2", 2)
        first, second = platform.to("run")
        assert second.body["policy"]["ttl"] <= first.body["policy"]["ttl"]
        assert platform.to("cancel") == []

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (body(OutOfMemory("Out of memory.")), OutOfMemory),
            ("job timed out after 1 retries", errors.WorkerLost),
        ],
    )
    async def test_so_each_time_is_not_submitted_for_ever(
        self, error: str, kind: type[ParleyError]
    ) -> None:
        async with scripted(status=(failed(error),)) as platform:
            assert type(await failure(platform)) is kind
        assert len(platform.to("run")) == QUICK.submissions


class TestAnErrandThatIsGivenUp:
    async def test_by_its_deadline_cancels_the_job_and_says_how_far_it_was(self) -> None:
        async with scripted(status=(says("IN_PROGRESS"),)) as platform:
            error = await failure(platform, within=1)
        assert isinstance(error, errors.DeadlineExceeded)
        assert "IN_PROGRESS" in str(error)
        assert [asked.job for asked in platform.to("cancel")] == ["job-1"]

    async def test_by_its_deadline_before_it_was_accepted_says_so(self) -> None:
        patience = replace(QUICK, cancel_seconds=0.1)
        async with scripted(run=(after(60, accepts()),)) as platform:
            error = await failure(platform, patience, within=1)
        assert isinstance(error, errors.DeadlineExceeded)
        assert "not accepted yet" in str(error)

    async def test_by_its_caller_cancels_the_job(self) -> None:
        async with scripted(status=(says("IN_QUEUE"),)) as platform, caller(platform) as endpoint:
            errand = asyncio.create_task(endpoint.run(WISH, within=LONG))
            await platform.until_asked("status", 2)
            await ended(errand)
        assert [asked.job for asked in platform.to("cancel")] == ["job-1"]

    async def test_while_it_is_submitted_cancels_the_job_once_that_is_known(self) -> None:
        released = asyncio.Event()
        async with (
            scripted(run=(when(released, accepts("late")),)) as platform,
            caller(platform) as endpoint,
        ):
            errand = asyncio.create_task(endpoint.run(WISH, within=LONG))
            await platform.until_asked("run")
            errand.cancel()
            await asyncio.sleep(0.05)
            assert not errand.done()
            released.set()
            await ended(errand)
        assert [asked.job for asked in platform.to("cancel")] == ["late"]

    async def test_between_two_tries_to_submit_tries_no_more(self) -> None:
        slow_down = gives({}, status=429, headers={"Retry-After": "60"})
        patient = replace(QUICK, outage_seconds=LONG)
        async with scripted(run=(slow_down,)) as platform, caller(platform, patient) as endpoint:
            errand = asyncio.create_task(endpoint.run(WISH, within=LONG))
            await platform.until_asked("run")
            await asyncio.sleep(0.1)
            await ended(errand)
        assert [asked.route for asked in platform.asked] == ["run"]

    async def test_twice_still_cancels_the_job(self) -> None:
        released = asyncio.Event()
        async with (
            scripted(
                status=(says("IN_QUEUE"),), cancel=(when(released, says("CANCELLED")),)
            ) as platform,
            caller(platform) as endpoint,
        ):
            errand = asyncio.create_task(endpoint.run(WISH, within=LONG))
            await platform.until_asked("status")
            errand.cancel()
            await platform.until_asked("cancel")
            for _ in range(3):
                errand.cancel()
                await asyncio.sleep(0.01)
            assert not errand.done()
            assert platform.open["cancel"] == 1
            released.set()
            await ended(errand)
        assert len(platform.to("cancel")) == 1

    async def test_by_its_deadline_and_then_by_its_caller_is_cancelled(self) -> None:
        released = asyncio.Event()
        async with (
            scripted(
                status=(says("IN_QUEUE"),), cancel=(when(released, says("CANCELLED")),)
            ) as platform,
            caller(platform) as endpoint,
        ):
            errand = asyncio.create_task(endpoint.run(WISH, within=0.5))
            await platform.until_asked("cancel")
            errand.cancel()
            released.set()
            await ended(errand)

    async def test_tries_again_to_cancel(self) -> None:
        status, cancel = (says("IN_QUEUE"),), (page(500), drops(), says("CANCELLED"))
        async with (
            scripted(status=status, cancel=cancel) as platform,
            caller(platform) as endpoint,
        ):
            errand = asyncio.create_task(endpoint.run(WISH, within=LONG))
            await platform.until_asked("status")
            await ended(errand)
        assert len(platform.to("cancel")) >= 3

    @pytest.mark.parametrize(
        "cancel", [after(60, says("CANCELLED")), page(500), gives({}, status=400), page(404)]
    )
    async def test_keeps_its_own_error_although_it_cannot_be_cancelled(
        self, cancel: Answer
    ) -> None:
        patience = replace(QUICK, cancel_seconds=0.3)
        status = (says("IN_QUEUE"), gives({}, status=401))
        async with scripted(status=status, cancel=(cancel,)) as platform:
            error = await failure(platform, patience)
        assert isinstance(error, errors.EndpointAccessDenied)
        assert platform.to("cancel")

    async def test_by_who_watches_it_cancels_the_job(self) -> None:
        def update(_news: Update) -> None:
            message = "a defect"
            raise ZeroDivisionError(message)

        async with scripted() as platform, caller(platform) as endpoint:
            with pytest.raises(ZeroDivisionError):
                await endpoint.run(WISH, within=LONG, update=update)
        assert len(platform.to("cancel")) == 1


async def ended(errand: asyncio.Task[Any]) -> None:
    errand.cancel()
    with pytest.raises(asyncio.CancelledError):
        await errand


class TestTwoHundredErrandsAtOnce:
    async def test_get_each_its_own_reply_and_share_the_requests_of_a_second(self) -> None:
        rate = 200.0
        done_at = asyncio.get_running_loop().time() + 2

        async def status(request: Any) -> Any:
            is_done = asyncio.get_running_loop().time() > done_at
            job = request.match_info["job"]
            answer = says("COMPLETED", output={"of": job}) if is_done else says("IN_PROGRESS")
            return await answer(request)

        run = numbered(lambda n: {"id": f"job-{n}", "status": "IN_QUEUE"})
        patience = replace(QUICK, polls_per_second=rate, least_poll=1.0, longest_poll=1.0)
        async with (
            scripted(run=(run,), status=(status,)) as platform,
            caller(platform, patience) as endpoint,
        ):
            results = await asyncio.gather(*(endpoint.run(WISH, within=LONG) for _ in range(200)))
        assert all(result.output == {"of": result.job} for result in results)
        assert len({result.job for result in results}) == 200
        asked = [asked.at for asked in platform.to("status")]
        assert len(asked) < 1.5 * rate * (max(asked) - min(asked) + 1)

    async def test_are_cancelled_a_few_at_a_time(self) -> None:
        run = numbered(lambda n: {"id": f"job-{n}", "status": "IN_QUEUE"})
        status, cancel = (says("IN_QUEUE"),), (after(0.02, says("CANCELLED")),)
        async with (
            scripted(run=(run,), status=status, cancel=cancel) as platform,
            caller(platform, replace(QUICK, least_poll=1.0, longest_poll=1.0)) as endpoint,
        ):
            errands = [asyncio.create_task(endpoint.run(WISH, within=LONG)) for _ in range(200)]
            await platform.until_asked("run", 200)
            await asyncio.gather(*(ended(errand) for errand in errands))
        assert {asked.job for asked in platform.to("cancel")} == {f"job-{n}" for n in range(1, 201)}
        assert platform.most_open["cancel"] <= 16


class TestTheKey:
    @pytest.mark.parametrize(
        "script",
        [
            {"run": (gives({"error": f"bad key {KEY}"}, status=400),)},
            {"run": (gives({"error": f"bad key {KEY}"}, status=401),)},
            {"run": (drops(),)},
            {"status": (failed(f"it said Bearer {KEY}"),)},
            {"status": (gives({}, status=401),), "cancel": (drops(),)},
        ],
    )
    async def test_is_in_no_error_and_no_log(
        self, script: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with scripted(**script) as platform:
            error: BaseException | None = await failure(platform)
        assert platform.asked[0].authorization == f"Bearer {KEY}"
        while error is not None:
            assert KEY not in f"{error} {error!r}"
            error = error.__cause__ or error.__context__
        assert KEY not in caplog.text

    async def test_that_is_empty_hides_nothing_else(self) -> None:
        refused = gives({"error": "bad policy"}, status=400)
        async with scripted(run=(refused,)) as platform, caller(platform, key="") as endpoint:
            with pytest.raises(errors.RequestRefused, match="bad policy"):
                await endpoint.run(WISH, within=LONG)


class TestSingleCalls:
    @pytest.mark.parametrize(
        ("call", "kind"),
        [
            (lambda endpoint: endpoint.health(), errors.EndpointNotFound),
            (lambda endpoint: endpoint.submit(WISH, within=9), errors.EndpointNotFound),
            (lambda endpoint: endpoint.status("job-1"), errors.JobForgotten),
        ],
    )
    async def test_name_what_is_not_found(
        self, call: Callable[[Endpoint], Any], kind: type[ParleyError]
    ) -> None:
        gone = (page(404),)
        async with (
            scripted(run=gone, status=gone, health=gone) as platform,
            caller(platform) as endpoint,
        ):
            with pytest.raises(kind):
                await call(endpoint)

    async def test_cancelling_a_job_that_is_gone_does_nothing(self) -> None:
        async with scripted(cancel=(page(404),)) as platform, caller(platform) as endpoint:
            await endpoint.cancel("job-1")
        assert len(platform.to("cancel")) == 1
