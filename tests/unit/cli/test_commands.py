"""The commands as a whole: each is done by a function that takes what its help promises."""

import importlib
import inspect
import itertools
from collections.abc import Callable
from typing import get_args

import pytest
from typer.testing import CliRunner

from firstflight import __version__
from firstflight.cli.commands import FAULTS, SECTIONS
from firstflight.cli.main import app, spelled
from firstflight.drill.faults import FaultName

COMMANDS = tuple(itertools.chain.from_iterable(SECTIONS.values()))


@pytest.mark.parametrize("command", COMMANDS, ids=spelled)
def test_what_is_promised_is_taken(command: Callable[..., None]) -> None:
    """The function that does a command has the same parameters, by name and by how they are given."""
    promised = inspect.signature(command).parameters.values()
    module = next(cell.cell_contents for cell in command.__closure__ if isinstance(cell.cell_contents, str))
    taken = inspect.signature(getattr(importlib.import_module(f"firstflight.cli.{module}"), command.__name__))
    assert [(each.name, each.kind) for each in promised] == [
        (each.name, each.kind) for each in taken.parameters.values()
    ]


def test_the_help_names_every_command_in_whole_words() -> None:
    """Nothing is cut off at 80 columns, in a pipe."""
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"})
    assert 0 == told.exit_code
    assert "…" not in told.stdout
    assert "..." not in told.stdout.replace("[ARGS]...", "")
    assert [] == [spelled(command) for command in COMMANDS if f"\n  {spelled(command)} " not in told.stdout]


def test_it_says_its_version() -> None:
    """`--version`, before any command."""
    assert f"firstflight {__version__}\n" == CliRunner().invoke(app, ["--version"]).stdout


def test_faults_are_those_of_a_drill() -> None:
    """What TAB offers is what can be broken."""
    assert (*get_args(FaultName), "all") == FAULTS
