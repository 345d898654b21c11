"""TLS on the public side, the admin API and towards targets; certificates that change under way."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perijove.proxy.bootstrap import CannotStart
from perijove.proxy.net.tls import BadTls, TlsFiles, server_context, target_context

PASSPHRASE = "the words"


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@dataclass
class Authority:
    """Signs certificates for 127.0.0.1."""

    folder: Path

    @property
    def cert(self) -> Path:
        return self.folder / "ca.pem"

    def sign(self, name: str) -> tuple[Path, Path]:
        """Return a new key and certificate."""
        key, request, cert = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", *curve, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        names = self.folder / "names"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        signer = ("-CA", str(self.cert), "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial")
        openssl("x509", "-req", "-in", str(request), *signer, "-days", "2", "-extfile", str(names), "-out", str(cert))
        return key, cert

    def trusting(self, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority, and shows a certificate of its own."""
        context = ssl.create_default_context(cafile=self.cert)
        if pair:
            context.load_cert_chain(pair[1], pair[0])
        return context


def new_authority(folder: Path) -> Authority:
    folder.mkdir()
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    paths = ("-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem"))
    openssl("req", "-x509", *curve, "-days", "2", "-subj", f"/CN={folder.name}", *paths)
    return Authority(folder)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("tls") / "one")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("tls") / "other")


@pytest.fixture(scope="module")
def pair(authority: Authority) -> tuple[Path, Path]:
    return authority.sign("server")


