"""The fold against the contract's storage, word by word, each word proven against the state root of the anchor's header.

Growth: one eth_getProof for SLOTS_PER_PROOF words. Known limit: the token's storage is not known here, so the contract's tokens
are asked with eth_call, named by block hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

from suan.client.audit.report import Report
from suan.client.audit.source.anchor import Anchor
from suan.client.audit.source.proofs import BadProof, prove_account, prove_word, storage_nodes
from suan.client.audit.state import (
    Account,
    Books,
    DisputeView,
    Parameters,
    SessionView,
    VerdictView,
    orders_in_word,
)
from suan.client.audit.storage import layout as layout
from suan.client.errors import Unreachable
from suan.client.rpc import Rpc, RpcError
from suan.core.contract import OrderState, Shadow, abi
from suan.core.encoding import from_hex, keccak, to_hex

SLOTS_PER_PROOF = 128
PROVEN: Final = {
    "accounts": 2,
    "places": 1,
    "shadows": 1,
    "skipped": 1,
    "spent": 1,
    "open_bits": 1,
    "verdicts": 1,
    "exposure": 1,
    "disputes": 5,
    "claims": 1,
    "sessions": 1,
    "given_up": 1,
}
"""Tables of the books that the contract keeps too, with the words of each of their entries."""


class ProofsRefused(Unreachable):
    """The node serves no proofs of this block's state."""


def _plain(*words: int) -> str:
    return " ".join(f"{word:#066x}" for word in words)


def _number(word: int) -> str:
    return str(word)


def _account(word: int, exiting: int) -> str:
    part = 2**96 - 1
    return (
        f"available {word & part}, locked {word >> 96 & part}, exiting {exiting & part}, "
        f"of it fresh {exiting >> 96 & part}, ready at {exiting >> 192 & 2**40 - 1}, "
        f"newest offer {word >> 224}, newest bid {word >> 192 & 2**32 - 1}"
    )


