"""Options of the hub that are right each on its own and contradict each other."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from perijove.hub.core.redirects import local_target
from perijove.hub.settings.jupyterhub import JupyterHub
from perijove.wire.prefixes import normalize_base_url


def conflicts(hub: JupyterHub) -> list[tuple[str, str]]:
    """Return which options contradict each other: pairs of the option's name and a sentence."""
    found = []
    if bool(hub.ssl_key) != bool(hub.ssl_cert):
        given, missing = ("ssl_key", "ssl_cert") if hub.ssl_key else ("ssl_cert", "ssl_key")
        found.append((given, f"HTTPS needs both files, but c.JupyterHub.{missing} is not set"))
    elif urlsplit(hub.bind_url).scheme == "https" and not hub.ssl_key:
        found.append(
            (
                "bind_url",
                "https needs c.JupyterHub.ssl_key and c.JupyterHub.ssl_cert; if a server in front does HTTPS, "
                "write http:// here and its https:// address in c.JupyterHub.public_url",
            )
        )
    if hub.public_url and normalize_base_url(urlsplit(hub.public_url).path) != hub.base_url:
        found.append(("public_url", f"its path must be base_url, which is {hub.base_url}"))
    if hub.subdomain_host and hub.public_url and hub.public_host.lower() != hub.subdomain_host:
        found.append(("subdomain_host", f"it must be the origin of public_url, which is {hub.public_host}"))
    if hub.cookie_host_prefix_enabled and not hub.subdomain_host.startswith("https://"):
        found.append(
            (
                "cookie_host_prefix_enabled",
                "it needs c.JupyterHub.subdomain_host with https://: browsers send such cookies to all of a host, "
                "which must be the hub's own",
            )
        )
    if hub.api_page_default_limit > hub.api_page_max_limit:
        found.append(("api_page_default_limit", f"it is above api_page_max_limit, which is {hub.api_page_max_limit}"))
    if hub.default_server_name and not hub.allow_named_servers:
        found.append(("default_server_name", "it needs c.JupyterHub.allow_named_servers"))
    page = hub.default_url
    if isinstance(page, str) and page and not local_target(page, base_url=hub.base_url, default=""):
        found.append(("default_url", f"it must be a path below base_url, which is {hub.base_url}"))
    if hub.logo_file and not hub.path(hub.logo_file).is_file():
        found.append(("logo_file", f"there is no file {hub.path(hub.logo_file)}"))
    found += [
        ("template_paths", f"there is no folder {folder}")
        for folder in hub.template_folders
        if not Path(folder).is_dir()
    ]
    if hub.port and hub.port == hub.hub_port and (hub.ip == hub.hub_ip or "" in (hub.ip, hub.hub_ip)):
        found.append(("hub_port", f"port {hub.port} is that of bind_url already"))
    return found
