"""The lists that the chain's log alone can answer; docs/protocol.md section 7 names them."""

from __future__ import annotations

from ledger.explorer import facts, parties
from ledger.explorer.listing import Filter, Listing, address, anything, choice, flag, identity, word
from suan.core.contract import EVENTS
from suan.core.orders import PRODUCTS

FINALITY = (
    "included, safe or final, for a reader at the block of the list; orphaned for blocks that left the chain"
)
PLACE = {
    "block_number": "number of the block that holds it",
    "block_hash": "hash of that block",
    "timestamp": "unix seconds of that block",
    "finality": FINALITY,
}
MENTIONS = Filter(anything, "an address, hash or id that an argument of the event names")
CANONICAL = Filter(flag, "`false`: those of blocks that left the chain; `true` by default")

BLOCKS = Listing(
    "blocks",
    "Stored blocks",
    {
        "block_number": "number",
        "block_hash": "hash",
        "parent_hash": "hash of the parent",
        "timestamp": "unix seconds",
        "canonical": "false once it left the chain",
        "finality": FINALITY,
        "transactions": "transactions that left events of the contracts",
        "events": "events of the contracts",
        "orphaned_at": "unix seconds at which we saw it leave the chain",
    },
    facts.blocks,
    {"canonical": CANONICAL},
)
TRANSACTIONS = Listing(
    "transactions",
    "Transactions that left events of the contracts",
    {
        "tx_hash": "hash",
        "signer": "operator or relayer when the exchange sent it",
        "function": "what it called, when the exchange sent it",
        "events": "events it left",
        "event_names": "how many of each name",
        **PLACE,
    },
    facts.transactions,
    {"within": Filter(word, "only of the block with this hash"), "mentions": MENTIONS},
)
EVENTS_LIST = Listing(
    "events",
    "Decoded events of the contracts",
    {
        "position": "order on the chain among canonical events",
        "name": "name of the event",
        "args": "its arguments by snake_case name; integers above 2^53 - 1 are decimal strings",
        "contract": "address that logged it",
        "tx_hash": "transaction",
        "log_index": "place in the block",
        **PLACE,
    },
    facts.events,
    {
        "name": choice(*EVENTS),
        "tx_hash": Filter(word, "only of this transaction"),
        "mentions": MENTIONS,
        "canonical": CANONICAL,
    },
)
CLEARINGS = Listing(
    "clearings",
    "Auctions whose price and order set the contract knows",
    {
        "clearing_id": "clr_…",
        "product": "symbol, empty when unknown",
        "product_id": "keccak256 of the symbol",
        "number": "number within the product",
        "order_set_root": "root of the published order set",
        "price": "clearing price in base units per GFLOPS·h",
        "tx_hash": "opening transaction",
        **PLACE,
    },
    facts.clearings,
    {"product": Filter(lambda text: _product(text), "symbol of a product")},
)
BATCHES = Listing(
    "batches",
    "Lock batches",
    {
        "batch_id": "bat_…",
        "number": "number of the batch in the contract",
        "root": "Merkle root of its records",
        "verifier_set": "who decides its outcomes",
        "trades": "trades locked in it",
        "closed": "of them closed",
        "open": "of them open",
        "tx_hash": "opening transaction",
        **PLACE,
    },
    facts.batches,
    {"batch": Filter(identity("bat"), "only this one")},
)
TRADES = Listing(
    "trades",
    "Locked trades and how they ended",
    {
        "trade_id": "trd_…",
        "status": "locked, settled, refunded or slashed",
        "batch_id": "lock batch",
        "index": "leaf in the tree of the lock batch",
        "provider": "address",
        "offer_nonce": "nonce of the provider's offer",
        "buyer": "address",
        "bid_nonce": "nonce of the buyer's bid",
        "first_run": "first run of the bid",
        "runs": "number of runs",
        "ceiling_units": "work units per run at most",
        "price": "base units per GFLOPS·h",
        "payment": "base units locked by the buyer",
        "bond": "base units locked by the provider",
        "deliver_by": "unix seconds",
        "tx_hash": "opening transaction",
        **PLACE,
        "runs_delivered": "runs that count as delivered",
        "units": "work units billed (settled) or recomputed (slashed)",
        "paid": "base units, fee included",
        "fee": "base units of it to the treasury",
        "slashed": "base units of the bond",
        "close_tx_hash": "closing transaction",
        **{f"close_{name}": f"{text} (close)" for name, text in PLACE.items()},
    },
    facts.trades,
    {
        "trade": Filter(identity("trd"), "only this one"),
        "party": Filter(address, "bought or sold by this address"),
        "order": Filter(identity("ord"), "of this offer or bid"),
        "tx_hash": Filter(word, "locked by this transaction"),
        "status": choice(facts.OPEN, *facts.ENDS.values()),
    },
)
PARTIES = Listing(
    "parties",
    "Addresses with money in the contract, in the order of addresses",
    {
        "address": "address",
        "roles": "what it is in this market",
        "available": "base units that it may spend or withdraw",
        "locked": "base units of payments and bonds",
        "exiting": "base units on their way out",
        "trades_bought": "trades in which it was the buyer",
        "trades_sold": "trades in which it was the provider",
        "first_block_number": "block of its first money event",
        "last_block_number": "block of its last money event",
    },
    parties.parties,
)
LISTINGS = (BLOCKS, TRANSACTIONS, EVENTS_LIST, CLEARINGS, BATCHES, TRADES, PARTIES)


def _product(symbol: str) -> str:
    if symbol not in PRODUCTS:
        raise ValueError(f"{symbol[:80]!r} is not traded here; choose one of {', '.join(PRODUCTS)}.")
    return PRODUCTS[symbol].id_hex
