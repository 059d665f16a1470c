"""The local platform's status page, in a browser."""

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from emulator.faults import Fault
from tests.echo_runpod import PATIENCE, EchoRunPod, echo_runpod

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
expect.set_options(timeout=PATIENCE * 1000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None and os.environ.get("CI"):
        pytest.fail("There is no chromium in PATH.")
    if chromium is None:
        pytest.skip("There is no chromium in PATH: apt-get install chromium")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        await running.close()


@asynccontextmanager
async def opened(browser: Browser, echo: EchoRunPod, **options: Any) -> AsyncIterator[Page]:
    """The page; at the end, nothing went wrong in it, and it asked nobody else for anything."""
    url = echo.runpod.platform.url
    context = await browser.new_context(**options)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(url)
    await expect(page.get_by_text("live")).to_be_visible()
    yield page
    assert complaints == []
    assert [other for other in asked if not other.startswith((url, "data:"))] == []
    await context.close()


async def status(echo: EchoRunPod) -> tuple[str, Any]:
    """What the page asks for: as text, and the facts about the endpoint."""
    url = f"{echo.runpod.platform.url}/emulator/status.json"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        text = await answer.text()
    (endpoint,) = json.loads(text)["endpoints"]
    return text, endpoint


async def test_a_worker_is_seen_to_come_to_work_and_to_go(browser: Browser, tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, idle_seconds=0.5) as echo, opened(browser, echo) as page:
        echo.runpod.faults.add(Fault("slow_start", seconds=2.0))
        worker = page.locator(".workers tbody tr")
        await expect(worker).to_have_count(0)
        job = echo.submit(sleep=3)
        await expect(worker.locator(".state")).to_have_text("initializing")
        await expect(worker.locator(".state")).to_have_text("running")
        assert job.worker
        await expect(worker.locator(".id")).to_have_text(job.worker)
        await expect(worker.locator(".held")).to_have_text(job.id)
        await expect(worker).to_have_count(0)
        await expect(page.locator(".ended a")).to_have_text(job.worker)
        row = page.locator(".jobs tbody tr")
        await expect(row.locator(".id")).to_have_text(job.id)
        await expect(row.locator(".state")).to_have_text("completed")
        async with page.expect_popup() as log:
            await row.locator("a").click()
        await expect((await log.value).locator("pre")).to_contain_text("Started.")


async def test_a_failed_job_is_seen_with_its_code(browser: Browser, tmp_path: Path) -> None:
    async with echo_runpod(tmp_path) as echo, opened(browser, echo) as page:
        echo.submit(fail="the recording is empty")
        row = page.locator(".jobs tbody tr")
        await expect(row.locator(".state")).to_have_text("failed")
        await expect(row.locator(".code")).to_have_text("ValueError")
        await expect(row.locator(".message")).to_have_text("the recording is empty")
        await expect(page.locator(".numbers")).to_contain_text("1 failed")


async def test_what_a_stranger_says_is_text_and_stays_text(
    browser: Browser, tmp_path: Path
) -> None:
    async with echo_runpod(tmp_path, workers_max=0) as echo, opened(browser, echo) as page:
        failing, moving = echo.submit(say="one"), echo.submit(say="two")
        await echo.queue.take(HOSTILE, most=2, wait=1)
        error = json.dumps({"code": HOSTILE, "message": HOSTILE, "retryable": False})
        echo.queue.finish(HOSTILE, failing.id, {"error": error})
        progress = {"status": "IN_PROGRESS", "output": {"progress": {HOSTILE: 0.5}}}
        echo.queue.finish(HOSTILE, moving.id, progress)
        first, second = (page.locator(".jobs tbody tr").nth(place) for place in (0, 1))
        await expect(first.locator(".phases .name")).to_have_text(HOSTILE)
        await expect(second.locator(".code")).to_have_text(HOSTILE)
        await expect(second.locator(".message")).to_have_text(HOSTILE)
        for row in (first, second):
            await expect(row.locator(".worker")).to_have_text(HOSTILE)
        assert await page.locator("img").count() == 0
        assert "Local RunPod" in await page.title()


async def test_a_fault_added_by_its_button_strikes_once(browser: Browser, tmp_path: Path) -> None:
    async with (
        echo_runpod(tmp_path, workers_max=0) as echo,
        opened(browser, echo) as page,
        aiohttp.ClientSession(headers={"Authorization": "Bearer local"}) as session,
    ):
        await page.get_by_label("Kind").select_option("answer_500")
        await page.get_by_label("Endpoint").select_option("echo")
        await page.get_by_label("Route").select_option("run")
        await page.get_by_role("button", name="Add").click()
        armed = page.locator("#armed li")
        await expect(armed).to_have_text("answer_500 on echo, route run, once")
        assert echo.runpod.faults.active() == (Fault("answer_500", endpoint="echo", route="run"),)
        answers = []
        for _ in range(2):
            async with session.post(
                f"{echo.runpod.base_url}/echo/run", json={"input": {"say": 1}}
            ) as answer:
                answers.append(answer.status)
        assert answers == [500, 200]
        await expect(armed).to_have_count(0)


async def test_all_faults_are_cleared_by_a_button(browser: Browser, tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, workers_max=0) as echo, opened(browser, echo) as page:
        await page.get_by_label("Kind").select_option("delay_result")
        await page.get_by_label("Seconds").fill("0.5")
        await page.get_by_label("Times").fill("")
        await page.get_by_role("button", name="Add").click()
        await expect(page.locator("#armed li")).to_contain_text("after 0.5 s, until cleared")
        assert echo.runpod.faults.active() == (Fault("delay_result", seconds=0.5, times=None),)
        await page.get_by_role("button", name="Clear all").click()
        await expect(page.locator("#armed li")).to_have_count(0)
        assert echo.runpod.faults.active() == ()


async def test_of_many_jobs_those_are_shown_that_matter_now(
    browser: Browser, tmp_path: Path
) -> None:
    async with echo_runpod(tmp_path, workers_max=0) as echo, opened(browser, echo) as page:
        jobs = [echo.submit(say=number) for number in range(600)]
        taken = await echo.queue.take("stranger", most=140, wait=1)
        for job in taken[:100]:
            echo.queue.finish("stranger", job.id, {"output": 1})
        _, endpoint = await status(echo)
        shown = [job["id"] for job in endpoint["jobs"]]
        running, waiting, final = shown[:20], shown[20:30], shown[30:]
        assert set(running) <= {job.id for job in taken[100:]}
        assert waiting == [job.id for job in jobs[140:150]]
        assert final == [job.id for job in reversed(taken[70:100])]
        await expect(page.locator(".jobs tbody tr")).to_have_count(60)
        await expect(page.locator(".more")).to_have_text("and 450 more that wait")
        await expect(page.locator(".numbers")).to_contain_text("460 waiting · 40 running")


async def test_of_inputs_and_outputs_there_are_sizes_alone(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path) as echo:
        job = await echo.ask(say="a secret")
        text, endpoint = await status(echo)
        (shown,) = endpoint["jobs"]
        assert "secret" not in text
        assert shown["input_bytes"] == len(json.dumps(job.input))
        assert shown["output_bytes"] == len(json.dumps(job.output))


async def test_a_phone_at_night_reads_it_without_scrolling_sideways(
    browser: Browser, tmp_path: Path
) -> None:
    async with (
        echo_runpod(tmp_path, command=("false",)) as echo,
        opened(browser, echo, color_scheme="dark", viewport={"width": 390, "height": 800}) as page,
    ):
        echo.submit(say="hello")
        await expect(page.locator(".trouble").first).to_contain_text("ended with status 1")
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in ground[4:-1].split(",")) < 40


