"""manage.py mine_blocks: the clock of a chain of our own.

Anvil writes its whole state at each save, so blocks are made only while they are worth something: while a transaction
waits, and until the newest block with a transaction is final; at rest a slow heartbeat keeps the chain's time moving.
"""

import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ledger.chain.rpc import LocalChain
from ledger.control import loop, node


class Miner:
    """Decides whether a block is due. Times are seconds of a monotonic clock."""

    def __init__(
        self, chain: LocalChain, *, confirmations: int, block_seconds: float, heartbeat_seconds: float
    ) -> None:
        self._chain = chain
        self._confirmations = confirmations
        self._block_seconds = block_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._mined_at = float("-inf")
        self._busy_number: int | None = None

    def step(self, *, clock: float) -> bool:
        """Mine one block if it is due; says whether it did."""
        if clock - self._mined_at < self._block_seconds:
            return False
        head = self._chain.header("latest")
        if head is None:
            return False
        if self._busy_number is None or self._busy_number > head.number:
            self._busy_number = self._newest_busy(head.number)
        if head.transactions:
            self._busy_number = head.number
        unsettled = head.number <= self._busy_number + self._confirmations
        rested = clock - self._mined_at >= self._heartbeat_seconds
        if not (unsettled or rested or self._chain.transactions_waiting()):
            return False
        self._chain.mine()
        self._mined_at = clock
        return True

    def _newest_busy(self, number: int) -> int:
        """The newest block with a transaction among those that are not final yet (after a start or a lost state)."""
        lowest = max(number - self._confirmations, 0)
        for candidate in range(number, lowest - 1, -1):
            header = self._chain.header(candidate)
            if header is not None and header.transactions:
                return candidate
        return lowest - 1 - self._confirmations


class Command(BaseCommand):
    help = "Mine the local chain when something waits or is not final yet, else once per heartbeat."
    requires_system_checks = ()  # Set-up ran them; they load all pages, which nothing here needs.

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--steps", type=int, help="stop after so many looks")

    def handle(self, *args: Any, steps: int | None, **options: Any) -> None:
        if not settings.LOCAL_CHAIN:
            raise CommandError("CHAIN_RPC_URL is not a chain of our own; SUAN_LOCAL_CHAIN=1 says that it is")
        miner = Miner(
            node.local_chain(),
            confirmations=settings.CONFIRMATIONS,
            block_seconds=settings.BLOCK_SECONDS,
            heartbeat_seconds=settings.BLOCK_HEARTBEAT_SECONDS,
        )

        def step(_now: datetime) -> None:
            miner.step(clock=time.monotonic())

        loop.run(
            "mine_blocks",
            step,
            seconds=min(settings.BLOCK_SECONDS / 2, 0.25),
            say=self.stdout.write,
            steps_max=steps,
        )
