from __future__ import annotations

from packaging.version import Version

from perijove.wire import versions


def test_clients_can_parse_the_protocol_version() -> None:
    # A single-user server that cannot parse it ends at once.
    version = Version(versions.PROTOCOL_VERSION)
    assert str(version) == versions.PROTOCOL_VERSION


def test_the_idle_culler_finds_the_version_new_enough() -> None:
    assert Version(versions.PROTOCOL_VERSION) >= Version("1.3.0")


def test_the_protocol_and_the_program_have_headers_of_their_own() -> None:
    assert versions.PROTOCOL_HEADER == "X-JupyterHub-Version"
    assert versions.PERIJOVE_HEADER not in {versions.PROTOCOL_HEADER, ""}
