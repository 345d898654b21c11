"""Certificate authorities that are read when somebody first connects, not when a client is made.

JupyterLab makes a client for its list of extensions in each server, and nobody ever sees that list in most of them.
Reading the authorities took a third of the processor time of a copied server's start, and 6 MB that stayed.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Iterable
from typing import Any

import httpx


class LateTrust(ssl.SSLContext):
    """What httpx uses by default, made at the first connection."""

    def __new__(cls) -> LateTrust:
        """Return a context that has read nothing yet."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self) -> None:
        self._protocols: tuple[str, ...] = ()
        self._made: ssl.SSLContext | None = None

    def _context(self) -> ssl.SSLContext:
        if self._made is None:
            self._made = httpx.create_ssl_context()
            if self._protocols:
                self._made.set_alpn_protocols(self._protocols)
        return self._made

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Remember what is offered to the other side."""
        self._protocols = tuple(alpn_protocols)
        if self._made is not None:
            self._made.set_alpn_protocols(self._protocols)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Begin a connection, read the authorities if it is the first one."""
        return self._context().wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Begin a connection, read the authorities if it is the first one."""
        return self._context().wrap_socket(*args, **kwargs)


def trust_late() -> None:
    """Let JupyterLab's list of extensions read the authorities when it is first asked for, where it can be told so.

    Raises ImportError without JupyterLab.
    """
    options = getattr(importlib.import_module("jupyterlab.extensions.pypi"), "_httpx_client_args", None)
    if isinstance(options, dict):
        options.setdefault("verify", LateTrust())
