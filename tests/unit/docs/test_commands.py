"""Every command of the documentation is understood as it is written there, and what it names exists.

A block without a language, or with `console` or `sh`, is commands, line by line; other blocks name their language. Code
within a sentence that begins with a program of ours is one too; a command's bare name there only speaks of it.
"""

import functools
import importlib.util
import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.cli._app import _app as prefect_app
from typer.main import get_command

from docs.reference import OTHERS
from firstflight.cli.main import app
from firstflight.settings import Ports, Settings
from tests.unit.docs.test_links import PAGES, ROOT, TEXTS, spans

UNCHECKED = {
    "alias": "a word of the shell",
    "base64": "everybody's",
    "curl": "asks a gateway that runs; what it sends is checked in test_samples",
    "docker": "builds images; their files are looked for",
    "export": "a word of the shell; the variable is looked for",
    "helm": "installs what others publish",
    "head": "everybody's",
    "kind": "makes a cluster",
    "paste": "everybody's",
    "rclone": "copies a bucket of yours",
    "yes": "everybody's",
}
"""Programs whose words are nobody's here to check, and why; whatever file of ours they name is looked for."""

OURS = ("firstflight", "make", "python", "prefect", "kubectl", "ff")
Words = list[str]
PLACEHOLDERS = ("my.yaml", "PLAN.yaml", "churn-ab-test.yaml", "churn-canary.yaml")


def written() -> Iterator[tuple[str, str, bool]]:
    """Yield each command with its page, and whether it stands within a sentence."""
    for page, tokens in PAGES.items():
        for block in tokens:
            if block.type in {"fence", "code_block"} and block.info in {"", "console", "sh"}:
                for line in block.content.replace("\\\n", " ").splitlines():
                    yield page, line.removeprefix("$ ").strip(), False
        for span in spans(tokens):
            if span.type == "code_inline" and span.content.startswith(tuple(f"{name} " for name in OURS)):
                yield page, span.content, True


def parts(line: str) -> Iterator[Words]:
    """Yield the commands of a line of the shell: those in a row, in a pipe and inside $(…), without redirections."""
    for inner in re.findall(r"\$\(([^()]*)\)", line):
        yield from parts(inner)
    lexer = shlex.shlex(re.sub(r"<(\w+)>", r"\1", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for separates, words in itertools.groupby(lexer, lambda word: word in {"&&", "||", "|", ";", "&"}):
        if not separates:
            yield list(itertools.takewhile(lambda word: word != ">", words))


COMMANDS = sorted({(page, shlex.join(words), mentions) for page, line, mentions in written() for words in parts(line)})


def firstflight(words: Words, *, mentions: bool) -> None:
    """The command is there, and takes these words."""
    group: Any = get_command(app)
    if words[0].startswith("-"):
        assert words[0] in {"--help", *itertools.chain.from_iterable(option.opts for option in group.params)}
        return
    name, *given = words
    assert name in group.commands
    if given or not mentions:
        group.commands[name].make_context(name, given)


def make(words: Words, *, mentions: bool) -> None:  # noqa: ARG001 - see firstflight
    """Each target has its line of help, each variable is read."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words:
        variable, given, _ = word.partition("=")
        assert re.search(rf"\b{variable}\b[),]|ifndef {variable}" if given else rf"(?m)^{word}:.* ## ", makefile), word


def python(words: Words, *, mentions: bool) -> None:  # noqa: ARG001 - see firstflight
    """The module is there and knows the options; a file is one that a page shows."""
    if len(words) == 1:
        assert [text for text in TEXTS.values() if f"```python\n# {words[0]}\n" in text]
        return
    flag, module, *given = words
    found = importlib.util.find_spec(module)
    assert "-m" == flag
    assert found
    assert found.origin
    text = Path(found.origin).read_text(encoding="utf-8")
    assert [] == [word for word in given if word.startswith("--") and f'"{word}"' not in text]


def prefect(words: Words, *, mentions: bool) -> None:  # noqa: ARG001 - see firstflight
    """Prefect's own parser takes the words; a deployment of that name is in prefect.yaml, a pool in settings."""
    prefect_app.parse_args(words, exit_on_error=False, print_error=False)
    if words[0] == "deployment":
        deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
        assert {word for word in words if "/" in word} <= {f"{one['name']}/{one['name']}" for one in deployments}
    else:
        assert words[-1] in {"local", "kubernetes", "NAME"}


def kubectl(words: Words, *, mentions: bool) -> None:
    """Objects are in k8s/, files are looked for with all others; what is run inside a pod is checked as any command."""
    theirs, _, inside = shlex.join(words).partition(" -- ")
    named = {word for word in theirs.split() if re.fullmatch(r"[a-z]+/[a-z-]+", word) and word[:4] != "k8s/"}
    assert named <= objects()
    if inside:
        checked(inside, mentions=mentions)


@functools.cache
def objects() -> set[str]:
    """Return what k8s/ makes, as kubectl names it."""
    made = {"svc/seldon-mesh", "statefulset/seldon-scheduler", "deployment/seldon-envoy", "statefulset/mlserver"}
    # Seldon's operator makes these
    for file in (ROOT / "k8s").rglob("*.yaml"):
        for found in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            if isinstance(found, dict) and "metadata" in found:
                kind, name = found["kind"].lower(), found["metadata"]["name"]
                made |= {f"{kind}/{name}", f"{kind.replace('deployment', 'deploy')}/{name}"}
    return made


def checked(command: str, *, mentions: bool) -> None:
    """Have whoever knows the program look at its words."""
    known: dict[str, Callable[..., None]] = {
        "firstflight": firstflight, "ff": firstflight, "make": make, "python": python, "prefect": prefect,
        "kubectl": kubectl,
    }  # fmt: skip
    words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word) or command.startswith("make")]
    if words and words[0] not in UNCHECKED:
        known[words[0]](words[1:], mentions=mentions)


@pytest.mark.parametrize(("page", "command", "mentions"), COMMANDS, ids=itertools.count())
def test_a_command_is_understood(
    page: str,
    command: str,
    mentions: bool,  # noqa: FBT001 - parametrized by name
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It exists, so do its options and the files of ours that it names, and its arguments can be bound."""
    for name in PLACEHOLDERS:
        (tmp_path / name).touch()
    (tmp_path / "deployments").symlink_to(ROOT / "deployments")
    monkeypatch.chdir(tmp_path)
    checked(command, mentions=mentions)
    for path in re.findall(r"(?:^|[\s=])((?:deployments|k8s|benchmarks|tests)/[\w./-]+)", command):
        assert (ROOT / path).exists(), f"{page}: {path}"


def test_whatever_is_not_checked_is_still_written() -> None:
    """A reason that nobody needs any more goes."""
    programs = {word for _, command, _ in COMMANDS for word in command.split()}
    assert UNCHECKED.keys() <= programs


@pytest.mark.parametrize("page", PAGES)
def test_a_variable_is_read(page: str) -> None:
    """Whoever sets what a page names changes something, on this machine or in a pod."""
    pods = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "k8s").rglob("*.yaml"))
    ours = {f"FIRSTFLIGHT_{name.upper()}" for name in Settings.model_fields}
    ports = {f"FIRSTFLIGHT_PORT_{name.upper()}" for name in Ports.model_fields}
    named = set(re.findall(r"\b(?:FIRSTFLIGHT|PREFECT_API|PREFECT_UI|MLFLOW_TRACKING)_[A-Z_]*[A-Z]\b", TEXTS[page]))
    assert set() == {name for name in named - ours - ports - OTHERS.keys() if name not in pods}