async def talk(port: int, tls: ssl.SSLContext, path: str = "/_chp_healthz", *fields: str) -> tuple[int, dict[str, Any]]:
    """Ask once; return the status and the certificate that was shown."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        shown = writer.get_extra_info("peercert")
        lines = "\r\n".join((f"GET {path} HTTP/1.1", "Host: h", *fields, "Connection: close"))
        writer.write(lines.encode() + b"\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
    if not answer:
        raise ConnectionResetError
    return int(answer.split()[1]), shown


def common_name(shown: dict[str, Any]) -> str:
    return str(dict(item[0] for item in shown["subject"])["commonName"])


@pytest.mark.parametrize("reject", [True, False])
async def test_clients_with_certificates(
    start_proxy: Any, authority: Authority, stranger: Authority, pair: tuple[Path, Path], reject: bool
) -> None:
    key, cert = pair
    asked = {"ssl_ca": str(authority.cert), "ssl_request_cert": True, "ssl_reject_unauthorized": reject}
    proxy = await start_proxy(ssl_key=str(key), ssl_cert=str(cert), **asked)
    assert (await talk(proxy.port, authority.trusting(authority.sign("ada"))))[0] == 200
    false = authority.trusting(stranger.sign("mallory"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await talk(proxy.port, false)
    if reject:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await talk(proxy.port, authority.trusting())
    else:
        assert (await talk(proxy.port, authority.trusting()))[0] == 200


async def test_the_admin_api_speaks_tls_with_certificates(
    start_proxy: Any, authority: Authority, pair: tuple[Path, Path]
) -> None:
    files = {"api_ssl_key": str(pair[0]), "api_ssl_cert": str(pair[1]), "api_ssl_ca": str(authority.cert)}
    proxy = await start_proxy(**files, api_ssl_request_cert=True, api_ssl_reject_unauthorized=True)
    token = "Authorization: token secret"
    hub = authority.trusting(authority.sign("hub"))
    assert (await talk(proxy.api_port, hub, "/api/routes", token))[0] == 200
    assert (await talk(proxy.api_port, hub, "/api/routes"))[0] == 403
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await talk(proxy.api_port, authority.trusting(), "/api/routes", token)


async def test_targets_see_our_certificate_and_are_checked(
    start_proxy: Any, upstream: Any, connect: Any, echo: Any, authority: Authority, pair: tuple[Path, Path]
) -> None:
    demanding = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    demanding.load_cert_chain(pair[1], pair[0])
    demanding.load_verify_locations(authority.cert)
    demanding.verify_mode = ssl.CERT_REQUIRED
    target = await upstream(echo, tls=demanding)
    key, cert = authority.sign("proxy")
    shown = {"client_ssl_key": str(key), "client_ssl_cert": str(cert)}

    async def status(**settings: Any) -> int:
        proxy = await start_proxy({"/": target}, **settings)
        return int((await (await connect(proxy.port)).get("/"))[0])

    assert await status(**shown, client_ssl_ca=str(authority.cert)) == 200
    assert await status(client_ssl_ca=str(authority.cert)) in (502, 503)
    assert await status(**shown) == 503
    assert await status(**shown, insecure=True) == 200


async def test_a_tunnel_with_tls_on_both_sides(
    start_proxy: Any, upstream: Any, authority: Authority, pair: tuple[Path, Path]
) -> None:
    written, mib = 0, 1024 * 1024

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: e\r\n\r\n")
        for _ in range(3):
            writer.write(await reader.readexactly(5))
        while written < 64 * mib:
            writer.write(b"x" * mib)
            await writer.drain()
            written += mib

    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pair[1], pair[0])
    target = await upstream(flood, tls=serving)
    files = {"ssl_key": str(pair[0]), "ssl_cert": str(pair[1]), "client_ssl_ca": str(authority.cert)}
    proxy = await start_proxy({"/": target}, **files)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=authority.trusting())
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: e\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        for _ in range(3):
            writer.write(b"piece")
            assert await asyncio.wait_for(reader.readexactly(5), 10) == b"piece"
        stalled_at = -1
        while stalled_at != written:
            stalled_at = written
            await asyncio.sleep(0.3)
        assert written < 40 * mib
        (transport,) = proxy.context.tunnels
        assert transport.get_write_buffer_size() < 2 * mib
        assert len(await asyncio.wait_for(reader.read(), 30)) == 64 * mib
    finally:
        writer.close()


async def test_an_error_target_is_checked_like_any_target(
    start_proxy: Any, upstream: Any, connect: Any, authority: Authority, pair: tuple[Path, Path]
) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage")
        await writer.drain()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair[1], pair[0])
    target = await upstream(page, tls=tls)
    trusting = await start_proxy(error_target=target, client_ssl_ca=str(authority.cert))
    assert (await (await connect(trusting.port)).get("/"))[2] == b"page"
    other = await start_proxy(error_target=target)
    status, _, body = await (await connect(other.port)).get("/")
    assert (status, body == b"page") == (404, False)


async def test_a_changed_certificate_is_taken_into_use_and_a_broken_one_is_not(
    start_proxy: Any, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"

    def put(name: str) -> None:
        new_key, new_cert = authority.sign(name)
        shutil.copy(new_key, key)
        shutil.copy(new_cert, cert)

    put("first")
    proxy = await start_proxy(ssl_key=str(key), ssl_cert=str(cert))
    kept = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=authority.trusting())
    assert common_name((await talk(proxy.port, authority.trusting()))[1]) == "first"

    put("second")
    proxy.reload()
    assert common_name((await talk(proxy.port, authority.trusting()))[1]) == "second"

    cert.write_text("nonsense")
    proxy.reload()
    assert common_name((await talk(proxy.port, authority.trusting()))[1]) == "second"
    assert "the old certificate stays in use" in caplog.text
    assert PASSPHRASE not in caplog.text
    seen = len(caplog.records)
    proxy.reload()
    assert len(caplog.records) == seen

    # A certificate whose key comes a moment later, as some tools write them.
    new_key, new_cert = authority.sign("third")
    shutil.copy(new_cert, cert)
    proxy.reload()
    assert common_name((await talk(proxy.port, authority.trusting()))[1]) == "second"
    shutil.copy(new_key, key)
    proxy.reload()
    assert common_name((await talk(proxy.port, authority.trusting()))[1]) == "third"

    reader, writer = kept
    writer.write(b"GET /_chp_healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_changes_are_noticed_without_a_signal(
    start_proxy: Any, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr("perijove.proxy.net.tls.WATCH_SECONDS", 0.02)
    key, cert = (shutil.copy(path, tmp_path) for path in authority.sign("watched"))
    proxy = await start_proxy(ssl_key=str(key), ssl_cert=str(cert))
    renewed: list[ssl.SSLContext] = []
    original = server_context

    def remember(files: TlsFiles) -> ssl.SSLContext:
        renewed.append(original(files))
        return renewed[-1]

    monkeypatch.setattr("perijove.proxy.net.tls.server_context", remember)
    for new, old in zip(authority.sign("renewed"), (key, cert), strict=True):
        shutil.copy(new, old)
    await eventually(lambda: bool(renewed))
    assert common_name((await talk(proxy.port, authority.trusting()))[1]) == "renewed"


async def test_changed_authorities_of_clients(
    start_proxy: Any, authority: Authority, stranger: Authority, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    trusted = tmp_path / "ca.pem"
    shutil.copy(authority.cert, trusted)
    asked = {"ssl_ca": str(trusted), "ssl_request_cert": True, "ssl_reject_unauthorized": True}
    proxy = await start_proxy(ssl_key=str(pair[0]), ssl_cert=str(pair[1]), **asked)
    ours, theirs = authority.sign("ada"), stranger.sign("grace")
    shutil.copy(stranger.cert, trusted)
    proxy.reload()
    assert (await talk(proxy.port, authority.trusting(theirs)))[0] == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await talk(proxy.port, authority.trusting(ours))


async def test_changed_files_for_targets(
    start_proxy: Any,
    upstream: Any,
    connect: Any,
    echo: Any,
    authority: Authority,
    stranger: Authority,
    pair: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    trusted = tmp_path / "ca.pem"
    shutil.copy(stranger.cert, trusted)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair[1], pair[0])
    proxy = await start_proxy({"/": await upstream(echo, tls=tls)}, client_ssl_ca=str(trusted))
    client = await connect(proxy.port)
    assert (await client.get("/"))[0] == 503
    shutil.copy(authority.cert, trusted)
    proxy.reload()
    assert (await client.get("/"))[0] == 200
    shutil.copy(stranger.cert, trusted)
    proxy.reload()
    assert (await client.get("/"))[0] == 503


def test_keys_with_a_passphrase(pair: tuple[Path, Path], tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    openssl("pkey", "-in", str(pair[0]), "-aes256", "-passout", f"pass:{PASSPHRASE}", "-out", str(locked))
    files = TlsFiles("x", str(locked), str(pair[1]), passphrase=PASSPHRASE)
    server_context(files)
    assert PASSPHRASE not in repr(files)
    # Without one, OpenSSL would wait for somebody to type it.
    for passphrase in ("", "wrong"):
        with pytest.raises(BadTls, match="cannot read"):
            server_context(TlsFiles("x", str(locked), str(pair[1]), passphrase=passphrase))


def test_versions_and_ciphers(pair: tuple[Path, Path]) -> None:
    def versions(protocol: str) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
        context = server_context(TlsFiles("x", str(pair[0]), str(pair[1]), protocol=protocol))
        return context.minimum_version, context.maximum_version

    assert versions("") == versions("TLS") == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED)
    assert versions("TLSv1_2") == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    assert versions("TLSv1_3")[0] == ssl.TLSVersion.TLSv1_3
    one = "ECDHE-ECDSA-AES128-GCM-SHA256"
    context = server_context(TlsFiles("x", str(pair[0]), str(pair[1]), ciphers=one))
    assert [each["name"] for each in context.get_ciphers() if each["protocol"] == "TLSv1.2"] == [one]


async def test_what_cannot_start(start_proxy: Any, pair: tuple[Path, Path], tmp_path: Path) -> None:
    key, cert = (str(path) for path in pair)
    for settings in (
        {"ssl_key": key},
        {"ssl_cert": "/nonexistent"},
        {"ssl_key": key, "ssl_cert": cert, "ssl_dhparam": cert},
        {"ssl_key": key, "ssl_cert": cert, "ssl_ca": "/nonexistent", "ssl_request_cert": True},
        {"api_ssl_key": key},
        {"client_ssl_key": key},
        {"client_ssl_ca": "/nonexistent"},
    ):
        with pytest.raises(CannotStart, match="TLS"):
            await start_proxy(**settings)


def test_targets_of_an_internal_authority(authority: Authority) -> None:
    context = target_context(TlsFiles("targets", ca=str(authority.cert)), insecure=False)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
