"""What can go wrong in the books and on the chain, as nouns with facts."""

from datetime import datetime


class LedgerError(Exception):
    """Base of every error of the ledger that a caller may meet."""


class InsufficientFunds(LedgerError):
    """A hold asks for more than is free. Amounts in token base units."""

    def __init__(self, *, account: str, available: int, needed: int) -> None:
        super().__init__(
            f"account {account} has {available} base units available and needs {needed}; deposit more"
        )
        self.account = account
        self.available = available
        self.needed = needed


class KeyConflict(LedgerError):
    """The same key was used before for something else."""

    def __init__(self, *, key: str, field: str, stored: object, given: object) -> None:
        super().__init__(f"key {key} already stands for {field} {stored}, not {given}; use another key")
        self.key = key
        self.field = field


class UnknownHold(LedgerError):
    """No hold was ever made under this key."""

    def __init__(self, *, key: str) -> None:
        super().__init__(f"no hold with key {key}")
        self.key = key


class HoldResolved(LedgerError):
    """The hold was posted and shall be voided, or the other way round."""

    def __init__(self, *, key: str, resolution: str) -> None:
        super().__init__(f"hold {key} was resolved before ({resolution})")
        self.key = key
        self.resolution = resolution


class SettlementHalted(LedgerError):
    """A final block changed: nothing moves money until an operator ran rewind_chain."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"settlement is halted: {reason}")
        self.reason = reason


class TradingStopped(LedgerError):
    """An operator has stopped trading: no new order is taken. Cancels work and the book is kept."""

    def __init__(self, *, reason: str, since: datetime) -> None:
        super().__init__(
            f"trading is stopped since {since:%Y-%m-%d %H:%M:%S} UTC: {reason}. No new order is taken; cancels work, the "
            "book is kept. /status shows when it goes on"
        )
        self.reason = reason
        self.since = since


class SwitchNotStopped(LedgerError):
    """Nothing is stopped, so there is nothing to resume."""

    def __init__(self, *, switch: str) -> None:
        super().__init__(f"{switch} is not stopped")


class SecondPersonNeeded(LedgerError):
    """The first wish to resume is written; another person must ask too."""

    def __init__(self, *, switch: str, person: str, seconds: int) -> None:
        super().__init__(
            f"{person}'s wish to resume {switch} is written; a second person must ask within {seconds} seconds"
        )


class NotDeployed(LedgerError):
    """The deployment file does not exist yet."""

    def __init__(self, *, path: str) -> None:
        super().__init__(f"no deployment file at {path}; run: python manage.py deploy_contracts")
        self.path = path


class EvidenceConflict(LedgerError):
    """Other bytes were published under this name."""

    def __init__(self, *, kind: str, name: str) -> None:
        super().__init__(f"evidence {kind}/{name} was published with other bytes; evidence never changes")
        self.kind = kind
        self.name = name


class BadEvidenceName(LedgerError):
    """The kind or the name is not one that the protocol knows."""


class NothingIndexed(LedgerError):
    """The indexer has not read a block yet."""

    def __init__(self) -> None:
        super().__init__("no block is indexed yet")


class BlockUnknown(LedgerError):
    """A block was named that the index does not have."""


class BlockOrphaned(LedgerError):
    """A block was named that is not on the chain any more."""


class WrongChain(LedgerError):
    """The node answers for another chain than the deployment file names."""

    def __init__(self, *, expected: object, found: object) -> None:
        super().__init__(
            f"the node serves chain {found}, the deployment is on {expected}; check CHAIN_RPC_URL"
        )


class DeepReorg(LedgerError):
    """A block that was final is no longer part of the chain."""

    def __init__(self, *, number: int, stored: str, found: str | None) -> None:
        super().__init__(f"final block {number} changed from {stored} to {found or 'nothing'}")
        self.number = number
