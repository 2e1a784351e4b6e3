// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../src/Market.sol";
import {Registry} from "../../src/Registry.sol";
import {TestToken} from "../../src/TestToken.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
import {Test, Vm} from "./Test.sol";
import {Trees} from "./Trees.sol";

/// @dev A market with two providers, two buyers and three verifiers of whom two decide; every test states what differs.
abstract contract MarketTest is Test {
    struct Opening {
        IMarket.Clearing[] clearings;
        IMarket.Offer[] offers;
        bytes[] offerSignatures;
        IMarket.Bid[] bids;
        bytes[] bidSignatures;
        IMarket.Fill[] fills;
    }

    /// @dev What an auditor reads from the events of one open().
    struct Lock {
        bytes32 id;
        IMarket.BatchHead head;
        IMarket.Record[] records;
        uint8[] codes; // of rejected fills, in order
        uint32[] positions;
    }

    uint40 internal constant START = 1_800_000_000;
    uint40 internal constant GRACE = 1 hours;
    uint40 internal constant DELAY = 1 days;
    uint16 internal constant FEE_BPS = 100;
    uint16 internal constant BOND_BPS = 2_500;
    uint96 internal constant BOND_FLOOR = 0.01 ether;
    uint96 internal constant PRICE = 0.85 ether;
    uint64 internal constant CEILING = 3_600_000; // one GFLOPS.h a run
    uint128 internal constant FUNDS = 1_000 ether;
    uint96 internal constant PAYOUT_CAP = 10_000 ether;
    bytes32 internal constant PRODUCT = keccak256("cpu.fp64:eu-north:recomputed");
    bytes32 internal constant RECEIPTS_ROOT = keccak256("receipts");

    uint8 internal constant REFUNDED = 0;
    uint8 internal constant SETTLED = 1;
    uint8 internal constant SLASHED = 2;

    TestToken internal token;
    Registry internal registry;
    Market internal market;

    uint256 internal constant PROVIDER_KEY = 0xA1;
    uint256 internal constant PROVIDER2_KEY = 0xA2;
    uint256 internal constant BUYER_KEY = 0xB1;
    uint256 internal constant BUYER2_KEY = 0xB2;
    uint256 internal constant STRANGER_KEY = 0xC1;
    uint256 internal constant DELEGATE_KEY = 0xD1;
    address internal provider = vm.addr(PROVIDER_KEY);
    address internal provider2 = vm.addr(PROVIDER2_KEY);
    address internal buyer = vm.addr(BUYER_KEY);
    address internal buyer2 = vm.addr(BUYER2_KEY);
    address internal stranger = vm.addr(STRANGER_KEY);
    address internal delegate = vm.addr(DELEGATE_KEY);
    address internal admin = address(0xAD);
    address internal operator = address(0x0E);
    address internal treasury = address(0x71);
    address internal pool = address(0x72);
    address internal rerun = address(0x73);
    uint256[3] internal verifierKeys; // in ascending order of address
    bytes32 internal verifierSet;

    function setUp() public virtual {
        vm.warp(START);
        // From the artifacts: with `new` every test contract would carry, and optimise, the code of all three.
        token = TestToken(vm.deployCode("TestToken.sol:TestToken", ""));
        registry = Registry(vm.deployCode("Registry.sol:Registry", ""));
        market = _deploy(_parameters());
        _registerVerifiers();
        _fund(provider, FUNDS);
        _fund(provider2, FUNDS);
        _fund(buyer, FUNDS);
        _fund(buyer2, FUNDS);
    }

    function _deploy(IMarket.Parameters memory p) internal returns (Market) {
        return Market(vm.deployCode("Market.sol:Market", abi.encode(p)));
    }

    function _parameters() internal view returns (IMarket.Parameters memory p) {
        p.token = address(token);
        p.registry = address(registry);
        p.admin = admin;
        p.operator = operator;
        p.treasury = treasury;
        p.pool = pool;
        p.rerunAccount = rerun;
        p.feeBps = FEE_BPS;
        p.bondBps = BOND_BPS;
        p.bondFloorPrice = BOND_FLOOR;
        p.verificationGrace = GRACE;
        p.withdrawalDelay = DELAY;
    }

    function _registerVerifiers() private {
        verifierKeys = [uint256(0xE1), 0xE2, 0xE3];
        for (uint256 i; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(verifierKeys[j]) < vm.addr(verifierKeys[i])) {
                    (verifierKeys[i], verifierKeys[j]) = (verifierKeys[j], verifierKeys[i]);
                }
            }
        }
        verifierSet = registry.registerVerifierSet(_verifiers(), 2, PAYOUT_CAP);
    }

    function _verifiers() internal view returns (address[] memory members) {
        members = new address[](3);
        for (uint256 i; i < 3; ++i) {
            members[i] = vm.addr(verifierKeys[i]);
        }
    }

    function _fund(address account, uint128 amount) internal {
        token.faucet(account, amount);
        vm.prank(account);
        token.approve(address(market), amount);
        vm.prank(account);
        market.deposit(account, amount);
    }

    // ------------------------------------------------------------------------------------------------ signatures

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev The domain is computed here again, independently of the contracts.
    function _digest(string memory name, address target, bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                target
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _marketDigest(bytes32 structHash) internal view returns (bytes32) {
        return _digest("Suan", address(market), structHash);
    }

    function _registryDigest(bytes32 structHash) internal view returns (bytes32) {
        return _digest("Suan Registry", address(registry), structHash);
    }

    // ------------------------------------------------------------------------------------------------ orders

    function _offer() internal view returns (IMarket.Offer memory) {
        return IMarket.Offer({
            maker: provider,
            product: PRODUCT,
            side: 2,
            price: 0.8 ether,
            units: 10 * CEILING,
            nonce: 1,
            validUntil: START + 1 hours,
            deliverBy: START + 2 hours,
            verifierSet: verifierSet,
            maxFeeBps: FEE_BPS,
            terms: keccak256("offer terms")
        });
    }

    function _bid() internal view returns (IMarket.Bid memory) {
        return IMarket.Bid({
            maker: buyer,
            product: PRODUCT,
            side: 1,
            price: 0.9 ether,
            runs: 10,
            ceiling: CEILING,
            nonce: 1,
            validUntil: START + 1 hours,
            deliverBy: START + 2 hours,
            verifierSet: verifierSet,
            maxFeeBps: FEE_BPS,
            terms: keccak256("bid terms")
        });
    }

    function _offerHash(IMarket.Offer memory offer) internal view returns (bytes32) {
        return market.hashOffer(offer);
    }

    function _bidHash(IMarket.Bid memory bid) internal view returns (bytes32) {
        return market.hashBid(bid);
    }

    // ------------------------------------------------------------------------------------------------ openings

    /// @dev One offer of the provider, one bid of the buyer, one clearing, `runs` runs from the first on.
    function _opening(IMarket.Offer memory offer, IMarket.Bid memory bid, uint32 runs)
        internal
        view
        returns (Opening memory o)
    {
        o = _emptyOpening(1, 1, 1);
        o.offers[0] = offer;
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(offer));
        o.bids[0] = bid;
        o.bidSignatures[0] = _sign(BUYER_KEY, _bidHash(bid));
        o.fills[0] = IMarket.Fill(0, 0, 0, 0, runs);
    }

    function _emptyOpening(uint256 offers, uint256 bids, uint256 fills) internal pure returns (Opening memory o) {
        o.clearings = new IMarket.Clearing[](1);
        o.clearings[0] = IMarket.Clearing(PRODUCT, 1, keccak256("orders"), PRICE);
        o.offers = new IMarket.Offer[](offers);
        o.offerSignatures = new bytes[](offers);
        o.bids = new IMarket.Bid[](bids);
        o.bidSignatures = new bytes[](bids);
        o.fills = new IMarket.Fill[](fills);
    }

    function _send(Opening memory o) internal returns (bytes32 id) {
        bytes memory call_ = abi.encodeCall(
            IMarket.open, (verifierSet, o.clearings, o.offers, o.offerSignatures, o.bids, o.bidSignatures, o.fills)
        );
        vm.prank(operator);
        (bool ok, bytes memory data) = address(market).call(call_);
        if (!ok) _bubble(data);
        return abi.decode(data, (bytes32));
    }

    /// @dev Sends the opening and rebuilds the batch from its events alone.
    function _open(Opening memory o) internal returns (Lock memory lock) {
        vm.recordLogs();
        lock.id = _send(o);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        IMarket.Record[] memory records = new IMarket.Record[](logs.length);
        uint8[] memory codes = new uint8[](logs.length);
        uint32[] memory positions = new uint32[](logs.length);
        uint256 recordCount;
        uint256 codeCount;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == IMarket.TradeLocked.selector) {
                records[recordCount++] = _decodeRecord(logs[i]);
            } else if (logs[i].topics[0] == IMarket.FillRejected.selector) {
                positions[codeCount] = uint32(uint256(logs[i].topics[1]));
                codes[codeCount++] = abi.decode(logs[i].data, (uint8));
            } else if (logs[i].topics[0] == IMarket.BatchLocked.selector) {
                lock.head = _decodeHead(logs[i]);
                vm.assertEq(logs[i].topics[1], lock.id, "the event names the batch that open() returns");
            }
        }
        lock.records = new IMarket.Record[](recordCount);
        for (uint256 i; i < recordCount; ++i) {
            lock.records[i] = records[i];
        }
        lock.codes = new uint8[](codeCount);
        lock.positions = new uint32[](codeCount);
        for (uint256 i; i < codeCount; ++i) {
            (lock.codes[i], lock.positions[i]) = (codes[i], positions[i]);
        }
    }

    function _openOne(uint32 runs) internal returns (Lock memory) {
        return _open(_opening(_offer(), _bid(), runs));
    }

    /// @dev `count` trades of one run each, of one offer and one bid.
    function _openMany(uint32 count) internal returns (Lock memory) {
        IMarket.Offer memory offer = _offer();
        offer.units = count * CEILING;
        IMarket.Bid memory bid = _bid();
        bid.runs = count;
        Opening memory o = _opening(offer, bid, 1);
        o.fills = new IMarket.Fill[](count);
        for (uint32 i; i < count; ++i) {
            o.fills[i] = IMarket.Fill(0, 0, 0, i, 1);
        }
        return _open(o);
    }

    function _decodeRecord(Vm.Log memory log) private pure returns (IMarket.Record memory r) {
        // The data are the last ten members in order, one word each; the topics are the first three.
        bytes memory whole = bytes.concat(log.topics[1], log.topics[2], log.topics[3], log.data);
        return abi.decode(whole, (IMarket.Record));
    }

    function _decodeHead(Vm.Log memory log) private pure returns (IMarket.BatchHead memory) {
        return abi.decode(log.data, (IMarket.BatchHead));
    }

    // ------------------------------------------------------------------------------------------------ closings

    function _leaves(IMarket.Record[] memory records) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](records.length);
        for (uint256 i; i < records.length; ++i) {
            leaves[i] = keccak256(bytes.concat(keccak256(abi.encode(records[i]))));
        }
    }

    function _outcome(uint8 kind, uint32 runs, uint64 units) internal pure returns (IMarket.Outcome[] memory outcomes) {
        outcomes = new IMarket.Outcome[](1);
        outcomes[0] = IMarket.Outcome(kind, runs, units);
    }

    function _verdict(bytes32 batch, IMarket.Record[] memory records, IMarket.Outcome[] memory outcomes, bytes32 root)
        internal
        view
        returns (bytes32)
    {
        bytes32[] memory trades = new bytes32[](records.length);
        for (uint256 i; i < records.length; ++i) {
            trades[i] = records[i].trade;
        }
        bytes32 hash = keccak256(abi.encode(trades, outcomes));
        bytes32 typeHash = keccak256("Verdict(bytes32 batch,bytes32 outcomes,bytes32 receiptsRoot)");
        return _marketDigest(keccak256(abi.encode(typeHash, batch, hash, root)));
    }

    /// @dev The first two verifiers sign; they are in ascending order.
    function _quorum(bytes32 digest) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        signatures[0] = _sign(verifierKeys[0], digest);
        signatures[1] = _sign(verifierKeys[1], digest);
    }

    /// @dev Closes the records with these indices, with a real multiproof and a real quorum.
    function _close(Lock memory lock, uint256[] memory indices, IMarket.Outcome[] memory outcomes) internal {
        (bytes32[] memory path, bool[] memory flags) = Trees.multiproof(_leaves(lock.records), indices);
        IMarket.Record[] memory records = _pick(lock.records, indices);
        bytes[] memory signatures = _quorum(_verdict(lock.id, records, outcomes, RECEIPTS_ROOT));
        market.close(lock.head, records, outcomes, path, flags, RECEIPTS_ROOT, signatures);
    }

    function _closeOne(Lock memory lock, uint8 kind, uint32 runs, uint64 units) internal {
        _close(lock, _indices(1), _outcome(kind, runs, units));
    }

    function _refund(Lock memory lock, uint256[] memory indices) internal {
        (bytes32[] memory path, bool[] memory flags) = Trees.multiproof(_leaves(lock.records), indices);
        market.refund(lock.head, _pick(lock.records, indices), path, flags);
    }

    function _attest(Lock memory lock, uint256 index, uint32 runs, uint64 units) internal {
        IMarket.Record memory r = lock.records[index];
        bytes32[] memory path = Trees.proof(_leaves(lock.records), index);
        bytes[] memory signatures = _quorum(_attestation(lock.id, r.trade, runs, units));
        market.attestDelivery(lock.head, r, path, runs, units, signatures);
    }

    function _attestation(bytes32 batch, bytes32 trade, uint32 runs, uint64 units) internal view returns (bytes32) {
        bytes32 typeHash =
            keccak256("DeliveryAttestation(bytes32 batch,bytes32 trade,uint32 runsDelivered,uint64 units)");
        return _marketDigest(keccak256(abi.encode(typeHash, batch, trade, runs, units)));
    }

    function _pay(Lock memory lock, uint256 index) internal {
        market.payAttested(lock.head, lock.records[index], Trees.proof(_leaves(lock.records), index));
    }

    /// @dev 0, 1, ... count - 1.
    function _indices(uint256 count) internal pure returns (uint256[] memory indices) {
        indices = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            indices[i] = i;
        }
    }

    function _pick(IMarket.Record[] memory records, uint256[] memory indices)
        internal
        pure
        returns (IMarket.Record[] memory picked)
    {
        picked = new IMarket.Record[](indices.length);
        for (uint256 i; i < indices.length; ++i) {
            picked[i] = records[indices[i]];
        }
    }

    // ------------------------------------------------------------------------------------------------ claims

    function _available(address account) internal view returns (uint256 available) {
        (available,) = market.accountOf(account);
    }

    function _locked(address account) internal view returns (uint256 locked) {
        (, locked) = market.accountOf(account);
    }

    function _consumed(address maker, bytes32 order) internal view returns (uint256 consumed) {
        (consumed,,) = market.orderState(maker, order);
    }

    function _assertAccount(address account, uint256 available, uint256 locked, string memory who) internal view {
        vm.assertEq(_available(account), available, string.concat(who, ": available"));
        vm.assertEq(_locked(account), locked, string.concat(who, ": locked"));
    }

    function _assertRejected(Lock memory lock, uint8 code) internal pure {
        vm.assertEq(lock.codes.length, 1, "one fill is rejected");
        vm.assertEq(lock.codes[0], code, "reject code");
        vm.assertEq(lock.records.length, 0, "no trade");
        vm.assertEq(lock.id, bytes32(0), "no batch");
    }

    function _bubble(bytes memory data) private pure {
        assembly ("memory-safe") {
            revert(add(data, 32), mload(data))
        }
    }
}
