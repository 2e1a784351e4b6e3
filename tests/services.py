"""The embedded services as tests use them: started once, in a temporary folder, not waiting for the disk."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from operations.run import child, layout, services

START_SECONDS_MAX = 60
SIGNALS = {"postgres": "SIGINT", "valkey": "SIGTERM"}
VARIABLES = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}


class TestServices:
    """PostgreSQL and Valkey of one test process. `keep` names variables of the environment that win."""

    __test__ = False

    def __init__(self, var: Path, *, keep: tuple[str, ...]) -> None:
        self.var = var
        self.var.parent.chmod(0o711)  # As root, PostgreSQL runs as another user, who passes through here.
        own = layout.record_services(var)
        self.urls = {
            "postgres": own["database_url"],
            "valkey": own["redis_url"],
        }
        self.given = {
            name for name, variable in VARIABLES.items() if variable in keep and os.environ.get(variable)
        }
        self.urls |= {name: os.environ[VARIABLES[name]] for name in self.given}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def addresses(self) -> dict[str, str]:
        return {VARIABLES[name]: url for name, url in self.urls.items()}

    def start(self, name: str) -> str:
        """Start a service unless it runs, and return its address."""
        if name in self.given or name in self.processes:
            return self.urls[name]
        log = self.var / "log" / f"{name}.log"
        with log.open("ab") as output:
            process = child.spawn(
                [sys.executable, "-m", "operations.run.services", "run", name, "--throwaway"],
                environment=os.environ | {"SUAN_VAR": str(self.var)},
                output=output,
                last_signal=SIGNALS[name],
            )
        self.processes[name] = process
        check, _ = services.READY[name]
        if not child.wait_until(
            lambda: check(self.urls[name]), seconds=START_SECONDS_MAX, alive=lambda: process.poll() is None
        ):
            raise RuntimeError(f"{name} did not start:\n{log.read_text()[-4000:]}")
        return self.urls[name]

    def stop(self) -> None:
        for name, process in reversed(self.processes.items()):
            child.stop(process, number=signal.Signals[SIGNALS[name]])
        self.processes.clear()
