"""Starts the example as a service of a hub on this machine: perijove -f jupyterhub_config.py, in this folder."""

import sys

c = get_config()

c.JupyterHub.services = [
    {
        "name": "whoami",
        "url": "http://127.0.0.1:10101",
        "command": [sys.executable, "whoami.py"],
    }
]
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", "access:services!service=whoami"]},
]
