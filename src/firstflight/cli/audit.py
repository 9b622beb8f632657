"""What an auditor asks of the ledger."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import typer

from firstflight.acts.audit import Audit
from firstflight.acts.audit import audit as examine
from firstflight.acts.rejudge import rejudge
from firstflight.acts.seal import kept_in, seal
from firstflight.acts.served import served_at, story_of
from firstflight.cli.telling import plain, say, tell, terminal
from firstflight.domain.errors import NotFoundError
from firstflight.ledger import open_store, open_tree
from firstflight.ledger.checkpoint import PublicKey
from firstflight.ledger.export import ExportedTree, write
from firstflight.ledger.keys import signer
from firstflight.ledger.record import RecordStore
from firstflight.rollout.story import actor_name
from firstflight.settings import Settings

Deed = Literal["verify", "show", "replay", "at", "seal", "export", "key"]


def audit(
    deed: Deed,
    words: Sequence[str] | None,
    key: Sequence[str] | None,
    checkpoint: Sequence[Path] | None,
    *,
    as_json: bool,
) -> None:
    """Do `deed` with `words`."""
    settings = Settings()
    match deed, *(words or ()):
        case ["verify"]:
            _verify(settings, None, key or (), checkpoint or (), as_json=as_json)
        case ["verify", file]:
            _verify(settings, Path(file), key or (), checkpoint or (), as_json=as_json)
        case ["show", rollout]:
            _show(open_store(settings), rollout, as_json=as_json)
        case ["replay", rollout]:
            _replay(open_store(settings), rollout, as_json=as_json)
        case ["at", time, model]:
            _at(open_store(settings), time, model, as_json=as_json)
        case ["seal"]:
            _seal(settings, as_json=as_json)
        case ["export", file]:
            _export(settings, Path(file), as_json=as_json)
        case ["key"]:
            _key(settings, as_json=as_json)
        case _:
            wanted = "verify [FILE], show ROLLOUT, replay ROLLOUT, at TIME MODEL, seal, export FILE or key"
            raise typer.BadParameter(f"`audit` takes {wanted}")


def _verify(
    settings: Settings, file: Path | None, key: Sequence[str], checkpoint: Sequence[Path], *, as_json: bool
) -> None:
    if file and not file.is_file():
        raise NotFoundError(f"{file} is no file: `firstflight audit export {file}` writes one")
    tree = ExportedTree(file) if file else open_tree(settings)
    keys = _keys(settings, key)
    anchors = [settings.ledger_anchors] if settings.ledger_anchors and settings.ledger_anchors.exists() else []
    found = examine(tree, keys, kept_in(checkpoint or anchors, keys))
    waiting = 0 if isinstance(tree, ExportedTree) else tree.waiting()
    code = _code(found)
    if as_json:
        typer.echo(json.dumps({**found.model_dump(), "waiting": waiting, "code": code}))
    else:
        _tell(found, waiting, [key.name for key in keys])
    raise typer.Exit(code)


def _code(found: Audit) -> int:
    """Return 1 for a fault, 3 when nothing was seen, 4 when nothing from elsewhere vouches for what was seen."""
    if found.fault:
        return 1
    if not found.records:
        return 3
    return 0 if found.kept else 4


def _tell(found: Audit, waiting: int, names: Sequence[str]) -> None:
    console = terminal()
    say(console, f"looked at {found.records:,} records of {found.streams:,} streams, root {found.root}")
    by = f"by {', '.join(map(plain, names))}" if names else "by nobody, for no key was given"
    say(console, f"signed {by}: the first {found.signed:,} records, in {found.heads:,} checkpoints of the ledger's own")
    if found.unknown:
        say(console, f"{found.unknown:,} checkpoints are signed by other keys, which count for nothing here")
    say(console, f"held against checkpoints kept elsewhere: the first {found.kept:,} records")
    if waiting:
        say(console, f"{waiting:,} records are newer than the last seal: nothing vouches for them yet")
    if found.fault:
        say(console, f"[bold red]BAD[/bold red]: {plain(found.fault.what)}")
    elif not found.records:
        say(console, "[bold yellow]NOTHING SEEN[/bold yellow], which proves nothing")
    elif not found.kept:
        why = (
            "whoever owns the database and the key could have written all of it anew; name a checkpoint kept elsewhere"
        )
        say(console, f"[bold yellow]AGREES WITH ITSELF[/bold yellow] alone: {why}: --checkpoint FILE")
    else:
        say(console, f"[bold green]VERIFIED[/bold green]: the first {found.kept:,} records are those that were sealed")


def _show(ledger: RecordStore, rollout: str, *, as_json: bool) -> None:
    console = terminal()
    for record in story_of(ledger, rollout):
        if as_json:
            typer.echo(record.model_dump_json())
        else:
            tell(console, record, by=actor_name(record.actor))


def _replay(ledger: RecordStore, rollout: str, *, as_json: bool) -> None:
    console, found = terminal(), Counter[str]()
    for one in rejudge(ledger, rollout):
        rules = {None: "unnamed rules", True: "these rules", False: "other rules"}[one.same_rules]
        found[one.outcome if one.outcome != "differs" else f"differs by {rules}"] += 1
        if as_json:
            typer.echo(one.model_dump_json())
        elif one.outcome != "agrees":
            said = f"check {one.number} at {one.stage} %: {one.outcome}, judged then by {rules}"
            say(console, "\n".join((said, *map(plain, one.differences))))
    elsewhere, agree, checks = found["seen elsewhere"], found["agrees"], sum(found.values())
    if not as_json:
        say(console, f"judged {checks:,} checks of {plain(rollout)} anew: {agree:,} agree to the last bit")
        if elsewhere:
            say(console, f"{elsewhere:,} went home by what the router or a server said, which no look holds")
    if found["differs by these rules"] or found["unreadable"]:
        raise typer.Exit(1)
    if not checks:
        raise NotFoundError(f"{rollout} has no check yet: nothing was judged, which proves nothing")
    if found.keys() - {"agrees"}:
        raise typer.Exit(4)


def _at(ledger: RecordStore, time: str, model: str, *, as_json: bool) -> None:
    try:
        when = datetime.fromisoformat(time)
    except ValueError as error:
        raise typer.BadParameter(f"{time!r} is no time: 2026-12-24T18:00 is one, in UTC") from error
    served = served_at(ledger, model, when if when.tzinfo else when.replace(tzinfo=UTC))
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in served]))
        return
    console = terminal()
    for one in served:
        say(console, f"[bold]{one.share} %[/bold] {plain(str(one.version))}, {one.version.digest}")
        say(console, f"as the router reported at {one.since:%Y-%m-%d %H:%M:%S} UTC", indent=2)
        on = (
            f"tried in {plain(one.rollout)}, {one.checks:,} checks"
            if one.rollout
            else "tried in no rollout of the ledger"
        )
        for line in (
            on,
            *map(plain, one.evidence),
            *(map(plain, one.approvals) if one.approvals else ["nobody was asked"]),
        ):
            say(console, line, indent=2)


def _keys(settings: Settings, given: Sequence[str]) -> list[PublicKey]:
    """Return the keys given, as text or in a file; else the place's own, where it has one."""
    if given:
        return [PublicKey.parse(Path(one).read_text(encoding="utf-8") if Path(one).is_file() else one) for one in given]
    own = signer(settings)
    return [own.public] if own else []


def _seal(settings: Settings, *, as_json: bool) -> None:
    head = seal(open_tree(settings), signer(settings), settings.ledger_anchors)
    if head is None:
        raise NotFoundError("the ledger has no records yet: there is nothing to seal")
    if as_json:
        typer.echo(json.dumps({"size": head.size, "root": head.root.hex(), "note": head.note}))
    else:
        typer.echo(head.note or f"{head.size} records, root {head.root.hex()}: unsigned, for there is no key", nl=False)


def _export(settings: Settings, file: Path, *, as_json: bool) -> None:
    with file.open("w", encoding="utf-8") as lines:
        count = write(open_tree(settings), lines)
    typer.echo(
        json.dumps({"records": count}) if as_json else f"{file}: {count:,} records, and every checkpoint of them"
    )


def _key(settings: Settings, *, as_json: bool) -> None:
    own = signer(settings)
    if own is None:
        raise NotFoundError("no key is configured, so checkpoints are unsigned: set FIRSTFLIGHT_LEDGER_KEY")
    typer.echo(json.dumps({"key": str(own.public)}) if as_json else str(own.public))
