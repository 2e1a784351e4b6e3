"""Write the golden files of this folder and the rendered pages of docs: `python -m tests.vectors.generate`.

The values come from a hash chain, so every run writes the same bytes; extremes come first. The layout is flat
(see README.md), so that Solidity and browser tests read it without a parser of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from coincurve import PrivateKey

from suan.core import lifecycle, units
from suan.core.contract.proving import prove_records
from suan.core.contract.records import (
    BatchHead,
    Clearing,
    Outcome,
    Record,
    batch_tree,
    pack_outcomes,
    trade_id,
    verifier_set_id,
)
from suan.core.delivery.receipts import Receipt
from suan.core.encoding import keccak, to_hex
from suan.core.evidence.proofs import Anchor, receipt_proof
from suan.core.merkle import StandardTree
from suan.core.settlement import money_outcomes
from suan.core.settlement.split import split
from suan.core.signing.domains import market_domain, registry_domain
from suan.core.signing.recover import address_of
from suan.core.signing.structs import (
    Acceptance,
    Acknowledgement,
    Bid,
    Cancel,
    GivingUp,
    Migration,
    Offer,
    Ruling,
    SetAgent,
    SetDelegate,
    Verdict,
    Voucher,
    WithdrawalRequest,
)
from suan.core.signing.typed import Struct, layout
from suan.core.units import BaseUnits, Price, WorkUnits

FOLDER = Path(__file__).parent
DOCS = FOLDER.parent.parent / "docs"
CHAIN_ID = 31337
MARKET = "0x5ca1ab1e00000000000000000000000000005a11"
REGISTRY = "0x5ca1ab1e00000000000000000000000000005a12"
ORDER_STRUCTS: tuple[type[Struct], ...] = (
    Offer,
    Bid,
    Cancel,
    WithdrawalRequest,
    Receipt,
    Acknowledgement,
    Verdict,
    Acceptance,
    Ruling,
    Voucher,
    Migration,
    GivingUp,
)
REGISTRY_STRUCTS: tuple[type[Struct], ...] = (SetAgent, SetDelegate)
FEE_BPS = 150
PAYOUT_CAP = 10**24
TREE_TYPES = ["uint256", "bytes32", "address"]
TREE_SIZES = (1, 2, 3, 5, 8, 13, 100)

Vector = dict[str, object]


def pages() -> dict[str, bytes]:
    """Name -> bytes of the pages in docs/ that are rendered from tables in `suan.core`."""
    return {
        "lifecycle.md": lifecycle.render_markdown().encode(),
        "money-outcomes.md": money_outcomes.render_markdown().encode(),
    }


def files() -> dict[str, bytes]:
    """Name -> bytes of every golden file."""
    vectors = {"units": unit_vectors(), "orders": order_vectors(), "merkle": merkle_vectors()}
    vectors["records"] = record_vectors()
    golden = {
        f"{name}.json": (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
        for name, value in vectors.items()
    }
    return golden | {"receipt_proof.json": receipt_proof_file()}


class Chain:
    """Numbers from a hash chain: the same on every machine, with no structure that a bug could share."""

    def __init__(self, label: str) -> None:
        self._state = keccak(label.encode())

    def word(self) -> bytes:
        self._state = keccak(self._state)
        return self._state

    def below(self, bound: int) -> int:
        return int.from_bytes(self.word(), "big") % bound

    def uint(self, bits: int) -> int:
        """A number of a random length, so that small ones are as frequent as large ones."""
        return self.below(2 ** (1 + self.below(bits)))

    def address(self) -> str:
        return to_hex(self.word()[:20])


def unit_vectors() -> Vector:
    rows: list[dict[str, int]] = []
    extremes = [(0, 0), (1, 1), (2**96 - 1, 2**64 - 1), (1, 3_600_000), (1, 3_599_999), (10**18, 3_600_000)]
    chain = Chain("suan units")
    pairs = iter(extremes + [(chain.uint(96), chain.uint(64)) for _ in range(58)])
    for price, work in pairs:
        rows.append(_unit_row(chain, Price(price), WorkUnits(work)))
    columns = {name: [str(row[name]) for row in rows] for name in rows[0]}
    return {"count": str(len(rows)), **columns}


def _unit_row(chain: Chain, price: Price, work: WorkUnits) -> dict[str, int]:
    fee_bps, bond_bps = chain.below(1_001), chain.below(10_001)
    floor_price = Price(chain.uint(80))
    bond_price = units.bond_price(price, bond_bps, floor_price)
    paid = units.payment(price, work)
    counted, ceiling, runs = WorkUnits(chain.uint(64)), WorkUnits(chain.uint(64)), chain.uint(16)
    return {
        "price": price,
        "units": work,
        "lock_payment": units.lock_payment(price, work),
        "payment": paid,
        "fee_bps": fee_bps,
        "fee": units.fee(BaseUnits(paid), fee_bps),
        "bond_bps": bond_bps,
        "bond_floor_price": floor_price,
        "bond_price": bond_price,
        "bond": units.bond(bond_price, work),
        "counted": counted,
        "ceiling": ceiling,
        "minimum_units": units.minimum_units(ceiling),
        "billed_units": units.billed_units(counted, ceiling),
        "runs": runs,
        "bid_hold": units.bid_hold(price, runs, ceiling),
    }


def order_vectors() -> Vector:
    chain = Chain("suan orders")
    market, registry = market_domain(CHAIN_ID, MARKET), registry_domain(CHAIN_ID, REGISTRY)
    vector: Vector = {
        "chain_id": str(CHAIN_ID),
        "market": MARKET,
        "registry": REGISTRY,
        "market_domain_separator": to_hex(market.separator()),
        "registry_domain_separator": to_hex(registry.separator()),
    }
    for structs, domain in ((ORDER_STRUCTS, market), (REGISTRY_STRUCTS, registry)):
        for struct in structs:
            values = list(_samples(chain, struct))
            prefix = _snake(struct.__name__)
            vector |= _columns(prefix, values)
            vector[f"{prefix}_type_hash"] = to_hex(struct.type_hash())
            digests = [value.digest(domain) for value in values]
            vector[f"{prefix}_digest"] = [to_hex(digest) for digest in digests]
            keys = [PrivateKey(chain.word()) for _ in values]
            vector[f"{prefix}_signer"] = [address_of(key.public_key.format(compressed=False)) for key in keys]
            vector[f"{prefix}_signature"] = [
                to_hex(_sign(key, digest)) for key, digest in zip(keys, digests, strict=True)
            ]
    return vector


def merkle_vectors() -> Vector:
    """Trees with sorted and unsorted leaves, their proofs end to end, and one multiproof each."""
    trees = []
    for number, size in enumerate(TREE_SIZES):
        for sort_leaves in (True, False):
            trees.append(_tree_vector(Chain(f"suan tree {number}"), size, sort_leaves))
    columns = {name: [tree[name] for tree in trees] for name in trees[0]}
    return {"count": str(len(trees)), "types": TREE_TYPES, **columns}


def _tree_vector(chain: Chain, size: int, sort_leaves: bool) -> Vector:
    values = [(chain.uint(256), chain.word(), chain.address()) for _ in range(size)]
    tree = StandardTree(TREE_TYPES, values, sort_leaves=sort_leaves)
    chosen = sorted({chain.below(size) for _ in range(1 + size // 3)})
    proof, flags, order = tree.multiproof(chosen)
    proved = chain.below(size)
    return {
        "sorted": "1" if sort_leaves else "0",
        "root": to_hex(tree.root),
        "numbers": [str(number) for number, _, _ in values],
        "words": [to_hex(word) for _, word, _ in values],
        "addresses": [address for _, _, address in values],
        "leaves": [to_hex(leaf) for leaf in tree.leaves],
        "proof_index": str(proved),
        "proof": [to_hex(node) for node in tree.proof(proved)],
        "multiproof_order": [str(index) for index in order],
        "multiproof": [to_hex(node) for node in proof],
        "multiproof_flags": ["1" if flag else "0" for flag in flags],
    }


def record_vectors() -> Vector:
    """One lock batch with clearings, records, a partial close by multiproof, and how the money is split."""
    chain = Chain("suan records")
    clearings = list(_samples(chain, Clearing))
    records = [_record(chain, index, clearings[index % len(clearings)].id()) for index in range(9)]
    outcomes = [_outcome(chain, record) for record in records]
    payouts = [split(record, outcome, FEE_BPS) for record, outcome in zip(records, outcomes, strict=True)]
    members = [chain.address() for _ in range(3)]
    head = BatchHead(7, batch_tree(records).root, verifier_set_id(members, 2, PAYOUT_CAP), len(records))
    proven = prove_records(records, [0, 3, 4, 8])
    vector: Vector = {"clearing_id": [to_hex(clearing.id()) for clearing in clearings]}
    vector |= _columns("clearing", clearings) | _plain_columns("record", records)
    vector |= _plain_columns("outcome", outcomes)
    for position, name in enumerate(("trade", "provider_and_price", "buyer_and_work", "terms")):
        words = [record.words()[position] for record in records]
        vector[f"record_word_{name}"] = [to_hex(w) if isinstance(w, bytes) else str(w) for w in words]
    vector["record_payment"] = [str(record.payment) for record in records]
    vector["record_leaf"] = [to_hex(record.leaf()) for record in records]
    vector["record_clearing_id"] = [to_hex(clearings[i % len(clearings)].id()) for i in range(len(records))]
    vector["members"] = sorted(members)
    vector["threshold"] = "2"
    vector["payout_cap"] = str(PAYOUT_CAP)
    vector |= {f"batch_{name}": _text(kind, getattr(head, name)) for kind, _, name in layout(BatchHead.TYPE)}
    vector["batch_id"] = to_hex(head.id())
    vector["outcomes"] = to_hex(pack_outcomes(list(enumerate(outcomes))))
    vector["proven_order"] = [str(record.index) for record in proven.records]
    vector["proven_proof"] = [to_hex(node) for node in proven.proof]
    vector["proven_flags"] = ["1" if flag else "0" for flag in proven.proof_flags]
    vector["fee_bps"] = str(FEE_BPS)
    for name in ("to_provider", "fee", "to_buyer", "bond_back", "rerun", "pool"):
        vector[f"payout_{name}"] = [str(getattr(payout, name)) for payout in payouts]
    return vector


def receipt_proof_file() -> bytes:
    """A proof file as the API gives it, of one of eleven runs."""
    chain = Chain("suan receipt proof")
    trade = chain.word()
    leaves = [(chain.word(), trade, run, 1 + run % 3, 1_000 * run) for run in range(11)]
    anchor = Anchor(chain.word(), CHAIN_ID, MARKET, to_hex(chain.word()), 4_711, to_hex(chain.word()))
    return receipt_proof(leaves, 7, anchor)


def _record(chain: Chain, index: int, clearing: bytes) -> Record:
    offer, bid, first_run = chain.word(), chain.word(), chain.below(100)
    runs, ceiling, price = 1 + chain.below(50), 1 + chain.uint(40), Price(chain.uint(80))
    work = WorkUnits(runs * ceiling)
    return Record(
        trade=trade_id(offer, bid, first_run, clearing),
        provider=chain.address(),
        buyer=chain.address(),
        index=index,
        first_run=first_run,
        runs=runs,
        ceiling=ceiling,
        price=price,
        bond=units.bond(units.bond_price(price, 2_500, Price(10**15)), work),
        deliver_by=chain.below(2**32),
        offer_nonce=chain.below(2**32),
        bid_nonce=chain.below(2**32),
    )


def _outcome(chain: Chain, record: Record) -> Outcome:
    kind = record.index % 3
    if kind == 0:
        return Outcome(0, 0, 0)
    if kind == 2:
        return Outcome(2, 0, chain.below(record.runs * record.ceiling))
    delivered = 1 + chain.below(record.runs)
    least = delivered * units.minimum_units(WorkUnits(record.ceiling))
    return Outcome(1, delivered, least + chain.below(delivered * record.ceiling - least + 1))


def _samples(chain: Chain, struct: type[Struct], count: int = 4) -> Iterator[Struct]:
    """`count` structs: all zero, all at their maximum, the rest random."""
    for number in range(count):
        arguments = {name: _value(chain, kind, number) for kind, _, name in layout(struct.TYPE)}
        yield struct(**arguments)


def _value(chain: Chain, kind: str, number: int) -> object:
    if kind == "bytes":
        return (b"", bytes(range(14)), b"\xff" * 28, b"suan")[number % 4]
    if kind == "string":
        return ("", "wasmtime-50.0.1", "strict", "ü 中 \U0001f30d")[number % 4]
    size = {"address": 160, "bytes32": 256}.get(kind) or int(kind[4:])
    value = (0, 2**size - 1)[number] if number < 2 else chain.uint(size)
    raw = value.to_bytes(32, "big")
    return {"address": to_hex(raw[12:]), "bytes32": raw}.get(kind, value)


def _columns(prefix: str, values: list[Struct]) -> Vector:
    fields = layout(type(values[0]).TYPE)
    return {
        f"{prefix}_{name}": [_text(kind, getattr(value, name)) for value in values]
        for kind, _, name in fields
    }


def _plain_columns(prefix: str, values: list[Record] | list[Outcome]) -> Vector:
    """Columns of a dataclass that is no signed struct."""
    return {
        f"{prefix}_{name}": [_text("uint", getattr(value, name)) for value in values]
        for name in type(values[0]).__dataclass_fields__
    }


def _text(kind: str, value: object) -> str:
    if isinstance(value, bytes):
        return to_hex(value)
    return str(int(value)) if isinstance(value, int) and kind.startswith("uint") else str(value)


def _sign(key: PrivateKey, digest: bytes) -> bytes:
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([27 + signature[64]])


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


if __name__ == "__main__":
    for file_name, content in files().items():
        (FOLDER / file_name).write_bytes(content)
    for page_name, content in pages().items():
        (DOCS / page_name).write_bytes(content)
