"""The clients that watch a run of kills: what they call a failure is one."""

import asyncio
import json
from pathlib import Path

from aiohttp import web

from benchmarks.faults.clients import Clients
from tests.doubles.gateway import gateway


def test_what_is_asked_at_the_end_is_waited_for(tmp_path: Path) -> None:
    """The clients' own end is no failure of the gateway: an answer that comes after it counts as an answer."""
    out, asked, answering = tmp_path / "clients.jsonl", asyncio.Event(), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        asked.set()
        await answering.wait()
        return web.Response(headers={"x-seldon-route": ":predictor-v1_1:"})

    async def end_while_asking() -> None:
        async with gateway(answer) as url:
            stop = asyncio.Event()
            running = asyncio.create_task(Clients(url, ("predictor",), 50.0, out).run(stop, [b"{}"]))
            await asyncio.wait_for(asked.wait(), 10)
            stop.set()
            asyncio.get_running_loop().call_later(0.2, answering.set)
            await asyncio.wait_for(running, 10)

    asyncio.run(end_while_asking())
    told = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [] == [line for line in told if "failed" in line]
    assert {"predictor-v1"} == {chosen for line in told for chosen in line["chosen"]}
