"""The scripts that decide something decide it rightly."""

from __future__ import annotations

import ast
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType


def load(checkout: Path, name: str) -> ModuleType:
    loader = SourceFileLoader(name.replace("-", "_"), str(checkout / "scripts" / name))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_uv_is_told_what_pip_was_told(checkout: Path, tmp_path: Path) -> None:
    script = load(checkout, "pip-settings-for-uv")
    listing = "\n".join(
        [
            ":env:.timeout='30'",
            "global.index-url='https://mirror.example/simple'",
            f"global.find-links='{tmp_path} {tmp_path}/absent https://files.example/'",
            "global.timeout='15'",
            "global.color='never'",
            "install.extra-index-url='https://a.example https://b.example'",
        ]
    )
    assert script.uv_variables(script.pip_settings(listing)) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_FIND_LINKS": f"{tmp_path},https://files.example/",
        "UV_HTTP_TIMEOUT": "30",
        "UV_INDEX": "https://a.example https://b.example",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_the_size_budget_counts_code_not_docstrings(checkout: Path) -> None:
    script = load(checkout, "size-budget")
    source = (
        'class A:\n    async def b(self):\n        """One\n\n        Two."""\n        def c():\n            return 1\n'
    )
    assert dict(script.functions(ast.parse(source))) == {"A.b": 3, "A.b.c": 2}


def test_the_size_budget_finds_what_is_too_large(checkout: Path, tmp_path: Path) -> None:
    script = load(checkout, "size-budget")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "long.py").write_text("def f():\n" + "    g()\n" * 60 + "x = 1\n" * 440)
    assert [name for name, _ in script.over_budget(tmp_path)] == ["src/long.py", "src/long.py:f"]


def test_registry_hosts_are_recognised(checkout: Path) -> None:
    script = load(checkout, "no-registry-hosts")
    for parts in script.HOSTS:
        assert script.PATTERN.search(f"https://files.{'.'.join(parts)}/simple")
    assert not script.PATTERN.search("https://mirror.example/simple")
