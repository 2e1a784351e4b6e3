"""What a long audit says while it works: the phase, how far, how fast, how long still. Nothing before two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

QUIET_SECONDS = 2.0


class Progress:
    """Says lines like `replaying 12,000 of 40,000 blocks, 3,100 blocks/s, about 9 s left` at most every `pace_seconds`."""

    def __init__(
        self,
        say: Callable[[str], None] = lambda _: None,
        *,
        pace_seconds: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.say, self.pace, self.clock = say, pace_seconds, clock
        self._began = clock()
        self._said = self._began + QUIET_SECONDS - pace_seconds
        self._what, self._unit, self._total, self._start = "", "", 0, self._began

    def phase(self, what: str, unit: str = "", total: int = 0) -> None:
        """A new phase of `total` units of work; 0 when nobody knows."""
        self._what, self._unit, self._total, self._start = what, unit, total, self.clock()
        self._tell(f"{what} {f'{total:,} ' * bool(total)}{unit}".rstrip())

    def at(self, done: int) -> None:
        """So many units of the phase are done."""
        self._tell(None, done)

    def note(self, text: str) -> None:
        """Something that a person must know, said at once."""
        self.say(text)

    def _tell(self, text: str | None, done: int = 0) -> None:
        now = self.clock()
        if now - self._said < self.pace:
            return
        self._said = now
        self.say(text if text is not None else self._line(done, now - self._start))

    def _line(self, done: int, seconds: float) -> str:
        rate = done / seconds if seconds > 0 else 0
        of = f" of {self._total:,}" if self._total else ""
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        parts = [f"{self._what} {done:,}{of} {self._unit}", f"{speed} {self._unit}/s"]
        if self._total and rate and done < self._total:
            parts.append(f"about {_duration((self._total - done) / rate)} left")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    whole = int(seconds) + 1
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"
