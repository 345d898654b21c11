from __future__ import annotations

import pytest

from perijove.hub.ports.visits import HookRequest


@pytest.mark.parametrize(("query", "uri"), [("", "/hub/x"), ("a=1", "/hub/x?a=1")])
def test_addresses_as_functions_for_jupyterhub_read_them(query: str, uri: str) -> None:
    request = HookRequest("GET", "/hub/x", query, protocol="https", host="hub.test")
    assert request.uri == uri
    assert request.full_url() == f"https://hub.test{uri}"
