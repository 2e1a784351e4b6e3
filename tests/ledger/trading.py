"""Whole trades on the real contracts, without the market's rooms: signed orders, open, verdict, settlement."""

from dataclasses import dataclass

from suan.core.contract.abi import encode_decide, encode_open, encode_settle
from suan.core.contract.proving import prove_records
from suan.core.contract.records import (
    BatchHead,
    Clearing,
    Fill,
    Outcome,
    Record,
    batch_head,
    pack_outcomes,
    trade_id,
)
from suan.core.encoding import keccak
from suan.core.signing.domains import market_domain
from suan.core.signing.structs import Bid, Offer, Verdict
from suan.core.units import bond, bond_price
from tests.ledger.chain import TOKEN, World

PRODUCT = keccak(b"cpu.fp64:eu-north:recomputed")
PRICE, CEILING = TOKEN // 2, 3_600_000
FAR = 2**33
ROOT = keccak(b"receipts")


@dataclass(frozen=True)
class Deal:
    """One bid of `runs` runs that trades one by one with one offer, as calldata and as records."""

    calldata: bytes
    head: BatchHead
    records: tuple[Record, ...]

    @property
    def trades(self) -> list[str]:
        return ["0x" + record.trade.hex() for record in self.records]


def deal(world: World, *, buyer: str, provider: str, runs: int, number: int = 1, batch: int = 1) -> Deal:
    """Sign both orders and build the open() of `runs` trades of one run each."""
    known = world.known
    verifiers = bytes.fromhex(known.verifier_set.id[2:])
    domain = market_domain(known.chain_id, known.market)
    until = int(world.anvil.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 3600
    common = {
        "product": PRODUCT, "nonce": number, "valid_until": until, "deliver_by": until, "verifier_set": verifiers,
        "max_fee_bps": 500, "terms": keccak(b"terms"),
    }  # fmt: skip
    offer = Offer(maker=world.keys.address(provider), side=2, price=PRICE, units=runs * CEILING, **common)
    bid = Bid(maker=world.keys.address(buyer), side=1, price=PRICE, runs=runs, ceiling=CEILING, **common)
    clearing = Clearing(PRODUCT, number, keccak(b"orders"), PRICE)
    offer_hash, bid_hash = offer.digest(domain), bid.digest(domain)
    per_unit = bond_price(offer.price, known.bond_bps, known.bond_floor_price)
    records = tuple(
        Record(
            trade=trade_id(offer_hash, bid_hash, run, clearing.id()),
            provider=offer.maker,
            buyer=bid.maker,
            index=run,
            first_run=run,
            runs=1,
            ceiling=CEILING,
            price=PRICE,
            bond=bond(per_unit, CEILING),
            deliver_by=until,
            offer_nonce=number,
            bid_nonce=number,
        )
        for run in range(runs)
    )
    calldata = encode_open(
        verifier_set=verifiers,
        clearings=[clearing],
        offers=[offer],
        offer_signatures=[world.keys.sign_digest(provider, offer_hash)],
        bids=[bid],
        bid_signatures=[world.keys.sign_digest(buyer, bid_hash)],
        fills=[Fill(0, 0, 0, run, 1) for run in range(runs)],
    )
    return Deal(calldata, batch_head(batch, verifiers, records), records)


def decide(world: World, made: Deal, outcomes: dict[int, Outcome]) -> bytes:
    """Calldata of a decide() about the records with these indices."""
    listed = sorted(outcomes.items())
    verdict = Verdict(made.head.id(), pack_outcomes(listed), ROOT)
    domain = market_domain(world.known.chain_id, world.known.market)
    return encode_decide(
        head=made.head,
        verifiers=world.known.verifier_set.key_set,
        outcomes=listed,
        receipts_root=ROOT,
        signatures=[world.keys.sign_digest("verifier", verdict.digest(domain))],
    )


def settle(world: World, made: Deal, outcomes: dict[int, Outcome]) -> bytes:
    """Calldata of the settle() of the same verdict."""
    return encode_settle(
        head=made.head,
        outcomes=sorted(outcomes.items()),
        receipts_root=ROOT,
        proven=prove_records(made.records, sorted(outcomes)),
    )


def close(world: World, made: Deal, outcomes: dict[int, Outcome]) -> None:
    """Verdict and settlement by the relayer, each in a block of its own, with the dispute window between them."""
    world.send_raw("relayer", world.known.market, decide(world, made, outcomes))
    world.anvil.mine(1)
    world.anvil.pass_time(world.known.dispute_window + 1)
    world.send_raw("relayer", world.known.market, settle(world, made, outcomes))
