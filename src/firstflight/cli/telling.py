"""Words on a terminal and in a pipe: none is cut off, at eighty columns neither."""

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from firstflight.domain.wording import visible
from firstflight.ledger.record import Record
from firstflight.rollout.story import reasons, sentence

COLOURS = {
    "rollout.promoted": "bold green",
    "stage.passed": "green",
    "rollback.intended": "bold red",
    "rollout.rolled_back": "bold red",
    "approval.asked": "bold yellow",
    "approval.answered": "yellow",
}
_INDENT = len("12:00:00 ")
_NO_LIMIT = 10_000


def terminal(*, stderr: bool = False) -> Console:
    """Return where a person reads; a name between colons is no picture."""
    return Console(stderr=stderr, emoji=False)


def plain(text: str, *, lines: bool = False) -> str:
    """Return what somebody wrote as markup that shows it as it is: no colour, no link, no other line is made of it.

    Names, comments, reasons and errors come from people and from other programs; all go through here. Only what is
    made of `lines` keeps them.
    """
    return escape(visible(text, lines=lines))


def tell(console: Console, record: Record, by: str = "") -> None:
    """Print a record as a line, `by` whom behind it, and its reasons below."""
    colour = COLOURS.get(record.kind, "default")
    who = f" [dim]({plain(by)})[/dim]" if by else ""
    say(console, f"[dim]{record.at:%H:%M:%S}[/dim] [{colour}]{plain(sentence(record))}[/{colour}]{who}")
    for reason in reasons(record):
        say(console, f"[dim]{plain(reason)}[/dim]", indent=_INDENT)


def say(console: Console, markup: str, indent: int = 0) -> None:
    """Print a paragraph: wrapped between words on a terminal, on one line in a pipe, where it is searched."""
    if console.is_terminal:
        console.print(Padding(markup, (0, 0, 0, indent)), highlight=False)
    else:
        console.print(" " * indent + markup, highlight=False, soft_wrap=True)


def show_table(console: Console, table: Table) -> None:
    """Print a table whole: one too wide for a terminal row by row, each cell with its header; in a pipe as it is."""
    needed = console.measure(table, options=console.options.update(width=_NO_LIMIT)).maximum
    if needed <= console.width or not console.is_terminal:
        console.width = max(needed, console.width)
        console.print(table)
        return
    if table.title:
        console.print(table.title, highlight=False)
    for row in zip(*(column.cells for column in table.columns), strict=True):
        first, *others = map(str, row)
        headers = (str(column.header) for column in table.columns[1:])
        named = [f"{header} {cell}".strip() for header, cell in zip(headers, others, strict=True)]
        say(console, f"[bold]{first}[/bold]  {'  ·  '.join(named)}")
    if table.caption:
        console.print(table.caption, highlight=False)
