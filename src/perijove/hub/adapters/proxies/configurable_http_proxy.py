"""The built-in proxy, or any other with the command line and the admin API of configurable-http-proxy.

The proxy is a process of its own and outlives the hub: a file says which process it is and how it was started, and a
hub that finds that very process answering keeps it, with all the connections that go through it.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from traitlets import Bool, Integer, List, Unicode

from perijove.hub.adapters import processes
from perijove.hub.adapters.processes import Child, ProcessIdentity
from perijove.hub.adapters.proxies import record as records
from perijove.hub.adapters.proxies.record import ProxyRecord
from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.routes import Route
from perijove.hub.ports.proxy import Proxy
from perijove.hub.settings.crypt_keys import VARIABLE as CRYPT_KEYS
from perijove.hub.settings.loading import COOKIE_SECRET
from perijove.wire.environment import PROXY_AUTH_TOKEN

if TYPE_CHECKING:
    from perijove.hub.adapters.proxies.admin_api import AdminApi

CLIENT: Final = "perijove.hub.adapters.proxies.admin_api"
START_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.02
TERM_SECONDS: Final = 5.0
KILL_SECONDS: Final = 5.0
STATE_FILE: Final = "proxy-routes.json"
"""Where the built-in proxy keeps its routes, in the hub's data folder: started again, it serves before the hub does."""


