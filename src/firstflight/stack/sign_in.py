"""Who may ask the stack's Prefect server: whoever can read its password, a private file of the home.

Prefect's page keeps what a person typed in the browser's storage, per address (`prefect-password`, in both of its
pages). So a page beside it, which holds no secret itself, can put it there, and nobody has to type: a private file on
the disk leads to that page, as Jupyter does, so that the password stands in no program's arguments.
"""

import base64
import json
import secrets
import subprocess
from pathlib import Path
from urllib.parse import quote

from firstflight.domain.errors import StackError
from firstflight.settings import Settings
from firstflight.stack import apart
from firstflight.supervision import accounts
from firstflight.supervision.files import replace

_PAGE = "sign-in.html"
_TAKES_IT = """<!doctype html><meta charset="utf-8"><title>Firstflight</title><script>
const [word, path] = location.hash.slice(1).split(",").map(decodeURIComponent);
if (path && /^\\/(?!\\/)/.test(path)) {
  localStorage.setItem("prefect-password", word);
  location.replace(path);
}
</script>
"""
_LEADS_THERE = """<!doctype html><meta charset="utf-8"><title>Firstflight</title>
<script>location.replace({address})</script>
"""


def make_password(settings: Settings) -> None:
    """Make the password once for a home; it is never changed here.

    Raises:
        StackError: It is there, and others may read it.
    """
    file = settings.prefect_password_file
    if not file.exists():
        replace(file, f"firstflight:{secrets.token_urlsafe(32)}\n")
    if file.stat().st_mode & 0o077:
        raise StackError(
            f"{file} can be read by others: `rm {file}`, `firstflight down` and `firstflight up` make a new one"
        )


def folder(settings: Settings) -> Path:
    """Return where the stack's Prefect server keeps its page."""
    own = apart.is_apart(settings, "prefect")
    return (apart.place(settings, "prefect") if own else settings.home / "prefect") / "page"


def door(settings: Settings, path: str) -> Path:
    """Return a private file that, opened in a browser, leads to the page at `path`, signed in.

    Args:
        settings: Of the stack whose Prefect is meant.
        path: What follows the server's address, such as `/v2/runs`.

    Raises:
        StackError: The stack's Prefect has not been up yet, or its folder takes no page.
    """
    if settings.prefect_auth is None or not (site := folder(settings) / "v1").is_dir():
        raise StackError(f"no Prefect has served a page from {settings.home}: `firstflight up` starts it")
    _write(settings, site / _PAGE)
    word = base64.b64encode(settings.prefect_auth.get_secret_value().encode()).decode()
    server = settings.local_prefect_api.removesuffix("/api")
    return lead(settings, f"{server}/{_PAGE}#{quote(word, safe='')},{quote(path, safe='')}", "open.html")


def lead(settings: Settings, address: str, name: str) -> Path:
    """Return the private file `name` of the home that, opened in a browser, leads to `address`, a secret in it."""
    file = settings.home / name
    replace(file, _LEADS_THERE.format(address=json.dumps(address)))
    return file


def _write(settings: Settings, page: Path) -> None:
    """Put the page beside Prefect's; where that is a user of its own, as that user, who may have put links there."""
    if not apart.is_apart(settings, "prefect"):
        replace(page, _TAKES_IT)
        return
    command = accounts.as_user(apart.USERS["prefect"], apart.GROUP, ("/usr/bin/tee", str(page.resolve())))
    done = subprocess.run(command, input=_TAKES_IT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"cannot write {page}: {done.stderr.strip()}")
