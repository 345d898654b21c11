"""Jupyter Server as the hub wants it.

Configuration comes from four places; later ones win: what a hub suggests (start page, directory), configuration files,
what the hub has decided (address, prefix), the command line. Who may enter is not configuration: it is set after all
that.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import site
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_core.paths import ENV_CONFIG_PATH, SYSTEM_CONFIG_PATH, jupyter_config_dir, jupyter_path
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.log import app_log, gen_log
from traitlets import Bool, Instance, Unicode, default
from traitlets.config import Config

from perijove.client.environment import ServerEnvironment
from perijove.singleuser.activity import ActivityReporter
from perijove.singleuser.authorizer import HubAuthorizer
from perijove.singleuser.config_paths import operator_paths
from perijove.singleuser.hub_check import check_hub
from perijove.singleuser.identity_provider import HubIdentityProvider, cookie_secret
from perijove.singleuser.kernels import provisioner
from perijove.singleuser.kernels.channels import PromptChannels
from perijove.singleuser.language_servers import language_servers_put_off
from perijove.singleuser.log_privacy import hide_queries
from perijove.singleuser.page_config import PageConfigHook
from perijove.wire.versions import PROTOCOL_HEADER, PROTOCOL_VERSION

INTERFACES = {"jupyterlab": "/lab", "notebook": "/tree"}
"""Extensions that bring a user interface, and their start pages, the preferred one first."""

CONTENT_SECURITY_POLICY = "frame-ancestors 'none'"


def decided_by_hub(environment: ServerEnvironment) -> Config:
    """Return the configuration that wins over files: its address, and what makes no sense behind a hub."""
    server: dict[str, Any] = {
        "ip": environment.bind.ip,
        "port": environment.bind.port,
        "port_retries": 0,
        "base_url": environment.prefix,
        # The proxy passes on the public host name, and visitors are identified whatever name they use.
        "allow_remote_access": True,
        "trust_xheaders": True,
        "open_browser": False,
        "quit_button": False,
        "answer_yes": True,
    }
    certificates = {
        "keyfile": environment.keyfile,
        "certfile": environment.certfile,
        "client_ca": environment.client_ca,
    }
    server |= {name: path for name, path in certificates.items() if path}
    return Config({"ServerApp": server, "FileContentsManager": {"delete_to_trash": False}})


def ipython_kernels_dir(environ: Mapping[str, str]) -> str:
    """Return where kernels of IPython's own are registered."""
    directory = environ.get("IPYTHONDIR") or "~/.ipython"
    return str(Path(directory).expanduser() / "kernels")


