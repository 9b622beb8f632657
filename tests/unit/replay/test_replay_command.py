"""`firstflight replay` as a process of its own."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import web

from firstflight.replay.tally import ReplaySummary


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_prints_its_summary(tmp_path: Path, number: signal.Signals) -> None:
    """A replay of held-out days that is told to end leaves cleanly, with one JSON summary on stdout."""

    async def interrupted() -> tuple[bytes, int | None]:
        asked = asyncio.Event()

        async def answer(request: web.Request) -> web.Response:
            assert [1, 70, 6] == (await request.json())["inputs"][0]["shape"]
            asked.set()
            return web.json_response({"outputs": []}, headers={"x-seldon-route": ":a-predictor-v1_1:"})

        app = web.Application()
        app.router.add_post("/v2/models/m/infer", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            replay = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "firstflight.cli.main", "replay", "m", "--json", "--outcome-delay", "3600"),
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    "FIRSTFLIGHT_HOME": str(tmp_path),
                    "FIRSTFLIGHT_PORT_GATEWAY": str(runner.addresses[0][1]),
                },
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(60):
                await asked.wait()
                replay.send_signal(number)
                output, _ = await replay.communicate()
            return output, replay.returncode
        finally:
            await runner.cleanup()

    output, code = asyncio.run(interrupted())
    summary = ReplaySummary.model_validate_json(output)
    assert 0 == code
    assert summary.ok == summary.requests > 0
    assert {"a-predictor-v1": summary.requests} == summary.models
    assert summary.requests == summary.outcomes_left
