"""Become a command that dies with its parent: `python -I -S launch.py PARENT SIGNAL command...`.

The kernel sends SIGNAL when the parent is gone, so a killed supervisor leaves nothing behind. The tie must be
made in the child, after any change of user; doing it in a small program of its own keeps Python code out of the
moment between fork and exec. Linux only; elsewhere the command runs untied.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie_to_parent(parent: int, signal_number: int) -> None:
    """Ask for `signal_number` when `parent` ends; leave at once when it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(f"launch: parent {parent} is gone")


def main() -> None:
    parent, name, *command = sys.argv[1:]
    tie_to_parent(int(parent), signal.Signals[name])
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