class SingleUserServer(ServerApp):
    """A Jupyter Server whose visitors are identified by the hub; reads the same configuration files as any other."""

    name = "jupyter-server"
    description = "The Jupyter server of one person, started by a hub."
    examples = ""

    environment = Instance(ServerEnvironment)
    server_name = Unicode()
    copy_kernels = Bool(
        True, help="Copy IPython kernels from a process that has IPython imported, so that they are there at once."
    ).tag(config=True)

    _hub_tasks: tuple[asyncio.Task[None], ...] = ()

    @default("server_name")
    def _default_server_name(self) -> str:
        return self.environment.server_name

    # What a hub suggests

    @default("default_url")
    def _default_default_url(self) -> str:
        if self.environment.default_url:
            return self.environment.default_url
        return next((url for name, url in INTERFACES.items() if importlib.util.find_spec(name)), "/")

    @default("root_dir")
    def _default_root_dir(self) -> str:
        root_dir = self.environment.root_dir
        return str(Path(root_dir).expanduser()) if root_dir else super()._default_root_dir()

    @default("log_level")
    def _default_log_level(self) -> int:
        return 10 if self.environment.debug else super()._default_log_level()

    @default("allow_unauthenticated_access")
    def _allow_unauthenticated_access_default(self) -> bool:
        # An extension that forgot to ask who is there stays closed; its public pages say so themselves.
        return False

    @default("kernel_websocket_connection_class")
    def _default_kernel_websocket_connection_class(self) -> str | type[ZMQChannelsWebsocketConnection]:
        chosen = super()._default_kernel_websocket_connection_class()
        # It is another one where kernels run behind a gateway.
        return PromptChannels if chosen is ZMQChannelsWebsocketConnection else chosen

    # Configuration files and the command line

    @property
    def config_file_paths(self) -> list[str]:
        """The directories with configuration files, without the user's own where the operator wants that."""
        paths = super().config_file_paths
        if not self.environment.disable_user_config:
            return paths
        user_dirs = [jupyter_config_dir(), str(Path("~/.jupyter").expanduser()), f"{site.getuserbase()}/etc/jupyter"]
        installed = [*ENV_CONFIG_PATH, *SYSTEM_CONFIG_PATH]
        return operator_paths(paths, installed=installed, environ=os.environ, user_dirs=user_dirs)

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """Read the arguments, and put what the hub decided below them: Jupyter lets both win over files."""
        super().parse_command_line(argv)
        config = decided_by_hub(self.environment)
        config.merge(self.config)
        self.config = config

    def find_server_extensions(self) -> None:
        """Enable the user interfaces that are installed, unless a configuration file switches them off."""
        super().find_server_extensions()
        for name in INTERFACES:
            if importlib.util.find_spec(name):
                self.jpserver_extensions.setdefault(name, True)
        # It brings in extensions of the classic Notebook from wherever a user wrote them down, and takes its time.
        self.jpserver_extensions["notebook_shim"] = False

    def load_server_extensions(self) -> None:
        """Load the extensions; what takes long and nobody needs yet is put off."""
        with language_servers_put_off(self):
            super().load_server_extensions()

    def init_logging(self) -> None:
        """Set up logging so that no token or code gets into the log with an address."""
        super().init_logging()
        for logger in (gen_log, app_log):
            logger.addFilter(hide_queries)

    # What no configuration changes

    @default("cookie_secret")
    def _default_cookie_secret(self) -> bytes:
        return cookie_secret(self.environment)

    def init_configurables(self) -> None:
        """Set who may enter, then build the managers."""
        self.base_url = self.environment.prefix
        self.no_browser_open_file = True
        self.identity_provider_class = HubIdentityProvider
        self.authorizer_class = HubAuthorizer
        self._choose_provisioner()
        super().init_configurables()
        # Jupyter's own default, which however imports all of IPython to learn the last of these directories.
        assert self.kernel_spec_manager is not None  # noqa: S101  # tells the type checker; made just now
        self.kernel_spec_manager.kernel_dirs = [*jupyter_path("kernels"), ipython_kernels_dir(os.environ)]

    def _choose_provisioner(self) -> None:
        """Let kernels be copied where neither the user nor the operator wants them otherwise."""
        wanted = KernelProvisionerFactory.default_provisioner_name_env in os.environ
        if not self.copy_kernels or wanted or "default_provisioner_name" in self.config.KernelProvisionerFactory:
            provisioner.give_up()
            return
        if provisioner.is_installed():
            # The factory reads it with the first kernel: making one looks through all that is installed.
            self.config.KernelProvisionerFactory.default_provisioner_name = provisioner.NAME
        else:  # our files were put on the path, but never installed
            provisioner.give_up()

    def init_webapp(self) -> None:
        """Build the web application with the hub's headers and page configuration."""
        headers = dict(self.tornado_settings.get("headers", {}))
        headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        headers[PROTOCOL_HEADER] = PROTOCOL_VERSION
        self.tornado_settings["headers"] = headers
        self.tornado_settings["page_config_hook"] = PageConfigHook(self.environment)
        super().init_webapp()

    # Life

    def init_signal(self) -> None:
        """Finish in order after SIGINT too: as an exception in the midst of anything it may leave all hanging."""
        super().init_signal()
        signal.signal(signal.SIGINT, self._signal_stop)

    def _signal_stop(self, sig: int, frame: FrameType | None) -> None:
        """Begin to finish; whoever asks again does not want to wait for what hangs."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        super()._signal_stop(sig, frame)

    async def _post_start(self) -> None:
        await super()._post_start()  # type: ignore[no-untyped-call]
        provider = self.identity_provider
        assert isinstance(provider, HubIdentityProvider)  # noqa: S101  # tells the type checker; set above
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(check_hub(provider.auth.hub, self.log))]
        if self.environment.activity_url:
            reporter = ActivityReporter(
                provider.auth.hub,
                self.environment.server_name,
                self.web_app.last_activity,
                self.log,
                interval=self.environment.activity_interval,
            )
            tasks.append(loop.create_task(reporter.run()))
        self._hub_tasks = tuple(tasks)

    async def _cleanup(self) -> None:
        for task in self._hub_tasks:
            task.cancel()
        await asyncio.gather(*self._hub_tasks, return_exceptions=True)
        await super()._cleanup()
