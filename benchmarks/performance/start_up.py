"""What it costs to start: processor time of a whole command, in multiples of that of `python -c pass`.

    python benchmarks/performance/start_up.py

`start_up.json` beside it keeps what was measured before commands imported only what they need, and after.

Each is the least of several starts in the same run; only the ratios travel to another machine. `roll-back` finds
nobody at home: what it costs is all that it does before it asks the gateway. `-X importtime` tells what is imported.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile

REPEATS = 7
TERMINAL = (sys.executable, "-m", "firstflight.cli.main")
STARTS = {
    "firstflight --help": (*TERMINAL, "--help"),
    "firstflight drill --help": (*TERMINAL, "drill", "--help"),
    "TAB": (sys.executable, "-c", "from firstflight.cli.main import app; app(prog_name='firstflight')"),
    "firstflight roll-back": (*TERMINAL, "roll-back", "financial-predictor"),
    "import prefect.flows": (sys.executable, "-c", "import prefect.flows"),
    **{f"import flows.{flow}": (sys.executable, "-c", f"import flows.{flow}") for flow in ("canary", "release")},
    "import flows.canary, and what asks MLflow": (
        sys.executable,
        "-c",
        "import flows.canary, firstflight.registry.mlflow_registry",
    ),
}
ASKED = {"_FIRSTFLIGHT_COMPLETE": "complete_bash", "COMP_WORDS": "firstflight r", "COMP_CWORD": "1"}


def seconds(command: tuple[str, ...], home: str, **more: str) -> float:
    """Return the least processor time of several starts."""
    environment = {**os.environ, "FIRSTFLIGHT_HOME": home, "FIRSTFLIGHT_PORT_GATEWAY": "9", **more}
    found = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        unit = seconds((sys.executable, "-c", "pass"), home)
        ratios = {
            name: round(seconds(command, home, **(ASKED if name == "TAB" else {})) / unit)
            for name, command in STARTS.items()
        }
    print(json.dumps({"python": platform.python_version(), "unit_ms": round(1000 * unit, 1), "ratios": ratios}))
