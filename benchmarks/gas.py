"""What a trade costs on chain, from receipts of a real Anvil: `make gas` prints the table and writes var/gas.json.

Every figure is gas used, whole transactions with their 21,000 and their calldata, divided by the trades of a batch.
Nothing is left out: order signatures verified on chain, multi-fill offers, payment and bond locked at the match, a
verdict of 2 of 3 verifiers over a receipts root, a dispute window, every trade paid. Offers are filled n / 20 times,
bids once, so that each trade of a batch has a bid signature of its own.

*steady*: every maker has traded before, so no storage word is created but those of the batch. *fresh*: first orders
of makers whose accounts exist. iExec PoCo's figures stand beside them in docs/gas.md, with what makes the comparison
fair and unfair.

    python benchmarks/gas.py        about a minute; asks nobody, needs the compiled contracts only
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.anvil import Chain, Key
from ledger.deployment.deploy import PROFILES, Parameters, deploy
from operations.run import layout
from suan.core.contract import abi
from suan.core.contract.calls import Proven
from suan.core.contract.records import (
    BatchHead,
    Clearing,
    Fill,
    KeySet,
    Outcome,
    OutcomeKind,
    Record,
    Session,
)
from suan.core.encoding import keccak
from suan.core.signing.domains import Domain, market_domain
from suan.core.signing.structs import SIDE_BUY, SIDE_SELL, Acceptance, Bid, Offer, Verdict, Voucher

SIZES = (1, 5, 10, 30, 100, 200)
MIXES = {"20+30": (20, 30), "100+100": (100, 100)}
CEILING = 3_456_789
UNITS = 2_345_678
FUNDS = 10**24
PRODUCT = keccak(b"cpu.fp64:eu-north:recomputed")
GENERATION = 256
SEED = 20_261_125


def gas(receipt: dict[str, Any]) -> int:
    return int(receipt["gasUsed"], 16)


@dataclass
class Locked:
    """A batch on chain: how much gas its opening took, and what closes it."""

    gas: int
    head: BatchHead
    records: tuple[Record, ...]


class Bench:
    """A market with people on it."""

    def __init__(self, chain: Chain, var: Path) -> None:
        self.chain = chain
        self.verifiers = sorted((Key(f"verifier {i}") for i in range(3)), key=lambda key: key.address)
        self.arbiters = sorted((Key(f"arbiter {i}") for i in range(3)), key=lambda key: key.address)
        self.operator, self.sender = Key("operator"), Key("sender").address
        deployer = Key("deployer").address
        for address in (self.operator.address, self.sender, deployer):
            chain.rpc("anvil_setBalance", address, hex(10**30))
        self.made = self._deploy(var, deployer)
        self.market, self.token = self.made["market"], self.made["token"]
        self.domain: Domain = market_domain(self.made["chain_id"], self.market)
        self.set = self._key_set("verifier_set")
        self.clearings = 0
        self.chance = random.Random(SEED)  # noqa: S311
        self.nonces: dict[tuple[str, int], int] = {}

    def _deploy(self, var: Path, deployer: str) -> dict[str, Any]:
        path = var / "gas-deployment.json"
        path.unlink(missing_ok=True)
        parameters = Parameters(
            profile="demo",
            admin=Key("admin").address,
            operator=self.operator.address,
            relayer=self.sender,
            acknowledger=Key("acknowledger").address,
            treasury=Key("treasury").address,
            pool=Key("pool").address,
            rerun_account=Key("rerun").address,
            members=tuple(key.address for key in self.verifiers),
            threshold=2,
            arbiters=tuple(key.address for key in self.arbiters),
            arbiter_threshold=2,
            **(PROFILES["demo"] | {"dispute_window": 30}),
        )
        return deploy(
            self.chain.url,
            deployment_file=path,
            var=var,
            deployer=deployer,
            sign_transaction=Key("deployer").sign_transaction,
            sign_as_operator=self.operator.sign,
            parameters=parameters,
        )

    def _key_set(self, name: str) -> KeySet:
        made = self.made[name]
        return KeySet(tuple(made["members"]), made["threshold"], int(made["payout_cap"]))

    # ------------------------------------------------------------------------------------------- people

    def people(self, mix: str, name: str, most: int = 200) -> tuple[list[Key], list[Key]]:
        """Providers and buyers of a mix, `most` of each that a batch needs, with money in the market."""
        providers, buyers = (
            [Key(f"{name} {mix} {role} {i}") for i in range(min(count, most))]
            for role, count in zip(("provider", "buyer"), MIXES[mix], strict=True)
        )
        for key in (*providers, *buyers):
            self.fund(key)
        return providers, buyers

    def fund(self, key: Key) -> None:
        chain = self.chain
        chain.rpc("anvil_setBalance", key.address, hex(10**30))
        chain.send(self.sender, self.token, abi.encode_call("faucet", key.address, 10**21))
        chain.send(key.address, self.token, abi.encode_call("approve", self.market, FUNDS))
        chain.send(key.address, self.market, abi.encode_call("deposit", key.address, 10**21))

    def make_steady(self, providers: list[Key], buyers: list[Key]) -> None:
        """One order of generation 0 ended in every word that the next orders use, as traded ones would have left them."""
        bids = GENERATION if len(buyers) < 100 else 64
        for side, makers, places, most in ((SIDE_SELL, providers, 2, 64), (SIDE_BUY, buyers, 4, bids)):
            for key in makers:
                for nonce in range(0, most, places):
                    data = abi.encode_call("cancel", side, nonce)
                    self.chain.send(key.address, self.market, data)
                self.nonces[key.address, side] = GENERATION + self.chance.randrange(8)

    def nonce(self, key: Key, side: int) -> int:
        value = self.nonces.get((key.address, side), 0)
        self.nonces[key.address, side] = value + 1
        return value

    # ------------------------------------------------------------------------------------------- trades

    def order(self, kind: type, key: Key, side: int, price: int, **size: int) -> Any:
        now = self.chain.now()
        return kind(
            maker=key.address,
            product=PRODUCT,
            side=side,
            price=price,
            nonce=self.nonce(key, side),
            valid_until=now + 3_600,
            deliver_by=now + 7_200,
            verifier_set=self.set.id(),
            max_fee_bps=100,
            terms=self.chance.randbytes(32),
            **size,
        )

    def open(
        self, providers: list[Key], buyers: list[Key], n: int, signers: dict[str, Key] | None = None
    ) -> Locked:
        """One batch of n trades: n bids, as many offers as there are providers, each filled in turn."""
        signers = signers or {}
        self.clearings += 1
        price = 850_123_456_789_012_345 + self.chance.randrange(10**17)
        clearing = Clearing(PRODUCT, self.clearings, self.chance.randbytes(32), price)
        sellers = providers[: min(n, len(providers))]
        units = CEILING * -(-n // len(sellers))
        offers = [self.order(Offer, key, SIDE_SELL, price - 10**16, units=units) for key in sellers]
        makers = [buyers[i % len(buyers)] for i in range(n)]
        bids = [self.order(Bid, key, SIDE_BUY, price + 10**16, runs=1, ceiling=CEILING) for key in makers]
        sign = lambda key, order: signers.get(key.address, key).sign(order.digest(self.domain))  # noqa: E731
        data = abi.encode_open(
            verifier_set=self.set.id(),
            clearings=[clearing],
            offers=offers,
            offer_signatures=[sign(key, order) for key, order in zip(sellers, offers, strict=True)],
            bids=bids,
            bid_signatures=[sign(key, order) for key, order in zip(makers, bids, strict=True)],
            fills=[Fill(i % len(sellers), i, 0, 0, 1) for i in range(n)],
        )
        receipt = self.chain.send(self.operator.address, self.market, data)
        events = [
            abi.decode_event(log["topics"], log["data"])
            for log in receipt["logs"]
            if log["address"].lower() == self.market
        ]
        rejected = [values for name, values in events if name == "FillRejected"]
        if rejected:
            raise RuntimeError(f"a fill was refused: {rejected[0]}")
        records = tuple(abi.struct_of("Record", values) for name, values in events if name == "TradeLocked")
        (head,) = (abi.struct_of("BatchHead", values) for name, values in events if name == "BatchLocked")
        return Locked(gas(receipt), head, records)

    def settled(self, locked: Locked) -> list[tuple[int, Outcome]]:
        return [(record.index, Outcome(OutcomeKind.SETTLED, 1, UNITS)) for record in locked.records]

    def close(self, locked: Locked) -> tuple[int, int]:
        """(gas of the verdict, gas of the settlement)."""
        root, outcomes = self.chance.randbytes(32), self.settled(locked)
        verdict = self.decide(locked, outcomes, root)
        self.chain.pass_time(31)
        data = abi.encode_settle(
            head=locked.head,
            outcomes=outcomes,
            receipts_root=root,
            proven=Proven(locked.records),
        )
        return verdict, gas(self.chain.send(self.sender, self.market, data))

    def decide(self, locked: Locked, outcomes: list[tuple[int, Outcome]], root: bytes) -> int:
        verdict = Verdict(locked.head.id(), abi.pack_outcomes(outcomes), root)
        signatures = [key.sign(verdict.digest(self.domain)) for key in self.verifiers[:2]]
        data = abi.encode_decide(
            head=locked.head,
            verifiers=self.set,
            outcomes=outcomes,
            receipts_root=root,
            signatures=signatures,
        )
        return gas(self.chain.send(self.sender, self.market, data))

    def accept(self, locked: Locked, buyer: Key) -> int:
        """Gas of a close by the buyer's signature alone, which pays the whole lock."""
        outcomes = [
            (r.index, Outcome(OutcomeKind.SETTLED, r.runs, r.runs * r.ceiling)) for r in locked.records
        ]
        acceptance = Acceptance(locked.head.id(), abi.pack_outcomes(outcomes))
        data = abi.encode_accept(
            head=locked.head,
            buyer=buyer.address,
            buyer_signature=buyer.sign(acceptance.digest(self.domain)),
            outcomes=outcomes,
            proven=Proven(locked.records),
        )
        return gas(self.chain.send(self.sender, self.market, data))