async def test_faults_come_from_curl_too_and_wrong_ones_are_explained(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, workers_max=0) as echo, aiohttp.ClientSession() as session:
        url = f"{echo.runpod.platform.url}/emulator/faults"
        wrong = {
            '{"kind": "kill_worker", "endpoint": "ecko"}': "There is no endpoint 'ecko'",
            '{"kind": "burn"}': "There is no fault 'burn'",
            '{"kind": "answer_500", "route": "walk"}': "There is no route 'walk'",
            '{"kind": "slow_start", "seconds": "2"}': "'seconds' of a fault cannot be '2'",
            '{"kind": "slow_start", "secs": 2}': "A fault has no 'secs'",
            '{"kind": "slow_start", "every": 0}': "`every` and `times`",
            "{}": "A fault needs a 'kind'",
            "kill_worker": "The body is not JSON",
        }
        for body, why in wrong.items():
            async with session.post(url, data=body) as answer:
                assert answer.status == 400
                assert why in (await answer.json())["error"]
        assert echo.runpod.faults.active() == ()
        async with session.post(url, data='{"kind": "slow_start", "seconds": 2}') as answer:
            assert answer.status == 201
        assert echo.runpod.faults.active() == (Fault("slow_start", seconds=2),)


async def test_other_sites_reach_nothing_through_a_browser(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, workers_max=0) as echo, aiohttp.ClientSession() as session:
        url = echo.runpod.platform.url
        port = url.rpartition(":")[2]
        fault = {"kind": "slow_start"}
        for headers, expected in (
            ({"Host": f"rebound.example:{port}"}, 403),
            ({"Host": f"127.0.0.1.example:{port}"}, 403),
            ({"Origin": "https://other.example"}, 403),
            ({"Origin": "http://localhost:1"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": url}, 201),
            ({"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}, 201),
        ):
            async with session.post(
                f"{url}/emulator/faults", json=fault, headers=headers
            ) as answer:
                assert (headers, answer.status) == (headers, expected)
        # what workers may do without a secret is no exception
        for path in ("/", "/emulator/status.json", "/v2/echo/job-take/w", "/v2/echo/health"):
            headers = {"Host": "rebound.example", "Authorization": "Bearer local"}
            async with session.get(url + path, headers=headers) as answer:
                assert (path, answer.status) == (path, 403)


async def test_only_logs_are_served_as_logs(tmp_path: Path) -> None:
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "w1.log").write_text("<script>document.title = 'owned'</script>")
    (tmp_path / "secret.log").write_text("secret")
    async with echo_runpod(tmp_path, workers_max=0) as echo, aiohttp.ClientSession() as session:
        logs = f"{echo.runpod.platform.url}/emulator/logs"
        async with session.get(f"{logs}/echo/w1") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for path in ("echo/w2", "other/w1", "echo/..%2Fsecret", "echo/.."):
            async with session.get(f"{logs}/{path}") as answer:
                assert (path, answer.status) == (path, 404)


async def test_the_page_may_run_its_own_script_and_nothing_else(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, workers_max=0) as echo, aiohttp.ClientSession() as session:
        async with session.get(echo.runpod.platform.url) as answer:
            policy = answer.headers["Content-Security-Policy"].split("; ")
            html = await answer.text()
        assert "default-src 'none'" in policy
        assert not any("unsafe" in rule or "http" in rule or "*" in rule for rule in policy)
        assert not any(word in html for word in ("innerHTML", "onclick", " style=", "https://"))
