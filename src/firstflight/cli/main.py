"""The `firstflight` command."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from firstflight import __version__
from firstflight.cli.commands import EXAMPLES, EXIT_CODES, SECTIONS
from firstflight.domain.errors import ApprovalRefusedError, FirstflightError, NotFoundError
from firstflight.domain.wording import visible


class Sections(TyperGroup):
    """Commands by section, each with the whole first paragraph of its help: nothing is cut off.

    What Typer hands over is of types that are private to it.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one list for each section."""
        for section, commands in SECTIONS.items():
            named = [(command, self.get_command(ctx, spelled(command))) for command in commands]
            with formatter.section(section):
                formatter.write_dl(
                    [(spelled(command), (found.help or "").partition("\n\n")[0]) for command, found in named if found]
                )

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer passes both
        """Say what the exit codes mean."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


class WithExamples(TyperCommand):
    """A command whose help ends with lines to copy."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer passes both
        """Write each example as it is: wrapped, it could not be copied."""
        if lines := next((EXAMPLES[one] for one in EXAMPLES if spelled(one) == self.name), ()):
            with formatter.section("Examples"):
                for line in lines:
                    formatter.write(f"  {line}\n")


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
        app.command(spelled(each), cls=WithExamples)(each)


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

    Exit codes are those of `EXIT_CODES`.
    """
    project = str(Path(os.environ.get("FIRSTFLIGHT_PROJECT", ".")).absolute())
    if project not in sys.path:
        sys.path.append(project)  # plans name workloads that lie there, as flows find them
    try:
        app(words)
    except ApprovalRefusedError as error:
        _say(str(error))
        sys.exit(5)
    except NotFoundError as error:
        _say(str(error))
        sys.exit(3)
    except FirstflightError as error:
        _say(f"{type(error).__name__}: {error}")
        sys.exit(1)


def _say(what: str) -> None:
    typer.secho(visible(what, lines=True), fg=None if os.environ.get("NO_COLOR") else "red", err=True)


if __name__ == "__main__":
    main()
