from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from perijove.singleuser.language_servers import PutOff, language_servers_put_off

PREFIX = "/user/alice/"
SAID = "Skipped non-installed server(s)"


def test_they_are_looked_for_when_somebody_asks(start: Any, hub: Any, tmp_path: Path) -> None:
    asked = tmp_path / "npm-was-asked"
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\ntouch {asked}\necho {tmp_path}\n")
    npm.chmod(0o755)
    server = start(tmp_path, PATH=f"{npm.parent}:{os.environ['PATH']}")
    headers = {"Authorization": f"token {hub.token_for('alice')}"}
    with server.client(**headers) as client:
        assert client.get(f"{PREFIX}api/contents").status_code == 200
        assert client.get(f"{PREFIX}lab").status_code == 200
        assert not asked.exists() and SAID not in server.log.read_text()
        for _ in range(2):
            answer = client.get(f"{PREFIX}lsp/status")
            assert (answer.status_code, answer.json()["version"]) == (200, 2)
        assert asked.exists()
    assert server.log.read_text().count(SAID) == 1


@pytest.mark.parametrize("first", ["asked", "there"])
async def test_one_look_begins_whoever_comes_first(first: str) -> None:
    begun: list[object] = []
    loop = SimpleNamespace(add_callback=lambda look, *args: look(*args))
    app = SimpleNamespace(io_loop=loop)
    look = PutOff(lambda *args: begun.append(args))

    async def ready() -> bool:
        return True

    asked = look.when_asked(ready)
    if first == "asked":
        assert await asked() and begun == []
        look.put_off(app, "uri")
    else:
        look.put_off(app, "uri")
        assert begun == []
        assert await asked()
    assert await asked()
    assert begun == [(app, "uri")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_server_without_the_extension_is_as_it_was() -> None:
    serverextension = importlib.import_module("jupyter_lsp.serverextension")
    own = serverextension.initialize
    with pytest.raises(ZeroDivisionError), language_servers_put_off(SimpleNamespace()):
        assert serverextension.initialize is not own
        raise ZeroDivisionError
    assert serverextension.initialize is own
