from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from perijove.hub.adapters import processes
from perijove.hub.adapters.processes import ProcessIdentity
from perijove.hub.adapters.proxies import configurable_http_proxy as module
from perijove.hub.adapters.proxies import record as records
from perijove.hub.adapters.proxies.configurable_http_proxy import ConfigurableHTTPProxy
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.ports.proxy import Proxy, ProxySetting
from perijove.hub.testing.proxy_contract import ChangesRoutesAtOnceContract

TARGET = "http://127.0.0.1:9"
Make = Callable[..., ConfigurableHTTPProxy]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """A function that makes the proxy object of one more hub process; all are about the same proxy."""
    monkeypatch.delenv("CONFIGPROXY_AUTH_TOKEN", raising=False)
    public, api = free_ports(2)
    made: list[ConfigurableHTTPProxy] = []

    def make(**options: Any) -> ConfigurableHTTPProxy:
        setting: dict[str, Any] = {
            key: options.pop(key) for key in ("bind_url", "default_token", "ssl_key", "ssl_cert") if key in options
        }
        proxy = ConfigurableHTTPProxy(**{"api_url": f"http://127.0.0.1:{api}", "log_level": "warn"} | options)
        proxy.setting = ProxySetting(
            **{
                "bind_url": f"http://127.0.0.1:{public}/base/",
                "hub_url": "http://127.0.0.1:8081",
                "hub_prefix": "/base/hub/",
                "data_dir": str(tmp_path),
                "default_token": "token-of-the-hub",
            }
            | setting
        )
        made.append(proxy)
        return proxy

    yield make
    for proxy in made:
        proxy.should_start = True
        await proxy.stop()


def process_in(path: Path) -> ProcessIdentity:
    process = ProcessIdentity.from_dict(json.loads((path / "jupyterhub-proxy.pid").read_text()))
    assert process is not None
    return process


class TestContract(ChangesRoutesAtOnceContract):
    @pytest.fixture
    async def proxy(self, make: Make) -> Proxy:
        proxy = make()
        assert await proxy.start() is True
        return proxy


def test_the_command_line_is_that_of_configurable_http_proxy(make: Make) -> None:
    proxy = make(
        command=["chp"],
        api_url="http://[::1]:9001",
        bind_url="https://:8443/",
        ssl_key="key",
        ssl_cert="cert",
        debug=True,
    )
    assert proxy.full_command == (
        *("chp", "--ip", "", "--port", "8443", "--api-ip", "::1", "--api-port", "9001"),
        *("--error-target", "http://127.0.0.1:8081/base/hub/error", "--log-level", "debug"),
        *("--ssl-key", "key", "--ssl-cert", "cert"),
    )


@pytest.mark.parametrize(("url", "port"), [("http://x", "80"), ("https://x", "443")])
def test_a_url_without_port_means_the_usual_one(make: Make, url: str, port: str) -> None:
    command = make(bind_url=url).full_command
    assert command[command.index("--port") + 1] == port


def test_the_token_configured_beats_that_of_the_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make()._token == "token-of-the-hub"
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "from-environment")
    assert make()._token == "from-environment"
    assert make(auth_token="configured")._token == "configured"


async def test_traffic_survives_the_hub(make: Make, tmp_path: Path) -> None:
    first, second = make(), make()
    assert await first.start() is True
    await first.add_route("/base/", TARGET, {"hub": True})
    process = process_in(tmp_path)
    await first.close()
    assert await second.start() is False
    assert process_in(tmp_path) == process
    assert set(await second.get_all_routes()) == {"/base/"}
    assert await second.is_running()


async def test_the_token_is_not_in_the_command_line_and_is_asked_for(make: Make, tmp_path: Path) -> None:
    proxy = make()
    await proxy.start()
    assert "token-of-the-hub" not in " ".join(processes.command_line(process_in(tmp_path).pid))
    assert "token-of-the-hub" not in (tmp_path / "jupyterhub-proxy.pid").read_text()
    async with httpx.AsyncClient(trust_env=False) as anybody:
        assert (await anybody.get(f"{proxy.api_url}/api/routes")).status_code == 403


