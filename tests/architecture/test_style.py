"""Rules of style that no linter has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

LEFT_OVERS = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
# These run in the user's server, which may be an older image than the hub.
ON_PYTHON_310 = ("wire", "client", "singleuser")


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def calls_print(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node.lineno


def hides_cancellation(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of handlers that catch everything, cancellation included, and do not raise it again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            everything = node.type is None or "BaseException" in caught
            if everything and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
                yield node.lineno


def is_command_line(path: Path) -> bool:
    return path.name in ("cli.py", "__main__.py") or "cli" in path.parts


def test_only_the_command_line_prints(checkout: Path) -> None:
    found = [
        f"{path.relative_to(checkout)}:{line}"
        for path in modules(checkout / "src")
        if not is_command_line(path)
        for line in calls_print(ast.parse(path.read_text()))
    ]
    assert found == []


def test_no_handler_hides_cancellation(checkout: Path) -> None:
    found = [
        f"{path.relative_to(checkout)}:{line}"
        for path in modules(checkout / "src")
        for line in hides_cancellation(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("try: f()\nexcept: pass", [2]),
        ("try: f()\nexcept BaseException: log()", [2]),
        ("try: f()\nexcept BaseException:\n    undo()\n    raise", []),
        ("try: f()\nexcept Exception: log()", []),
    ],
)
def test_hidden_cancellation_is_recognised(source: str, lines: list[int]) -> None:
    assert list(hides_cancellation(ast.parse(source))) == lines


def test_nothing_is_left_over(checkout: Path) -> None:
    found = [
        f"{path.relative_to(checkout)}:{number}: {line.strip()}"
        for path in modules(checkout / "src")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if LEFT_OVERS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("package", ON_PYTHON_310)
def test_code_for_the_users_server_is_valid_python_3_10(checkout: Path, package: str) -> None:
    paths = modules(checkout / "src" / "perijove" / package)
    assert paths
    for path in [*paths, checkout / "src" / "perijove" / "__init__.py"]:
        ast.parse(path.read_text(), filename=str(path), feature_version=(3, 10))
