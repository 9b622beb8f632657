"""The `firstflight` command."""

import sys

import typer
from rich.console import Console

from firstflight.cli.demo import demo
from firstflight.cli.replay import replay
from firstflight.cli.rollouts import approve, history, reject, roll_back
from firstflight.cli.stack import down, status, up
from firstflight.cli.train import train
from firstflight.cli.watch import watch
from firstflight.errors import ApprovalRefusedError, FirstflightError

app = typer.Typer(
    help="Take models from training to production, and bring them home safely when they falter.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (up, status, down):
    app.command(rich_help_panel="The local stack")(command)
for command in (demo, train, replay):
    app.command(rich_help_panel="Try it")(command)
for command in (watch, approve, reject, history):
    app.command(rich_help_panel="A rollout")(command)
app.command("roll-back", rich_help_panel="A rollout")(roll_back)


def main() -> None:
    """Run a command; an error made on purpose is one red line, not a stack trace.

    Exit code 1: it failed; 5: an answer was not taken; others are in the commands' own help.
    """
    try:
        app()
    except ApprovalRefusedError as error:
        Console(stderr=True).print(f"[red]{error}[/red]", highlight=False)
        sys.exit(5)
    except FirstflightError as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}: {error}[/red]", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