async def test_the_hubs_own_secrets_stay_with_the_hub(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUPYTERHUB_CRYPT_KEY", "JPY_COOKIE_SECRET", "OTHER"):
        monkeypatch.setenv(name, "value-of-the-environment")
    await make().start()
    environment = Path(f"/proc/{process_in(tmp_path).pid}/environ").read_bytes().split(b"\0")
    assert [line for line in environment if line.endswith(b"=value-of-the-environment")] == [
        b"OTHER=value-of-the-environment"
    ]


async def test_a_dead_proxy_is_noticed_and_started_again(make: Make, tmp_path: Path) -> None:
    proxy = make()
    await proxy.start()
    dead = process_in(tmp_path)
    os.kill(dead.pid, signal.SIGKILL)
    await processes.wait_gone(dead, 30)
    assert not await proxy.is_running()
    assert await proxy.start() is True
    assert process_in(tmp_path) != dead
    assert await proxy.is_running()


@pytest.mark.parametrize("options", [{"auth_token": "another-token-altogether"}, {"log_level": "error"}])
async def test_a_proxy_started_in_another_way_is_replaced(make: Make, tmp_path: Path, options: dict[str, Any]) -> None:
    first, second = make(), make(**options)
    await first.start()
    old = process_in(tmp_path)
    assert await second.start() is True
    assert not processes.is_alive(old)
    assert await second.is_running()
    assert not await first.is_running()


async def test_a_stranger_with_the_number_of_the_proxy_is_left_alone(make: Make, tmp_path: Path) -> None:
    stranger = processes.identify(os.getpid())
    assert stranger is not None
    record = stranger.to_dict() | {"started": stranger.started - 1, "command": list(make().full_command)}
    (tmp_path / "jupyterhub-proxy.pid").write_text(json.dumps(record))
    assert await make().start() is True
    assert process_in(tmp_path).pid != stranger.pid


async def test_a_proxy_whose_file_was_lost_is_kept(make: Make, tmp_path: Path) -> None:
    first, second = make(), make()
    await first.start()
    process = process_in(tmp_path)
    (tmp_path / "jupyterhub-proxy.pid").unlink()
    assert await second.start() is False
    assert process_in(tmp_path) == process


async def test_a_port_that_is_taken_is_told(make: Make, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        proxy = make(bind_url=f"http://{address}/")
        with pytest.raises(PerijoveError, match=r"exit status 1.*another program") as error:
            await proxy.start()
    assert address in error.value.message
    assert error.value.code is Code.UNAVAILABLE
    assert not (tmp_path / "jupyterhub-proxy.pid").exists()
    assert not await proxy.is_running()


async def test_somebody_elses_api_is_not_taken_for_the_proxys(
    make: Make, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 0.2)
    api.answers = [(200, json.dumps({"pid": os.getpid()}))]
    sleeper = [sys.executable, "-c", "import signal; signal.pause()"]
    proxy = make(command=sleeper, api_url=api.url)
    with pytest.raises(PerijoveError, match="did not answer"):
        await proxy.start()
    assert not await proxy.is_running()


async def test_a_proxy_that_does_not_name_its_process_is_believed(make: Make, api: Any, tmp_path: Path) -> None:
    api.answers = [(404, "")]
    proxy = make(command=[sys.executable, "-c", "import signal; signal.pause()"], api_url=api.url)
    assert await proxy.start() is True
    assert await proxy.is_running()
    assert await make(command=list(proxy.command), api_url=api.url).start() is False


@pytest.mark.parametrize(
    ("command", "words"), [(["no-such-command"], "was not found"), (["/"], "could not be started")]
)
async def test_a_command_that_cannot_be_started_is_told(make: Make, command: list[str], words: str) -> None:
    with pytest.raises(PerijoveError, match=words) as error:
        await make(command=command).start()
    assert error.value.code is Code.UNAVAILABLE


async def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    proxy = make()
    with monkeypatch.context() as patch:
        patch.setattr(records, "write", full)
        with pytest.raises(PerijoveError, match="No space left"):
            await proxy.start()
    assert not await proxy.is_running()


async def test_a_file_that_cannot_be_read_is_told(make: Make, tmp_path: Path) -> None:
    proxy = make(pid_file="folder")
    (tmp_path / "folder").mkdir()
    with pytest.raises(PerijoveError, match="'folder' cannot be read"):
        await proxy.start()
    (tmp_path / "folder").rmdir()


async def test_a_proxy_that_cannot_be_ended_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def in_vain(*_: Any, **__: Any) -> bool:
        return False

    proxy = make()
    await proxy.start()
    with monkeypatch.context() as patch:
        patch.setattr(processes, "end", in_vain)
        with pytest.raises(PerijoveError, match="cannot be ended"):
            await proxy.stop()
    assert await proxy.is_running()


async def test_stopping_ends_the_proxy_of_an_earlier_hub(make: Make, tmp_path: Path) -> None:
    first, second = make(), make()
    await first.start()
    process = process_in(tmp_path)
    await second.stop()
    assert not processes.is_alive(process)
    assert not (tmp_path / "jupyterhub-proxy.pid").exists()


async def test_a_proxy_of_somebody_else_is_used_and_left_alone(make: Make, tmp_path: Path) -> None:
    theirs, ours = make(), make(should_start=False)
    with pytest.raises(PerijoveError, match="No proxy answers"):
        await ours.start()
    assert not await ours.is_running()
    await theirs.start()
    assert await ours.start() is False
    assert await ours.is_running()
    await ours.add_route("/", TARGET, {})
    await ours.stop()
    assert processes.is_alive(process_in(tmp_path))
    wrong = make(should_start=False, auth_token="wrong")
    with pytest.raises(PerijoveError, match="does not take the hub's token"):
        await wrong.is_running()


async def test_the_hub_follows_a_proxy_of_somebody_else(make: Make) -> None:
    theirs, ours = make(), make(should_start=False, auth_token="wrong")
    await theirs.start()
    before = (ours.api_url, ours.auth_token)
    for address in ("http://127.0.0.1:1", "ftp://127.0.0.1", "http://[::", "nonsense"):
        with pytest.raises(PerijoveError):
            await ours.move(address, "")
        assert (ours.api_url, ours.auth_token) == before
    await ours.move(theirs.api_url, theirs._token)
    assert await ours.is_running()
    with pytest.raises(PerijoveError, match="starts this proxy itself"):
        await theirs.move(theirs.api_url, "")


async def test_a_cancelled_start_is_written_down(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, reached, go = make(), asyncio.Event(), asyncio.Event()
    loop, popen = asyncio.get_running_loop(), proxy._popen

    def slow(command: tuple[str, ...]) -> Any:
        loop.call_soon_threadsafe(reached.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(30)
        return popen(command)

    monkeypatch.setattr(proxy, "_popen", slow)
    starting = asyncio.create_task(proxy.start())
    await asyncio.wait_for(reached.wait(), 30)
    starting.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    process = process_in(tmp_path)
    await make().stop()
    assert not processes.is_alive(process)


@pytest.mark.parametrize(
    ("command", "passed"),
    [
        (["perijove", "proxy"], True),
        (["/opt/bin/perijove", "proxy"], True),
        ([sys.executable, "-m", "perijove.proxy"], True),
        (["configurable-http-proxy"], False),
        ([], False),
    ],
)
def test_only_the_built_in_proxy_is_told_where_to_keep_its_routes(
    make: Make, tmp_path: Path, command: list[str], passed: bool
) -> None:
    words = make(command=command).full_command
    assert ("--state-file" in words) is passed
    if passed:
        assert words[words.index("--state-file") + 1] == str(tmp_path / "proxy-routes.json")
