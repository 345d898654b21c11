"""Starts the example as a service of a hub on this machine: perijove -f jupyterhub_config.py, in this folder."""

import sys

c = get_config()

c.JupyterHub.services = [
    {
        "name": "idle-servers",
        "url": "http://127.0.0.1:10102",
        "command": [sys.executable, "idle_servers.py"],
    }
]
c.JupyterHub.load_roles = [
    # What the service may do with its own token; administrators may open its page, as they may open all services.
    {
        "name": "idle-servers",
        "services": ["idle-servers"],
        "scopes": ["list:users", "read:servers", "delete:servers"],
    },
]
