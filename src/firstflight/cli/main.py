"""The `firstflight` command."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from firstflight import __version__
from firstflight.cli.commands import SECTIONS
from firstflight.domain.errors import ApprovalRefusedError, FirstflightError


class Sections(TyperGroup):
    """Commands by section, each with the whole first paragraph of its help: nothing is cut off."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one list for each section; the types are private to Typer."""
        for section, commands in SECTIONS.items():
            named = [(command, self.get_command(ctx, spelled(command))) for command in commands]
            with formatter.section(section):
                formatter.write_dl(
                    [(spelled(command), (found.help or "").partition("\n\n")[0]) for command, found in named if found]
                )


def spelled(command: Any) -> str:
    """Return how a command is called on the terminal."""
    name: str = command.__name__
    return name.replace("_", "-")


app = typer.Typer(
    cls=Sections,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its help takes twice as long, and cuts words off in a narrow terminal
)
for panel in SECTIONS.values():
    for each in panel:
        app.command(spelled(each))(each)


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        typer.echo(f"firstflight {__version__}")
        raise typer.Exit


@app.callback()
def everything(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take models from training to production, and bring them home safely when they falter."""


def main(words: list[str] | None = None) -> None:
    """Run the command that `words` or the terminal's say; an error made on purpose is one red line, not a stack trace.

    Exit code 1: it failed; 5: an answer was not taken; others are in the commands' own help.
    """
    try:
        app(words)
    except ApprovalRefusedError as error:
        _say(str(error))
        sys.exit(5)
    except FirstflightError as error:
        _say(f"{type(error).__name__}: {error}")
        sys.exit(1)


def _say(what: str) -> None:
    typer.secho(what, fg=None if os.environ.get("NO_COLOR") else "red", err=True)


if __name__ == "__main__":
    main()
