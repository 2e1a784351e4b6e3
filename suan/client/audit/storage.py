"""The fold against the contract's storage, word by word, each word proven against the state root of the anchor's header.

Growth: one eth_getProof for SLOTS_PER_PROOF words. Known limit: the token's storage is not known here, so the contract's tokens
are asked with eth_call, named by block hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from suan.client.audit import storage_layout as layout
from suan.client.audit.anchor import Anchor
from suan.client.audit.proofs import BadProof, prove_account, prove_word, storage_nodes
from suan.client.audit.report import Report
from suan.client.audit.state import Account, Books, OrderUse, Parameters
from suan.client.errors import Unreachable
from suan.client.rpc import Rpc, RpcError
from suan.core import abi
from suan.core.identity import keccak, to_hex

SLOTS_PER_PROOF = 128
NO_ACCOUNT = Account()
NO_USE = OrderUse()


class ProofsRefused(Unreachable):
    """The node serves no proofs of this block's state."""


@dataclass(frozen=True)
class _Wanted:
    """What words at some slots should say, as read by `read`."""

    subject: str
    field: str
    slots: list[int]
    expected: object
    read: Callable[..., object]


class StorageAudit:
    """Compares entries of the books with storage as of one block."""

    def __init__(
        self, rpc: Rpc, parameters: Parameters, books: Books, report: Report, anchor: Anchor
    ) -> None:
        self.rpc, self.parameters, self.books, self.report, self.anchor = (
            rpc,
            parameters,
            books,
            report,
            anchor,
        )

    def conserved(self) -> None:
        """All accounts together are what came in and did not leave, what the contract says, and less than it holds."""
        inside = 0
        for account in self.books.accounts.values():
            inside += account.available + account.locked + account.exiting
        self.custody(inside)

    def custody(self, inside: int) -> None:
        """As `conserved`, with the sum of all accounts given."""
        report, market = self.report, self.parameters.market
        custody = self.books.deposits - self.books.withdrawals
        answer = self.rpc.read(self.parameters.token, abi.encode_call("balanceOf", market), self.anchor.hash)
        held = abi.decode_result("balanceOf", answer)["value"]
        before = report.differences_total
        report.expect("market", "sum of all accounts", custody, inside)
        self._prove(
            [_Wanted("market", "custody in the contract's storage", [layout.custody_slot()], custody, int)]
        )
        if held < custody:
            report.differ("market", "tokens held", f"at least {custody}", held)
        report.custody = custody
        report.money_conserved = report.differences_total == before

    def everything(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Compare every account, order and lock batch of the books."""
        self.compare(self.books.accounts, self.books.uses, self.books.open_bits, progress)

    def compare(
        self,
        accounts: Iterable[str],
        uses: Iterable[tuple[str, str]],
        batches: Iterable[str],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Compare the entries with these keys; progress is told the words so far."""
        done = 0
        for entries in (self._accounts(accounts), self._uses(uses), self._batches(batches)):
            while chunk := list(islice(entries, SLOTS_PER_PROOF // 2)):
                self._prove(chunk)
                done += sum(len(wanted.slots) for wanted in chunk)
                progress(done)

    def _accounts(self, owners: Iterable[str]) -> Iterator[_Wanted]:
        for owner in owners:
            account = self.books.accounts.get(owner, NO_ACCOUNT)
            slots = [layout.account_slot(owner), layout.exit_slot(owner)]
            self.report.accounts_checked += 1
            yield _Wanted(owner, "account in the contract's storage", slots, account, _read_account)

    def _uses(self, keys: Iterable[tuple[str, str]]) -> Iterator[_Wanted]:
        for maker, order in keys:
            use = self.books.uses.get((maker, order), NO_USE)
            expected = (use.consumed, use.peak, use.cancelled)
            slots = [layout.order_slot(maker, order)]
            yield _Wanted(
                f"ord_{order}", "order in the contract's storage", slots, expected, layout.read_order
            )

    def _batches(self, batches: Iterable[str]) -> Iterator[_Wanted]:
        for batch in batches:
            if not batch:
                continue  # Trades whose batch was never announced: named where they were closed.
            bits = self.books.open_bits.get(batch, 0)
            slots = [layout.open_bits_slot(batch)]
            yield _Wanted(f"bat_{batch}", "open trades in the contract's storage", slots, bits, int)

    def _prove(self, chunk: list[_Wanted]) -> None:
        market, report = self.parameters.market, self.report
        slots = [slot for wanted in chunk for slot in wanted.slots]
        try:
            answer = self.rpc.proof(market, slots, self.anchor.hash)
        except RpcError as error:
            raise ProofsRefused(
                f"the node gives no proof of storage at block {self.anchor.number}: {error}. Ask a node that keeps "
                f"this state, or choose a newer block with --as-of"
            ) from error
        try:
            proven = prove_account(self.anchor.state_root, market, answer)
            nodes = storage_nodes(answer)
        except BadProof as error:
            report.differ(
                "market", f"storage at block {self.anchor.number}", "proven by the state root", error
            )
            return
        report.expect("market", "hash of its code", self.parameters.code_hash, to_hex(proven.code_hash))
        for wanted in chunk:
            try:
                words = [prove_word(proven.storage_root, slot, nodes) for slot in wanted.slots]
            except BadProof as error:
                report.differ(
                    wanted.subject, wanted.field, f"{wanted.expected}, proven by the state root", error
                )
                continue
            report.expect(wanted.subject, wanted.field, wanted.expected, wanted.read(*words))
            report.words_proven += len(words)


def _read_account(word: int, exit_word: int) -> Account:
    return Account(*layout.read_account(word), layout.read_exit(exit_word))


def code_hash(code: bytes) -> str:
    """keccak256 of a contract's code, as its account commits to it."""
    return to_hex(keccak(code))