def life(bench: Bench, mix: str, words: str, n: int, people: tuple[list[Key], list[Key]]) -> dict[str, Any]:
    """One row of the table."""
    locked = bench.open(*people, n)
    verdict, settlement = bench.close(locked)
    return {
        "design": "verdict of 2 of 3 verifiers, dispute window, settlement",
        "n": n,
        "accounts": mix,
        "words": words,
        "open_per_trade": locked.gas // n,
        "decide_per_trade": verdict // n,
        "settle_per_trade": settlement // n,
        "close_per_trade": (verdict + settlement) // n,
        "life_per_trade": (locked.gas + verdict + settlement) // n,
    }


def accepted(bench: Bench, n: int, people: tuple[list[Key], list[Key]]) -> dict[str, Any]:
    """The same by the buyer's signature alone, without verifiers: one buyer, n bids."""
    providers, buyers = people
    locked = bench.open(providers, buyers[:1], n)
    close = bench.accept(locked, buyers[0])
    return {
        "design": "accepted by the buyer",
        "n": n,
        "accounts": f"{min(n, len(providers))}+1",
        "words": "steady",
        "open_per_trade": locked.gas // n,
        "close_per_trade": close // n,
        "life_per_trade": (locked.gas + close) // n,
    }


def vouchers(bench: Bench, n: int, people: tuple[list[Key], list[Key]]) -> dict[str, Any]:
    """The second voucher of n sessions, redeemed together."""
    providers, buyers = people
    expires = bench.chain.now() + 86_400
    pairs = [(providers[i % len(providers)], buyers[i % len(buyers)]) for i in range(n)]
    sessions, opened = [], 0
    for buyer in {buyer.address for _, buyer in pairs}:
        bench.chain.send(buyer, bench.market, abi.encode_call("requestWithdrawal", n * 10**18))
    bench.chain.pass_time(60)  # the longest match window
    for provider, buyer in pairs:
        salt = bench.chance.randrange(2**56)
        session = Session(buyer.address, 10**18, provider.address, expires, salt)
        data = abi.encode_call("openSession", session)
        opened += gas(bench.chain.send(buyer.address, bench.market, data))
        sessions.append(session)
    used = 0
    for cumulative in (123_456_789_012_345, 234_567_890_123_456):
        signed = []
        for session, (_, buyer) in zip(sessions, pairs, strict=True):
            digest = Voucher(session.id(), cumulative).digest(bench.domain)
            signed.append(abi.signed_voucher(session, cumulative, buyer.sign(digest)))
        used = gas(bench.chain.send(bench.sender, bench.market, abi.encode_call("redeem", signed)))
    return {
        "design": "session voucher",
        "n": n,
        "accounts": f"{len(providers)}+{len(buyers)}",
        "words": "steady",
        "open_per_trade": opened // n,
        "close_per_trade": used // n,
        "life_per_trade": used // n,
    }


