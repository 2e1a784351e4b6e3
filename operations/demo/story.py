"""What a demonstration or a storm knows while it goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from operations.demo.people import Buyer, Provider
from operations.run.market import Market
from suan.client.api import Suan

Json = dict[str, Any]


def say(text: str) -> None:
    """One line of progress with the time of day."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


@dataclass
class Story:
    """What the demonstration knows while it goes on."""

    market: Market
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    orders: list[tuple[Suan, Json]] = field(default_factory=list)
    named: dict[str, list[tuple[Suan, Json]]] = field(default_factory=dict)
    providers: list[Provider] = field(default_factory=list)
    buyers: list[Buyer] = field(default_factory=list)
    facts: Json = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def phase(self, name: str) -> None:
        """Close the phase that ran until now under `name`."""
        now = time.monotonic()
        self.seconds[name] = round(now - self.began, 1)
        self.began = now
