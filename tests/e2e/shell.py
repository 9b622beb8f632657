"""A terminal in which a page's commands are run as written: only the ports are the stack's own."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from firstflight.orchestrator import FlowRun, Orchestrator
from firstflight.settings import Ports, Settings
from firstflight.stack.environment import environment


class Shell:
    """A terminal in the folder, as pages want it in the checkout."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)
        self.started: list[subprocess.Popen[str]] = []
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, **environment(settings), "PATH": path, "COLUMNS": "80"}

    def ours(self, text: str) -> str:
        """Return what a page says, with this stack's ports."""
        for name, port in Ports():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{getattr(self.settings.ports, name)}")
        return text

    def start(self, page: str, begins: str) -> subprocess.Popen[str]:
        """Start the command of the page that begins so."""
        [line] = dict.fromkeys(re.findall(rf"^ {{4}}({re.escape(begins)}(?:.*\\\n)*.*)$", page, re.MULTILINE))
        return self.begin(line)

    def begin(self, line: str) -> subprocess.Popen[str]:
        """Start the command."""
        begun = subprocess.Popen(
            ["bash", "-c", f"exec {self.ours(line)}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(begun)
        return begun

    def close(self) -> None:
        """End what still runs, and read it out, so that no later test is told of it."""
        for process in self.started:
            process.kill()
            if process.stdout and not process.stdout.closed:
                process.communicate()

    def asked(self, watching: subprocess.Popen[str]) -> FlowRun:
        """Wait until one run waits for a person, and return it; `watching` follows it, and tells why it does not."""
        deadline = time.monotonic() + 480
        while not (found := self.orchestrator.suspended()):
            assert watching.poll() is None, watching.communicate()[0]
            assert time.monotonic() < deadline, "no run asks"
            time.sleep(0.5)
        [run] = found
        return run

    def run(self, page: str, begins: str, code: int = 0) -> str:
        """Run the command to its end; return what it said."""
        return self.end(self.start(page, begins), code)

    def end(self, process: subprocess.Popen[str], code: int = 0) -> str:
        """Wait for the command's end; return what it said."""
        told, _ = process.communicate(timeout=480)
        assert code == process.returncode, told
        return told
