from __future__ import annotations

from perijove.hub.adapters.programs import LocalPrograms
from perijove.hub.ports.programs import Program, Programs
from perijove.hub.testing.fakes import FakePrograms


def test_what_a_program_is_told_does_not_stand_in_its_repr() -> None:
    assert "secret" not in repr(Program("wiki", ("run",), {"TOKEN": "secret"}))


def test_what_runs_programs_keeps_the_contract() -> None:
    implementations: list[Programs] = [LocalPrograms(b"secret", "/srv"), FakePrograms()]
    for programs in implementations:
        programs.check(Program("wiki", ("run",)))
