"""The versions that travel on the wire.

Clients compare the version of the protocol, not ours: the hub answers with the JupyterHub version it is compatible
with, and states its own in a header of its own.
"""

PROTOCOL_VERSION = "6.1.1"
"""The JupyterHub version whose wire format Perijove speaks; a valid PEP 440 version, because clients parse it."""

PROTOCOL_HEADER = "X-JupyterHub-Version"
"""Carries PROTOCOL_VERSION on every answer of the hub and of a single-user server."""

PERIJOVE_HEADER = "X-Perijove-Version"
"""Carries Perijove's own version on every answer of the hub."""
