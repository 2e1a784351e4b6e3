"""Small real programs for the supervisor to look after."""

import sys
import textwrap


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", textwrap.dedent(code))


SLEEPER = python(
    """
    import time
    while True:
        time.sleep(1)
    """
)
STUBBORN = python(
    """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        time.sleep(1)
    """
)
PARENT = python(
    """
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    time.sleep(600)
    """
)
