from __future__ import annotations

import http.server
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from perijove.singleuser.late_trust import LateTrust

JUPYTERLAB = """
import ssl
from perijove.singleuser.late_trust import LateTrust, trust_late
trust_late()
from jupyterlab.extensions.pypi import PyPIExtensionManager
made = []
ssl.SSLContext.load_verify_locations = lambda *args, **kwargs: made.append(args)
manager = PyPIExtensionManager()
assert not made, "the authorities were read"
assert isinstance(manager._httpx_client._transport._pool._ssl_context, LateTrust)
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    request += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    subprocess.run(request.split(), check=True, capture_output=True)
    return key, cert


class Hello(http.server.BaseHTTPRequestHandler):
    """Answers every question alike."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url(certificate: tuple[Path, Path]) -> Iterator[str]:
    """Where a server with that certificate answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_it_verifies_with_the_authorities_of_the_moment_of_the_first_connection(
    url: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with httpx.AsyncClient(verify=LateTrust()) as client:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
        for _ in range(2):
            assert (await client.get(url)).text == "hello"


async def test_it_refuses_whom_no_authority_vouches_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    async with httpx.AsyncClient(verify=LateTrust()) as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(url)


def test_clients_that_block_are_served_too(
    url: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    with httpx.Client(verify=LateTrust()) as client:
        assert client.get(url).text == "hello"


def test_jupyterlab_reads_no_authorities_for_its_list_of_extensions() -> None:
    done = subprocess.run([sys.executable, "-c", JUPYTERLAB], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
