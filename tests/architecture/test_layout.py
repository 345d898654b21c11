"""Every source file has its test file at the mirrored path: src/perijove/a/b.py is tested by tests/a/test_b.py."""

from __future__ import annotations

from pathlib import Path

# Source files without a test file of their own, by path under src/perijove, and why.
PART_OF_THE_STORE_CONTRACT = "tests themselves: a part of StoreContract, which test_store_contract.py runs"
PART_OF_THE_STORE_IN_MEMORY = "a part of MemoryStore, on which test_memory_store.py runs StoreContract"
PART_OF_THE_STORE_PORT = "signatures only; tests/hub/ports/test_store.py compares them with both stores"
EXEMPT: dict[str, str] = {
    "hub/ports/store/accounts.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/activity.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/attempts.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/groups.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/leases.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/long_actions.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/oauth.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/pending_sign_ins.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/roles.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/servers.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/services.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/sessions.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/shares.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/tokens.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/transaction.py": PART_OF_THE_STORE_PORT,
    "hub/ports/store/users.py": PART_OF_THE_STORE_PORT,
    "hub/testing/memory_access.py": PART_OF_THE_STORE_IN_MEMORY,
    "hub/testing/memory_groups.py": PART_OF_THE_STORE_IN_MEMORY,
    "hub/testing/memory_leases.py": PART_OF_THE_STORE_IN_MEMORY,
    "hub/testing/memory_long_actions.py": PART_OF_THE_STORE_IN_MEMORY,
    "hub/testing/memory_pending_sign_ins.py": PART_OF_THE_STORE_IN_MEMORY,
    "hub/testing/memory_servers.py": PART_OF_THE_STORE_IN_MEMORY,
    "hub/testing/memory_users.py": PART_OF_THE_STORE_IN_MEMORY,
    "hub/testing/store_contract_access.py": PART_OF_THE_STORE_CONTRACT,
    "hub/testing/store_contract_groups.py": PART_OF_THE_STORE_CONTRACT,
    "hub/testing/store_contract_people.py": PART_OF_THE_STORE_CONTRACT,
    "hub/testing/store_contract_servers.py": PART_OF_THE_STORE_CONTRACT,
}


def needs_tests(path: Path) -> bool:
    """Whether *path* (relative to src/perijove) is a module with behaviour of its own."""
    return path.name not in ("__init__.py", "__main__.py") and "migrations" not in path.parts


def sources(checkout: Path) -> list[Path]:
    root = checkout / "src" / "perijove"
    return sorted(path.relative_to(root) for path in root.rglob("*.py") if needs_tests(path.relative_to(root)))


def test_every_source_file_has_its_test_file(checkout: Path) -> None:
    missing = [
        f"src/perijove/{path} → tests/{path.with_name(f'test_{path.name}')}"
        for path in sources(checkout)
        if path.as_posix() not in EXEMPT and not (checkout / "tests" / path.with_name(f"test_{path.name}")).is_file()
    ]
    assert not missing, "test files to write:\n" + "\n".join(missing)


def test_every_exemption_is_still_needed(checkout: Path) -> None:
    known = {path.as_posix() for path in sources(checkout)}
    for name in EXEMPT:
        path = Path(name)
        assert name in known, f"{name} is gone"
        assert not (checkout / "tests" / path.with_name(f"test_{path.name}")).exists(), f"{name} has tests now"


def test_test_folders_are_no_packages(checkout: Path) -> None:
    assert not list((checkout / "tests").rglob("__init__.py"))


def test_every_test_file_holds_tests(checkout: Path) -> None:
    empty = [path for path in (checkout / "tests").rglob("test_*.py") if "def test_" not in path.read_text()]
    contracts = [path for path in empty if "Contract" in path.read_text()]  # tests inherited from a contract suite
    assert sorted(set(empty) - set(contracts)) == []