@dataclass(frozen=True)
class _Wanted:
    """What words at some slots should be; `say` writes them for people."""

    subject: str
    field: str
    slots: list[int]
    expected: list[int]
    say: Callable[..., str] = _plain


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
            [
                _Wanted(
                    "market",
                    "custody in the contract's storage",
                    [layout.SLOTS["custody"]],
                    [custody],
                    _number,
                )
            ]
        )
        if held < custody:
            report.differ("market", "tokens held", f"at least {custody}", held)
        report.custody = custody
        report.money_conserved = report.differences_total == before

    def words(self) -> int:
        """Words of storage that `everything` compares."""
        return sum(len(getattr(self.books, name)) * words for name, words in PROVEN.items()) + 1

    def everything(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Compare every entry of the books that the contract keeps too."""
        self.compare({name: getattr(self.books, name) for name in PROVEN}, progress)

    def compare(
        self, keys: Mapping[str, Iterable[Any]], progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """Compare the entries with these keys, by the name of their table; progress is told the words so far."""
        done = 0
        entries = chain.from_iterable(self._entries(name, of) for name, of in keys.items())
        wanted = chain(entries, [self._batches()])
        while chunk := list(islice(wanted, SLOTS_PER_PROOF // 2)):
            self._prove(chunk)
            done += sum(len(entry.slots) for entry in chunk)
            progress(done)

    def _entries(self, name: str, keys: Iterable[Any]) -> Iterator[_Wanted]:
        entry = getattr(self, f"_of_{name}")
        for key in keys:
            if not key or not key[0]:
                continue  # Of trades whose batch was never announced: named where they were closed.
            yield entry(key, getattr(self.books, name).get(key))

    def _batches(self) -> _Wanted:
        slot = layout.MEMBERS["batches"]
        return _Wanted(
            "market", "lock batches in the contract's storage", [slot], [self.books.lock_batches], _number
        )

    def _of_accounts(self, owner: str, found: Account | None) -> _Wanted:
        account = found or Account()
        self.report.accounts_checked += 1
        return _Wanted(
            owner,
            "account in the contract's storage",
            [layout.account_slot(owner), layout.exit_slot(owner)],
            [
                layout.account_word(
                    account.newest_offer, account.newest_bid, account.available, account.locked
                ),
                layout.exit_word(account.exiting, account.fresh, account.ready_at, account.fresh_until),
            ],
            _account,
        )

    def _of_places(self, key: tuple[str, int, int], found: list[OrderState] | None) -> _Wanted:
        maker, side, number = key
        many = orders_in_word(side)
        return _Wanted(
            f"orders {number * many} to {number * many + many - 1} (mod 256) of {maker} on side {side}",
            "quantity used in the contract's storage",
            [layout.places_slot(maker, side, number)],
            [layout.places_word(side, (found or [])[:many])],
        )

    def _of_shadows(self, key: tuple[str, int, int], found: Shadow | None) -> _Wanted:
        maker, side, place = key
        return _Wanted(
            f"cancelled order {place} (mod 256) of {maker} on side {side}",
            "what it was before in the contract's storage",
            [layout.shadow_slot(maker, side, place)],
            [layout.shadow_word(side, found or Shadow())],
        )

    def _of_skipped(self, key: tuple[str, int, int], found: int | None) -> _Wanted:
        maker, nonce, number = key
        return _Wanted(
            f"bid {nonce} of {maker}",
            f"runs passed over of the {number + 1}th 256 in storage",
            [layout.skipped_slot(maker, nonce, number)],
            [found or 0],
        )

    def _of_spent(self, grant: str, found: tuple[int, int] | None) -> _Wanted:
        slot = layout.state_slot("spent", grant)
        return _Wanted(
            f"delegate {grant}", "spent in a day in storage", [slot], [layout.dated_word(*(found or (0, 0)))]
        )

    def _of_open_bits(self, batch: str, found: int | None) -> _Wanted:
        slot = layout.state_slot("openBits", batch)
        return _Wanted(f"bat_{batch}", "open trades in the contract's storage", [slot], [found or 0])

    def _of_verdicts(self, verdict: str, found: VerdictView | None) -> _Wanted:
        word = 0
        if found is not None:
            word = layout.decided_word(found.bits, found.settle_after)
        slot = layout.state_slot("decided", verdict)
        return _Wanted(f"verdict {verdict}", "waiting trades in the contract's storage", [slot], [word])

    def _of_exposure(self, verifier_set: str, found: int | None) -> _Wanted:
        slot = layout.state_slot("exposure", verifier_set)
        word = 0 if found is None else layout.exposure_word(found)
        return _Wanted(f"verifier set {verifier_set}", "locked in its trades in storage", [slot], [word])

    def _of_disputes(self, key: tuple[str, int], found: DisputeView | None) -> _Wanted:
        first = layout.trade_slot("disputes", *key)
        words = [0] * PROVEN["disputes"]
        if found is not None and found.rule_by:
            record = self.books.trades[self.books.trade_at[key]].record
            evidence = keccak(record.leaf() + from_hex(found.receipts_root))
            words = layout.dispute_words(found, key[1], evidence)
        slots = list(range(first, first + PROVEN["disputes"]))
        return _Wanted(self._trade(key), "dispute in the contract's storage", slots, words)

    def _of_claims(self, key: tuple[str, int, int], found: str | None) -> _Wanted:
        word = int(found, 16) if found else 0
        field = f"who asks for the receipt of run {key[2]} in storage"
        return _Wanted(self._trade(key[:2]), field, [layout.claim_slot(*key)], [word])

    def _of_sessions(self, session: str, found: SessionView | None) -> _Wanted:
        word = 0 if found is None else layout.session_word(found.paid, closed=found.closed)
        slot = layout.state_slot("sessions", session)
        return _Wanted(f"session {session}", "paid in the contract's storage", [slot], [word])

    def _of_given_up(self, key: tuple[str, int], found: int | None) -> _Wanted:
        slot = layout.trade_slot("refundableFrom", *key)
        field = "end of the window of a trade that was given up in storage"
        return _Wanted(self._trade(key), field, [slot], [found or 0], _number)

    def _trade(self, key: tuple[str, int]) -> str:
        trade = self.books.trade_at.get(key)
        return f"trd_{trade}" if trade else f"trade {key[1]} of bat_{key[0]}"

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
            expected = wanted.say(*wanted.expected)
            try:
                words = [prove_word(proven.storage_root, slot, nodes) for slot in wanted.slots]
            except BadProof as error:
                report.differ(wanted.subject, wanted.field, f"{expected}, proven by the state root", error)
                continue
            report.expect(wanted.subject, wanted.field, expected, wanted.say(*words))
            report.words_proven += len(words)


def code_hash(code: bytes) -> str:
    """keccak256 of a contract's code, as its account commits to it."""
    return to_hex(keccak(code))
