"""What every step of a replay is given: the node, the contract's figures, the books, the report, and the block in hand."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode

from suan.client.audit.report import Report
from suan.client.audit.source.anchor import Anchor, check_header
from suan.client.audit.state import Books, Parameters
from suan.client.rpc import Rpc, RpcError
from suan.core.contract import Record, abi
from suan.core.settlement import CUSTODY_REF, BooksDisagree, Move, Parties, Payout, close_moves, moves_of
from suan.core.signing import BadSignature, Domain, market_domain, recover

Json = dict[str, Any]
IS_VALID_SIGNATURE = bytes.fromhex("1626ba7e")
"""isValidSignature(bytes32,bytes) (ERC-1271); also its answer."""


class Context:
    """`as_of` is the hash of the block at which wallets are asked about their signatures."""

    def __init__(
        self, rpc: Rpc, parameters: Parameters, books: Books, report: Report, as_of: str = ""
    ) -> None:
        self.rpc, self.parameters, self.books, self.report = rpc, parameters, books, report
        self.as_of = as_of
        self._block = (-1, "")
        self._time: int | None = None

    def enter(self, block: int, block_hash: str) -> None:
        """The transactions that follow are of this block."""
        if (block, block_hash) != self._block:
            self._block, self._time = (block, block_hash), None

    def timestamp(self, block: int) -> int:
        """Unix time of the block that is being folded, from a header that is the one with its hash."""
        number, block_hash = self._block
        if block != number:
            raise LookupError(f"block {block} is not the one in hand, {number}")
        if self._time is None:
            header = self.rpc.block(block_hash)
            check_header(self.report, header)
            found = Anchor.of(header)
            self.report.expect(
                f"block {number}", "number and hash in its header", self._block, (found.number, found.hash)
            )
            self._time = found.timestamp
        return self._time

    def call_of(self, tx_hash: str) -> tuple[str, Json] | None:
        """(function, arguments) of a transaction sent straight to the Market; None otherwise."""
        transaction = self.rpc.transaction(tx_hash)
        if (transaction.get("to") or "").lower() != self.parameters.market:
            return None
        try:
            return abi.decode_call(transaction["input"])
        except abi.AbiError:
            return None

    @property
    def domain(self) -> Domain:
        """The domain of everything that is signed for this market."""
        return market_domain(self.parameters.chain_id, self.parameters.market)

    def signed_by(self, account: str, digest: bytes, signature: bytes) -> bool:
        """Whether `account` signed with its key, or its code accepts the signature (ERC-1271)."""
        try:
            if recover(digest, signature) == account:
                return True
        except BadSignature:
            pass
        return self.accepted_by_wallet(account, digest, signature)

    def accepted_by_wallet(self, account: str, digest: bytes, signature: bytes) -> bool:
        """Whether the code of `account` accepts the signature as of the block of this audit; False without code."""
        if not self.rpc.code(account, self.as_of):
            return False
        data = IS_VALID_SIGNATURE + encode(["bytes32", "bytes"], [digest, signature])
        try:
            answer = self.rpc.read(account, data, self.as_of)
        except RpcError:
            return False
        return answer[:32] == IS_VALID_SIGNATURE.ljust(32, b"\0")

    def post(self, name: str, values: Json, lock: Parties | None = None) -> None:
        """Move what an event means; a difference if that is impossible. `lock`: the trade or session that it builds upon."""
        try:
            self._move(moves_of(name, values, lock, payees=self.parameters))
        except BooksDisagree as error:
            self.report.differ(name, "movements", "parts of what was locked", error)

    def post_close(self, record: Record, payout: Payout) -> None:
        """Move what a close pays out."""
        try:
            self._move(close_moves(record, payout, self.parameters))
        except BooksDisagree as error:
            self.report.differ(f"trd_0x{record.trade.hex()}", "movements", "parts of what was locked", error)

    def _move(self, moves: list[Move]) -> None:
        """Apply the movements of one event; after it no part of an account may be negative."""
        changed = {}
        for move in moves:
            for ref, amount in ((move.debit, -move.amount), (move.credit, move.amount)):
                if ref == CUSTODY_REF:
                    continue
                account = changed[ref.address] = self.books.accounts[ref.address]
                setattr(account, ref.kind, getattr(account, ref.kind) + amount)
        for address, account in changed.items():
            if min(account.available, account.locked, account.exiting) < 0:
                self.report.differ(address, "balance", "never negative", account)