def run() -> Iterator[dict[str, Any]]:
    """The rows, as they are measured."""
    var = layout.default_var()
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    chain = Chain()
    try:
        bench = Bench(chain, var)
        for mix in MIXES:
            people = bench.people(mix, "steady")
            bench.make_steady(*people)
            bench.close(bench.open(*people, 200))  # accounts that were all paid once, too
            for n in SIZES:
                yield life(bench, mix, "steady", n, people)
            if mix == "20+30":
                for n in (1, 100):
                    yield accepted(bench, n, people)
                    yield vouchers(bench, n, people)
            for n in SIZES:
                yield life(bench, mix, "fresh", n, bench.people(mix, f"fresh {n}", n))
    finally:
        chain.stop()


def show(row: dict[str, Any]) -> None:
    print(
        f"{row['design']:<58}{row['accounts']:>10}{row['words']:>8}{row['n']:>5}"
        f"{row['open_per_trade']:>9,}{row['close_per_trade']:>9,}{row['life_per_trade']:>9,}",
        flush=True,
    )


if __name__ == "__main__":
    print(f"{'design':<58}{'accounts':>10}{'words':>8}{'n':>5}{'open':>9}{'close':>9}{'life':>9}")
    found = []
    for row in run():
        show(row)
        found.append(row)
    path = layout.default_var() / "gas.json"
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(found, indent=1) + "\n")
    temporary.replace(path)
