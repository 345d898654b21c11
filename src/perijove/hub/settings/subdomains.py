"""Host names for users and services, ``c.JupyterHub.subdomain_hook``.

``idna`` keeps a name that is a DNS label as it is, writes one in another script in IDNA (RFC 5891), and gives any other
a label with a hash. No two names share a label: one that has two hyphens in a row is never kept, and all labels that
are made have them. The hash has 80 bits where JupyterHub's has 28, so that nobody can look for a name with somebody
else's label. ``legacy`` is JupyterHub's first form.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

import idna
from traitlets import TraitError

from perijove.hub.core.site import HostHook
from perijove.hub.settings.addresses import check_http_url

MAX_LABEL: Final = 63
_STUB_LENGTH: Final = 8
_HASH_LENGTH: Final = 20
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_PLAIN: Final = frozenset(string.ascii_lowercase + string.digits)
_LEGACY_SAFE: Final = _PLAIN | {"-", ".", "%"}


def check_subdomain_host(value: str) -> str:
    """Return *value* as an origin, ``scheme://host[:port]``; https where no scheme is written.

    Raises:
        TraitError: what is wrong with it.
    """
    url = check_http_url(value if "://" in value else f"https://{value}")
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.path.strip("/"):
        raise TraitError("it must end after the host; c.JupyterHub.base_url is the prefix")
    if ":" in host or host.replace(".", "").isdigit():
        raise TraitError("it must be a host name: an address has no hosts below it")
    return f"{parts.scheme}://{parts.netloc}".lower()


def read_hook(value: Any) -> HostHook:
    """Return the hook that *value* stands for: ``idna``, ``legacy``, or a function ``(name, domain, kind)``.

    Raises:
        TraitError: it is none of these.
    """
    if isinstance(value, str) and value in HOOKS:
        return HOOKS[value]
    if callable(value):
        return _with_keyword(value)
    raise TraitError("it must be 'idna', 'legacy', or a function (name, domain, kind) that returns a host name")


def _with_keyword(function: Callable[..., str]) -> HostHook:
    """Return a hook that calls *function* as JupyterHub does, with the kind by its name."""

    def hook(name: str, domain: str, kind: str) -> str:
        return function(name, domain, kind=kind)

    return hook


def idna_hook(name: str, domain: str, kind: str) -> str:
    """Return ``label.domain`` for a user and ``label--service.domain`` for a service."""
    if kind == "user":
        return f"{label_of(name)}.{domain}"
    label = f"{label_of(name)}--{kind}"
    # What begins with xn-- would be read as IDNA.
    if len(label) > MAX_LABEL or (label.startswith("xn--") and name.isascii()):
        label = f"{_hashed(name)}--{kind}"
    return f"{label}.{domain}"


def label_of(name: str) -> str:
    """Return the DNS label of a name, a different one for every name."""
    if "--" not in name:
        if _is_label(name):
            return name
        try:
            encoded = idna.encode(name).decode("ascii")
        except UnicodeError:
            encoded = ""
        if encoded != name and _is_label(encoded):
            return encoded
    return _hashed(name)


def _is_label(text: str) -> bool:
    return len(text) <= MAX_LABEL and not text.isdecimal() and _LABEL.fullmatch(text) is not None


def _hashed(name: str) -> str:
    stub = "".join(c for c in name.lower() if c in _PLAIN)[:_STUB_LENGTH]
    return f"u-{stub or 'x'}--{hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]}"


def legacy_hook(name: str, domain: str, kind: str) -> str:
    """Return the name with underscores for percent signs before *domain*; all services share one host."""
    if kind == "service":
        return f"services.{domain}"
    escaped = quote(name, safe="").lower()
    label = "".join(c if c in _LEGACY_SAFE else f"%{ord(c):x}" for c in escaped)
    return f"{label.replace('%', '_')}.{domain}"


HOOKS: Final[dict[str, HostHook]] = {"idna": idna_hook, "legacy": legacy_hook}
