// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {ITestMarket, ITestRegistry, ITestToken} from "./Interfaces.sol";
import {Fill, Packing, Record} from "./Packing.sol";
import {Test, Vm} from "./Test.sol";

/// @dev A market with two providers, two buyers, three verifiers of whom two decide and as many arbiters; how to sign for them and
/// how to open trades. Every test states what differs.
abstract contract OpeningTest is Test {
    struct Opening {
        IMarketTypes.Clearing[] clearings;
        IMarketTypes.Offer[] offers;
        bytes[] offerSignatures;
        IMarketTypes.Bid[] bids;
        bytes[] bidSignatures;
        uint8[] offerWallets; // position + 1 in walletSignatures, 0 for a key
        uint8[] bidWallets;
        bytes[] walletSignatures;
        Fill[] fills;
    }

    /// @dev What an auditor reads from the events of one open().
    struct Lock {
        bytes32 id;
        IMarketTypes.BatchHead head;
        Record[] records;
        uint8[] codes; // of rejected fills, in order
        uint32[] positions;
    }

    uint40 internal constant START = 1_800_000_000;
    uint40 internal constant GRACE = 1 hours;
    uint40 internal constant DELAY = 1 days;
    uint40 internal constant WINDOW = 10 minutes;
    uint40 internal constant MATCH = 30; // the match window
    uint256 internal constant ACKNOWLEDGER_KEY = 0xAC;
    uint96 internal constant DISPUTE_BOND = 0.5 ether;
    uint96 internal constant PAYOUT_CAP = 5_000 ether;
    uint16 internal constant FEE_BPS = 100;
    uint16 internal constant BOND_BPS = 2_500;
    uint96 internal constant BOND_FLOOR = 0.01 ether;
    uint96 internal constant PRICE = 0.85 ether;
    uint64 internal constant CEILING = 3_600_000; // one GFLOPS.h a run
    uint128 internal constant FUNDS = 1_000 ether;
    bytes32 internal constant PRODUCT = keccak256("cpu.fp64:eu-north:recomputed");
    uint32 internal constant NONCE_MOST = 2 ** 29 - 1; // the highest nonce
    uint64 internal constant OFFER_MOST = 2 ** 52 - 2; // the most work units and runs that orders can count
    uint32 internal constant BID_MOST = 2 ** 14 - 2;
    bytes32 internal constant RECEIPTS_ROOT = keccak256("receipts");

    uint8 internal constant REFUNDED = 0;
    uint8 internal constant SETTLED = 1;
    uint8 internal constant SLASHED = 2;

    ITestToken internal token;
    ITestRegistry internal registry;
    ITestMarket internal market;

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
    uint256[3] internal verifierKeys = _ascending([uint256(0xE1), 0xE2, 0xE3]);
    uint256[3] internal arbiterKeys = _ascending([uint256(0xF1), 0xF2, 0xF3]);
    bytes32 internal verifierSet;
    bytes32 internal arbiterSet;
    uint96 internal payoutCap = PAYOUT_CAP;

    function setUp() public virtual {
        vm.warp(START);
        // From the artifacts: with `new` every test contract would carry, and optimise, the code of all three.
        token = ITestToken(vm.deployCode("TestToken.sol:TestToken", ""));
        registry = ITestRegistry(vm.deployCode("Registry.sol:Registry", ""));
        verifierSet = registry.registerVerifierSet(_members(verifierKeys), 2, payoutCap);
        arbiterSet = registry.registerVerifierSet(_members(arbiterKeys), 2, 0);
        market = _deploy(_parameters());
        _fund(provider, FUNDS);
        _fund(provider2, FUNDS);
        _fund(buyer, FUNDS);
        _fund(buyer2, FUNDS);
    }

    function _deploy(IMarketTypes.Parameters memory p) internal returns (ITestMarket) {
        return ITestMarket(vm.deployCode("Market.sol:Market", abi.encode(p)));
    }

    function _parameters() internal view returns (IMarketTypes.Parameters memory p) {
        p.token = address(token);
        p.registry = address(registry);
        p.admin = admin;
        p.operator = operator;
        p.treasury = treasury;
        p.pool = pool;
        p.rerunAccount = rerun;
        p.acknowledger = vm.addr(ACKNOWLEDGER_KEY);
        p.feeBps = FEE_BPS;
        p.bondBps = BOND_BPS;
        p.bondFloorPrice = BOND_FLOOR;
        p.verificationGrace = GRACE;
        p.withdrawalDelay = DELAY;
        p.matchWindow = MATCH;
        p.disputeWindow = WINDOW;
        p.disputeBond = DISPUTE_BOND;
        p.arbiterSet = arbiterSet;
    }

    /// @dev Orders and batches from here on name verifiers that may pay out `cap` in a window.
    function _capPayouts(uint96 cap) internal {
        payoutCap = cap;
        verifierSet = registry.registerVerifierSet(_members(verifierKeys), 2, cap);
    }

    function _ascending(uint256[3] memory keys) private pure returns (uint256[3] memory) {
        for (uint256 i; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(keys[j]) < vm.addr(keys[i])) (keys[i], keys[j]) = (keys[j], keys[i]);
            }
        }
        return keys;
    }

    function _members(uint256[3] memory keys) internal pure returns (address[] memory members) {
        members = new address[](3);
        for (uint256 i; i < 3; ++i) {
            members[i] = vm.addr(keys[i]);
        }
    }

    function _verifiers() internal view returns (address[] memory) {
        return _members(verifierKeys);
    }

    function _verifierKeySet() internal view returns (IMarketTypes.KeySet memory) {
        return IMarketTypes.KeySet(_members(verifierKeys), 2, payoutCap);
    }

    function _arbiterKeySet() internal view returns (IMarketTypes.KeySet memory) {
        return IMarketTypes.KeySet(_members(arbiterKeys), 2, 0);
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

    function _offer() internal view returns (IMarketTypes.Offer memory) {
        return IMarketTypes.Offer({
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

    function _bid() internal view returns (IMarketTypes.Bid memory) {
        return IMarketTypes.Bid({
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

    function _offerHash(IMarketTypes.Offer memory offer) internal view returns (bytes32) {
        return market.hashOffer(offer);
    }

    function _bidHash(IMarketTypes.Bid memory bid) internal view returns (bytes32) {
        return market.hashBid(bid);
    }

    // ------------------------------------------------------------------------------------------------ openings

    /// @dev One offer of the provider, one bid of the buyer, one clearing, `runs` runs from the first on.
    function _opening(IMarketTypes.Offer memory offer, IMarketTypes.Bid memory bid, uint32 runs)
        internal
        view
        returns (Opening memory o)
    {
        o = _emptyOpening(1, 1, 1);
        o.offers[0] = offer;
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(offer));
        o.bids[0] = bid;
        o.bidSignatures[0] = _sign(BUYER_KEY, _bidHash(bid));
        o.fills[0] = Fill(0, 0, 0, runs);
    }

    function _emptyOpening(uint256 offers, uint256 bids, uint256 fills) internal pure returns (Opening memory o) {
        o.clearings = new IMarketTypes.Clearing[](1);
        o.clearings[0] = IMarketTypes.Clearing(PRODUCT, 1, keccak256("orders"), PRICE);
        o.offers = new IMarketTypes.Offer[](offers);
        o.offerSignatures = new bytes[](offers);
        o.bids = new IMarketTypes.Bid[](bids);
        o.bidSignatures = new bytes[](bids);
        o.offerWallets = new uint8[](offers);
        o.bidWallets = new uint8[](bids);
        o.fills = new Fill[](fills);
    }

    function _send(Opening memory o) internal returns (bytes32 id) {
        bytes memory call_ = _openCall(o);
        vm.prank(operator);
        (bool ok, bytes memory data) = address(market).call(call_);
        if (!ok) _bubble(data);
        return abi.decode(data, (bytes32));
    }

    function _openCall(Opening memory o) internal view returns (bytes memory) {
        IMarketTypes.PackedOffer[] memory offers = new IMarketTypes.PackedOffer[](o.offers.length);
        for (uint256 i; i < offers.length; ++i) {
            uint8 clearing = _clearingOf(o, o.offers[i].product);
            offers[i] = Packing.offer(o.offers[i], o.offerSignatures[i], clearing, o.offerWallets[i]);
        }
        IMarketTypes.PackedBid[] memory bids = new IMarketTypes.PackedBid[](o.bids.length);
        for (uint256 i; i < bids.length; ++i) {
            uint8 clearing = _clearingOf(o, o.bids[i].product);
            bids[i] = Packing.bid(o.bids[i], o.bidSignatures[i], clearing, o.bidWallets[i]);
        }
        bytes memory fills;
        for (uint256 i; i < o.fills.length; ++i) {
            fills = bytes.concat(fills, Packing.fill(o.fills[i]));
        }
        return abi.encodeCall(IMarket.open, (verifierSet, o.clearings, offers, bids, o.walletSignatures, fills));
    }

    /// @dev An order names its product by a clearing; one that is not there has position 255.
    function _clearingOf(Opening memory o, bytes32 product) private pure returns (uint8) {
        for (uint256 i; i < o.clearings.length; ++i) {
            if (o.clearings[i].product == product) return uint8(i);
        }
        return 255;
    }

    /// @dev Sends the opening and rebuilds the batch from its events alone.
    function _open(Opening memory o) internal returns (Lock memory lock) {
        vm.recordLogs();
        lock.id = _send(o);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Record[] memory records = new Record[](logs.length);
        uint8[] memory codes = new uint8[](logs.length);
        uint32[] memory positions = new uint32[](logs.length);
        uint256 recordCount;
        uint256 codeCount;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == IMarketEvents.TradeLocked.selector) {
                records[recordCount++] = _decodeRecord(logs[i]);
            } else if (logs[i].topics[0] == IMarketEvents.FillRejected.selector) {
                positions[codeCount] = uint32(uint256(logs[i].topics[1]));
                codes[codeCount++] = abi.decode(logs[i].data, (uint8));
            } else if (logs[i].topics[0] == IMarketEvents.BatchLocked.selector) {
                lock.head = _decodeHead(logs[i]);
                vm.assertEq(logs[i].topics[1], lock.id, "the event names the batch that open() returns");
            }
        }
        lock.records = new Record[](recordCount);
        for (uint256 i; i < recordCount; ++i) {
            lock.records[i] = records[i];
        }
        lock.codes = new uint8[](codeCount);
        lock.positions = new uint32[](codeCount);
        for (uint256 i; i < codeCount; ++i) {
            (lock.codes[i], lock.positions[i]) = (codes[i], positions[i]);
        }
    }

    /// @dev New runs of the one bid.
    function _openOne(uint32 runs) internal returns (Lock memory) {
        return _openFrom(_nextRun(_bid()), runs);
    }

    function _openFrom(uint32 firstRun, uint32 runs) internal returns (Lock memory) {
        Opening memory o = _opening(_offer(), _bid(), runs);
        o.fills[0].firstRun = firstRun;
        return _open(o);
    }

    /// @dev The first of its runs that is new.
    function _nextRun(IMarketTypes.Bid memory bid) internal view returns (uint32) {
        (, uint64 reached,) = market.orderState(bid.maker, 1, bid.nonce);
        return uint32(reached);
    }

    /// @dev `count` trades of one run each, of one offer and one bid.
    function _openMany(uint32 count) internal returns (Lock memory) {
        return _openMany(count, 1);
    }

    /// @dev `count` trades of `runs` runs each, of one offer and one bid.
    function _openMany(uint32 count, uint32 runs) internal returns (Lock memory) {
        IMarketTypes.Offer memory offer = _offer();
        offer.units = uint64(count) * runs * CEILING;
        IMarketTypes.Bid memory bid = _bid();
        bid.runs = count * runs;
        Opening memory o = _opening(offer, bid, runs);
        o.fills = new Fill[](count);
        for (uint32 i; i < count; ++i) {
            o.fills[i] = Fill(0, 0, i * runs, runs);
        }
        return _open(o);
    }

    function _decodeRecord(Vm.Log memory log) private pure returns (Record memory) {
        return Packing.unpack(log.topics[1], log.data);
    }

    function _decodeHead(Vm.Log memory log) private pure returns (IMarketTypes.BatchHead memory) {
        return abi.decode(log.data, (IMarketTypes.BatchHead));
    }

    function _bubble(bytes memory data) internal pure {
        assembly ("memory-safe") {
            revert(add(data, 32), mload(data))
        }
    }
}