class ConfigurableHTTPProxy(Proxy):
    """Starts the proxy, keeps it over restarts of the hub, and tells it its routes."""

    command = List(Unicode(), [sys.executable, "-m", "perijove.proxy"], help="The command that starts the proxy.").tag(
        config=True
    )
    api_url = Unicode("http://127.0.0.1:8001", help="Where the proxy's admin API is, or is to be.").tag(config=True)
    auth_token = Unicode(
        "", help=f"The token for the admin API. If empty, that in {PROXY_AUTH_TOKEN}, else one made by the hub."
    ).tag(config=True)
    log_level = Unicode("info", help="What the proxy logs: debug, info, warn or error.").tag(config=True)
    debug = Bool(False, help="Let the proxy log in detail.").tag(config=True)
    pid_file = Unicode(
        "jupyterhub-proxy.pid", help="File that says which process the proxy is; relative to the hub's data folder."
    ).tag(config=True)
    concurrency = Integer(10, min=1, help="How many calls of the admin API are under way at most.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._child: Child | None = None
        self._known: ProxyRecord | None = None
        self._client: AdminApi | None = None

    @property
    def pid_path(self) -> Path:
        """The file that says which process the proxy is."""
        return Path(self.setting.data_dir, self.pid_file)

    @property
    def full_command(self) -> tuple[str, ...]:
        """The command with all its arguments."""
        public, api = urlsplit(self.setting.bind_url), urlsplit(self.api_url)
        arguments = {
            "--ip": public.hostname or "",
            "--port": str(public.port or (443 if public.scheme == "https" else 80)),
            "--api-ip": api.hostname or "",
            "--api-port": str(api.port or 80),
            "--error-target": f"{self.setting.hub_url}{self.setting.hub_prefix}error",
            "--log-level": "debug" if self.debug else self.log_level,
        }
        if self.setting.ssl_key:
            arguments["--ssl-key"] = self.setting.ssl_key
        if self.setting.ssl_cert:
            arguments["--ssl-cert"] = self.setting.ssl_cert
        if _is_built_in(self.command):
            arguments["--state-file"] = str(Path(self.setting.data_dir, STATE_FILE).absolute())
        flags = ("--host-routing",) if self.setting.host_routing else ()
        return (*self.command, *(word for pair in arguments.items() for word in pair), *flags)

    @property
    def _token(self) -> str:
        return self.auth_token or os.environ.get(PROXY_AUTH_TOKEN, "") or self.setting.default_token

    async def _api(self) -> AdminApi:
        if self._client is None:
            # Not with this module: the hub answers before it has a proxy, and here nobody waits while this is loaded.
            client: type[AdminApi] = (await asyncio.to_thread(importlib.import_module, CLIENT)).AdminApi
            token, host_routing = self._token, self.setting.host_routing
            self._client = self._client or client(self.api_url, token, self.concurrency, host_routing=host_routing)
        return self._client

    async def start(self) -> bool:
        """Make sure that the proxy runs; return False if one from an earlier hub process was found and kept.

        One that was started in another way, or does not answer, is ended and replaced.

        Raises:
            PerijoveError: UNAVAILABLE, with what kept it from starting.
        """
        if not self.should_start:
            if await (await self._api()).info() is None:
                raise _unavailable(
                    f"No proxy answers at {self.api_url}, and c.Proxy.should_start is off. Start it first."
                )
            return False
        found = await asyncio.to_thread(self._read_record)
        if found is None or not processes.is_alive(found.process):
            found = await self._unrecorded()
        if found is not None:
            if found.command == self.full_command and await self._answers(found.process):
                self._known = found
                self.log.info("Kept the proxy that runs as process %d", found.process.pid)
                return False
            self.log.warning("Replacing the proxy that runs as process %d", found.process.pid)
            await self._end(found.process)
        await self._start_new()
        return True

    def _read_record(self) -> ProxyRecord | None:
        try:
            return records.read(self.pid_path)
        except OSError as error:
            raise _unavailable(f"The file {self.pid_file!r} cannot be read: {error.strerror}.") from error

    async def _unrecorded(self) -> ProxyRecord | None:
        """Return the proxy that answers at the API's address, if it is one of ours that was not written down."""
        try:
            pid = (await (await self._api()).info() or {}).get("pid")
        except PerijoveError:
            return None
        process = processes.identify(pid) if type(pid) is int else None
        if process is None or processes.command_line(process.pid) != self.full_command:
            return None
        record = ProxyRecord(process, self.full_command)
        await asyncio.to_thread(records.write, self.pid_path, record)
        return record

    async def _answers(self, process: ProcessIdentity) -> bool:
        """Say whether the proxy that answers at the API's address, with our token, is that process."""
        try:
            info = await (await self._api()).info()
        except PerijoveError:
            return False
        return info is not None and _is_of(info, process) and processes.is_alive(process)

    async def _start_new(self) -> None:
        command = self.full_command

        def launch() -> None:
            child = self._child = self._popen(command)
            process = processes.identify(child.pid)
            if process is None:
                raise _unavailable("The proxy's process was lost while it started.")
            self._known = ProxyRecord(process, command)
            records.write(self.pid_path, self._known)

        thread = asyncio.create_task(asyncio.to_thread(launch))
        try:
            await asyncio.shield(thread)
        except asyncio.CancelledError:
            # The thread goes on: the file must name its process before anybody may forget it.
            await asyncio.wait({thread})
            raise
        except OSError as error:
            await self.stop()
            raise _unavailable(f"The file {self.pid_file!r} cannot be written: {error.strerror}.") from error
        if self._known is not None:
            await self._wait_until_up(self._known.process)

    def _popen(self, command: tuple[str, ...]) -> Child:
        try:
            return Child(
                command,
                env={**_environment(), PROXY_AUTH_TOKEN: self._token},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise _unavailable(
                f"The command {command[0]!r} was not found. Install it, or set c.ConfigurableHTTPProxy.command."
            ) from error
        except (OSError, ValueError) as error:
            raise _unavailable(f"The command {command[0]!r} could not be started: {error}.") from error

    async def _wait_until_up(self, process: ProcessIdentity) -> None:
        ended = asyncio.create_task(processes.wait_gone(process))
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._answers(process):
                    done, _ = await asyncio.wait({ended}, timeout=LOOK_SECONDS)
                    if done:
                        raise self._ended_at_start()
        except TimeoutError:
            await self._end(process)
            raise _unavailable(
                f"The proxy did not answer at {self.api_url} within {START_SECONDS:g} seconds. "
                "Another program may answer there: see c.ConfigurableHTTPProxy.api_url."
            ) from None
        finally:
            ended.cancel()

    def _ended_at_start(self) -> PerijoveError:
        status = self._child.poll() if self._child else None
        self.pid_path.unlink(missing_ok=True)
        return _unavailable(
            f"The proxy ended at once with exit status {status}. It was to listen at {self.setting.bind_url}, and its "
            f"API at {self.api_url}; another program may have one of these ports. What it printed says more."
        )

    async def _end(self, process: ProcessIdentity) -> None:
        gone = await processes.end(process, term_seconds=TERM_SECONDS, kill_seconds=KILL_SECONDS)
        if self._child:
            self._child.poll()  # reaps it
        if not gone:
            raise _unavailable(f"The proxy, process {process.pid}, cannot be ended.")
        await asyncio.to_thread(self.pid_path.unlink, missing_ok=True)
        self._known = None

    async def stop(self) -> None:
        """End the proxy if this hub or an earlier one started it, and close the connections to it.

        Raises:
            PerijoveError: UNAVAILABLE, if it cannot be ended.
        """
        try:
            known = (self._known or await asyncio.to_thread(self._read_record)) if self.should_start else None
            if known:
                await self._end(known.process)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections to the proxy and leave it running."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def move(self, api_url: str, auth_token: str) -> None:
        """Talk to a proxy that somebody else starts at another address or with another token.

        Raises:
            PerijoveError: INVALID, if the hub itself starts the proxy or *api_url* is no address of an API;
                UNAVAILABLE, if no proxy answers there. Nothing changes then.
        """
        if self.should_start:
            raise invalid("The hub starts this proxy itself: change c.ConfigurableHTTPProxy and start the hub again")
        try:
            parts = urlsplit(api_url or self.api_url)
            usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise invalid("api_url must be http://<address>:<port>")
        before = self.api_url, self.auth_token
        await self.close()
        self.api_url, self.auth_token = api_url or self.api_url, auth_token or self.auth_token
        try:
            await self.start()
        except BaseException:
            await self.close()
            self.api_url, self.auth_token = before
            raise

    async def is_running(self) -> bool:
        """Say whether the proxy is there: its process, or its API if somebody else starts it.

        Raises:
            PerijoveError: UNAVAILABLE, if the API of a proxy started by somebody else answers but is of no use.
        """
        if not self.should_start:
            return await (await self._api()).info() is not None
        if self._child:
            self._child.poll()  # reaps it
        return self._known is not None and processes.is_alive(self._known.process)

    async def add_route(self, routespec: str, target: str, data: Mapping[str, Any]) -> None:
        """Send everything below *routespec* to *target*, now and in future; raises PerijoveError UNAVAILABLE."""
        await (await self._api()).add(Route(routespec, target, data))

    async def delete_route(self, routespec: str) -> None:
        """Delete a route; it is no error if there is none. Raises PerijoveError UNAVAILABLE."""
        await (await self._api()).delete(routespec)

    async def change_routes(self, add: Sequence[Route], delete: Sequence[str]) -> None:
        """Add and delete many routes, in one call where the proxy can; raises PerijoveError UNAVAILABLE."""
        await (await self._api()).change(add, delete)

    async def get_all_routes(self) -> Mapping[str, Route]:
        """Return the routes that a hub made, by routespec; raises PerijoveError UNAVAILABLE."""
        return await (await self._api()).routes()


def _is_built_in(command: Sequence[str]) -> bool:
    """Say whether a command starts our own proxy, which has flags that others lack."""
    return "perijove.proxy" in command or (Path(command[0]).name == "perijove" if command else False)


def _is_of(info: Mapping[str, Any], process: ProcessIdentity) -> bool:
    """Say whether what answered is *process* or one it started; a proxy that does not name its process is believed."""
    pid = info.get("pid")
    if type(pid) is not int or pid == process.pid:
        return True
    found = processes.info(pid)
    return found is not None and found.session == process.pid


def _environment() -> dict[str, str]:
    """Return the hub's environment without the secrets that are its own."""
    return {name: value for name, value in os.environ.items() if name not in (COOKIE_SECRET, CRYPT_KEYS)}


def _unavailable(message: str) -> PerijoveError:
    return PerijoveError(Code.UNAVAILABLE, message)
