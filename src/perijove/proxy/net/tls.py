"""TLS of the three sides, and certificates that change while the proxy runs.

A side's context is made from files. When one of them has changed, a new context is made; only if that works does it
take the old one's place, for handshakes from then on. A listening socket keeps the context it was opened with, so this
one hands each handshake over to the newest (by the callback that is made for choosing among server names).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from perijove.proxy.net.logs import log
from perijove.proxy.settings import ProxySettings

WATCH_SECONDS = 3.0

# Names of OpenSSL's methods as configurable-http-proxy takes them: oldest and newest version that each allows.
PROTOCOLS = {
    "": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED),
    "TLS": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED),
    "SSLv23": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED),
    "TLSv1_2": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    "TLSv1_3": (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
}

_Stamp = tuple[tuple[int, int, int] | None, ...]


class BadTls(Exception):
    """Why a TLS context cannot be made, in words for the operator."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What one side's TLS is made of: paths, empty for none. ``name`` is for messages."""

    name: str
    key: str = ""
    cert: str = ""
    ca: str = ""
    dhparam: str = ""
    passphrase: str = field(default="", repr=False)
    protocol: str = ""
    ciphers: str = ""
    request_cert: bool = False
    reject_unauthorized: bool = False

    @property
    def used(self) -> bool:
        """Whether the side speaks TLS of its own."""
        return bool(self.cert or self.key)

    def stamp(self) -> _Stamp:
        """Return what differs when a file has changed."""
        found: list[tuple[int, int, int] | None] = []
        for path in (self.key, self.cert, self.ca, self.dhparam):
            try:
                status = Path(path).stat() if path else None
            except OSError:
                status = None
            found.append((status.st_mtime_ns, status.st_size, status.st_ino) if status else None)
        return tuple(found)


def public_files(settings: ProxySettings) -> TlsFiles:
    """Return what the public side's TLS is made of."""
    return TlsFiles(
        "public side",
        settings.ssl_key,
        settings.ssl_cert,
        settings.ssl_ca,
        settings.ssl_dhparam,
        settings.ssl_passphrase,
        settings.ssl_protocol,
        settings.ssl_ciphers,
        settings.ssl_request_cert,
        settings.ssl_reject_unauthorized,
    )


def api_files(settings: ProxySettings) -> TlsFiles:
    """Return what the admin API's TLS is made of."""
    return TlsFiles(
        "admin API",
        settings.api_ssl_key,
        settings.api_ssl_cert,
        settings.api_ssl_ca,
        settings.ssl_dhparam,
        settings.api_ssl_passphrase,
        settings.ssl_protocol,
        settings.ssl_ciphers,
        settings.api_ssl_request_cert,
        settings.api_ssl_reject_unauthorized,
    )


def client_files(settings: ProxySettings) -> TlsFiles:
    """Return what TLS towards targets is made of."""
    return TlsFiles(
        "targets",
        settings.client_ssl_key,
        settings.client_ssl_cert,
        settings.client_ssl_ca,
        "",
        settings.client_ssl_passphrase,
        settings.ssl_protocol,
        settings.ssl_ciphers,
    )


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    context.minimum_version, context.maximum_version = PROTOCOLS[files.protocol]
    if files.ciphers:
        context.set_ciphers(files.ciphers)
    if files.dhparam:
        context.load_dh_params(files.dhparam)
    if files.cert:
        # Without a passphrase OpenSSL would ask for one at the terminal.
        context.load_cert_chain(files.cert, files.key or None, password=files.passphrase)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of a listening side. Raises BadTls."""
    if not files.cert:
        raise BadTls(f"TLS of the {files.name}: a key needs a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        _load(context, files)
        if files.request_cert:
            context.verify_mode = ssl.CERT_REQUIRED if files.reject_unauthorized else ssl.CERT_OPTIONAL
            if files.ca:
                context.load_verify_locations(files.ca)
            else:
                context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    except (OSError, ValueError) as error:
        raise BadTls(f"TLS of the {files.name}: cannot read the certificate, key or CA: {error}") from error
    return context


def target_context(files: TlsFiles, *, insecure: bool) -> ssl.SSLContext:
    """Return the context for connections to targets. Raises BadTls."""
    if files.key and not files.cert:
        raise BadTls("TLS to targets: --client-ssl-key needs --client-ssl-cert")
    try:
        context = ssl.create_default_context(cafile=files.ca or None)
        # Certificates of an internal authority, as JupyterHub makes them, lack extensions that this would demand.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        _load(context, files)
    except (OSError, ValueError) as error:
        raise BadTls(f"TLS to targets: cannot read the certificate, key or CA: {error}") from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Certificates:
    """Watches the files of all sides; ``check`` is called every few seconds, and at SIGHUP."""

    def __init__(self) -> None:
        self._watched: list[tuple[TlsFiles, Callable[[], None]]] = []
        self._stamps: list[_Stamp] = []
        self._timer: asyncio.TimerHandle | None = None

    def listening(self, files: TlsFiles) -> ssl.SSLContext | None:
        """Return a context that is always as new as its files, None for a side without TLS. Raises BadTls."""
        if not files.used:
            return None
        stamp = files.stamp()
        first = newest = server_context(files)

        def choose(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _first: ssl.SSLContext) -> None:
            if newest is not first:
                connection.context = newest

        def renew() -> None:
            nonlocal newest
            newest = server_context(files)

        first.sni_callback = choose
        self._watch(files, stamp, renew)
        return first

    def targets(self, files: TlsFiles, use: Callable[[ssl.SSLContext], None], *, insecure: bool) -> None:
        """Give the context for targets to *use*, now and whenever it changes. Raises BadTls."""
        stamp = files.stamp()
        use(target_context(files, insecure=insecure))
        self._watch(files, stamp, lambda: use(target_context(files, insecure=insecure)))

    def _watch(self, files: TlsFiles, stamp: _Stamp, renew: Callable[[], None]) -> None:
        self._watched.append((files, renew))
        self._stamps.append(stamp)

    def check(self) -> None:
        """Take what has changed into use; what cannot be used is logged, and the old stays."""
        for number, (files, renew) in enumerate(self._watched):
            stamp = files.stamp()
            if stamp == self._stamps[number]:
                continue
            self._stamps[number] = stamp
            try:
                renew()
            except BadTls as error:
                log.error("the files have changed, but the old certificate stays in use: %s", error)
            else:
                log.info("TLS of the %s: the changed certificate is in use from now on", files.name)

    def start(self) -> None:
        """Begin to watch, in the running loop."""
        if self._watched:
            self._timer = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._tick)

    def _tick(self) -> None:
        self.check()
        self.start()

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
