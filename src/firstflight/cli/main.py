"""The `firstflight` command."""

import sys
from collections.abc import Callable

import typer
from rich.console import Console

from firstflight.cli.demo import demo
from firstflight.cli.doctor import doctor
from firstflight.cli.drill import drill
from firstflight.cli.freezing import freeze, frozen, thaw
from firstflight.cli.guard import guard
from firstflight.cli.plan import plan
from firstflight.cli.replay import replay
from firstflight.cli.rollouts import approve, history, reject, roll_back
from firstflight.cli.stack import down, status, up
from firstflight.cli.train import train
from firstflight.cli.watch import watch
from firstflight.domain.errors import ApprovalRefusedError, FirstflightError

app = typer.Typer(
    help="Take models from training to production, and bring them home safely when they falter.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "The local stack": (up, status, down),
    "Wherever it runs": (doctor,),
    "Try it": (demo, train, plan, replay),
    "A rollout": (watch, approve, reject, roll_back, history),
    "Safety": (guard, drill, freeze, thaw, frozen),
}
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(command.__name__.replace("_", "-"), rich_help_panel=panel)(command)


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
