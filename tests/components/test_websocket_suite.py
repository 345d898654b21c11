"""The Autobahn suite, run by kosoku: the verdict through the proxy is the verdict without it, case by case.

Left out are the cases that only measure time (9.3 to 9.8) and most of those for compression, which send the same frames
at many sizes and take minutes: to a proxy, a compressed frame is a frame.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import websockets
from tests.support.proxies import run_proxy

kosoku = pytest.importorskip("kosoku", reason="kosoku, which runs the cases of the Autobahn suite, is not installed")

CASES = [
    *(f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 10)),
    "9.1.*",
    "9.2.*",
    "12.1.1",
    "12.1.2",
    "13.1.1",
    "13.7.1",
]


async def echo(connection: websockets.ServerConnection) -> None:
    """Send every message back."""
    try:
        async for message in connection:
            await connection.send(message)
    except websockets.ConnectionClosed:
        return


async def verdicts(port: int, cases: list[str], concurrency: int = 8) -> dict[str, tuple[str, str]]:
    """The verdicts on the exchange and on the closing, by case."""
    try:
        results = await kosoku.run_fuzzingclient(f"ws://127.0.0.1:{port}", cases=cases, concurrency=concurrency)
    except kosoku.FailureError as error:
        results = error.results
    return {result.case_id: (result.behavior.value, result.behavior_close.value) for result in results}


# kosoku leaves the files with its test data to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_each_verdict_is_the_same_through_the_proxy(tmp_path: Path) -> None:
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with asyncio.timeout(120), run_proxy(tmp_path, f"http://127.0.0.1:{port}") as proxy:
            without, through = await verdicts(port, CASES), await verdicts(proxy.port, CASES)
            # In a few cases both ends may close at once, and the verdict depends on who is first: these again, alone.
            for _ in range(3):
                differing = [case for case in without if through.get(case) != without[case]]
                if differing:
                    without |= await verdicts(port, differing, concurrency=1)
                    through |= await verdicts(proxy.port, differing, concurrency=1)
    assert len(without) > 250
    assert through == without
    # Or the comparison would compare failures.
    assert sum(verdict == ("OK", "OK") for verdict in through.values()) > 220
