// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Market} from "../../src/Market.sol";
import {Registry} from "../../src/Registry.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
import {Amounts} from "../../src/libraries/Amounts.sol";
import {Batches} from "../../src/libraries/Batches.sol";
import {Orders} from "../../src/libraries/Orders.sol";
import {Signatures} from "../../src/libraries/Signatures.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Vectors} from "../utils/Vectors.sol";

contract VectorsTest is MarketTest {
    using Vectors for string;

    // ------------------------------------------------------------------------------------------------ units

    function test_payments_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("units");
        uint256[] memory price = json.numbers("price");
        uint256[] memory units = json.numbers("units");
        uint256[] memory locked = json.numbers("lock_payment");
        uint256[] memory paid = json.numbers("payment");
        uint256[] memory feeBps = json.numbers("fee_bps");
        uint256[] memory fee = json.numbers("fee");
        vm.assertGe(price.length, 32, "a golden file with rows");
        for (uint256 i; i < price.length; ++i) {
            vm.assertEq(Amounts.lockPaymentUp(uint96(price[i]), uint64(units[i])), locked[i], "lock payment");
            vm.assertEq(Amounts.paymentDown(uint96(price[i]), uint64(units[i])), paid[i], "payment");
            vm.assertEq(Amounts.feeDown(paid[i], uint16(feeBps[i])), fee[i], "fee");
        }
    }

    function test_bonds_and_least_bills_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("units");
        uint256[] memory price = json.numbers("price");
        uint256[] memory bps = json.numbers("bond_bps");
        uint256[] memory floor = json.numbers("bond_floor_price");
        uint256[] memory bondPrice = json.numbers("bond_price");
        uint256[] memory bond = json.numbers("bond");
        uint256[] memory units = json.numbers("units");
        uint256[] memory ceiling = json.numbers("ceiling");
        uint256[] memory least = json.numbers("minimum_units");
        for (uint256 i; i < price.length; ++i) {
            uint96 found = Amounts.bondPriceDown(uint96(price[i]), uint16(bps[i]), uint96(floor[i]));
            vm.assertEq(found, bondPrice[i], "bond price");
            vm.assertEq(Amounts.paymentDown(found, uint64(units[i])), bond[i], "bond");
            vm.assertEq(Amounts.leastUnitsUp(1, uint64(ceiling[i])), least[i], "least bill");
        }
    }

    // ------------------------------------------------------------------------------------------------ orders

    function test_order_hashes_are_those_of_the_golden_file() external {
        string memory json = Vectors.read("orders");
        vm.assertEq(block.chainid, vm.parseJsonUint(json, ".chain_id"), "chain");
        // The same code at the file's address: the domain names the address it runs at.
        Market there = Market(vm.parseJsonAddress(json, ".market"));
        vm.etch(address(there), address(market).code);
        IMarket.Offer[] memory offers = json.offers();
        IMarket.Bid[] memory bids = json.bids();
        vm.assertGe(offers.length, 4, "a golden file with rows");
        for (uint256 i; i < offers.length; ++i) {
            vm.assertEq(there.hashOffer(offers[i]), json.words("offer_digest")[i], "offer");
        }
        for (uint256 i; i < bids.length; ++i) {
            vm.assertEq(there.hashBid(bids[i]), json.words("bid_digest")[i], "bid");
        }
    }

    function test_other_digests_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("orders");
        address there = vm.parseJsonAddress(json, ".market");
        for (uint256 i; i < 4; ++i) {
            bytes32 hash = Orders.hashCancel(json.accounts("cancel_maker")[i], json.words("cancel_order")[i]);
            vm.assertEq(_digest("Suan", there, hash), json.words("cancel_digest")[i], "cancel");
            hash = Orders.hashVerdict(
                json.words("verdict_batch")[i],
                json.words("verdict_outcomes")[i],
                json.words("verdict_receipts_root")[i]
            );
            vm.assertEq(_digest("Suan", there, hash), json.words("verdict_digest")[i], "verdict");
            hash = Orders.hashDeliveryAttestation(
                json.words("delivery_attestation_batch")[i],
                json.words("delivery_attestation_trade")[i],
                uint32(json.numbers("delivery_attestation_runs_delivered")[i]),
                uint64(json.numbers("delivery_attestation_units")[i])
            );
            vm.assertEq(_digest("Suan", there, hash), json.words("delivery_attestation_digest")[i], "attestation");
            hash = Orders.hashWithdrawalRequest(
                json.accounts("withdrawal_request_account")[i],
                uint128(json.numbers("withdrawal_request_amount")[i]),
                json.numbers("withdrawal_request_nonce")[i],
                uint40(json.numbers("withdrawal_request_deadline")[i])
            );
            vm.assertEq(_digest("Suan", there, hash), json.words("withdrawal_request_digest")[i], "withdrawal");
        }
    }

    function test_type_hashes_of_the_registry_are_those_of_the_golden_file() external {
        string memory json = Vectors.read("orders");
        TypeHashes registryTypes = new TypeHashes();
        vm.assertEq(registryTypes.setAgent(), vm.parseJsonBytes32(json, ".set_agent_type_hash"), "set agent");
        vm.assertEq(registryTypes.setDelegate(), vm.parseJsonBytes32(json, ".set_delegate_type_hash"), "set delegate");
    }

    function test_signers_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("orders");
        string[8] memory structs =
            ["offer", "bid", "cancel", "withdrawal_request", "receipt", "verdict", "set_agent", "set_delegate"];
        for (uint256 k; k < structs.length; ++k) {
            bytes32[] memory digests = json.words(string.concat(structs[k], "_digest"));
            address[] memory signers = json.accounts(string.concat(structs[k], "_signer"));
            for (uint256 i; i < digests.length; ++i) {
                string memory path = string.concat(".", Vectors.row(string.concat(structs[k], "_signature"), i));
                address found = this.signerOf(digests[i], vm.parseJsonBytes(json, path));
                vm.assertEq(found, signers[i], structs[k]);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------ trees

    function test_trees_and_proofs_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("merkle");
        bool[] memory sorted = json.flags("sorted");
        bytes32[] memory roots = json.words("root");
        uint256[] memory proofIndex = json.numbers("proof_index");
        for (uint256 i; i < roots.length; ++i) {
            bytes32[] memory leaves = json.words(Vectors.row("leaves", i));
            if (!sorted[i]) vm.assertEq(Batches.rootOf(leaves, leaves.length), roots[i], "root");
            bytes32[] memory path = json.words(Vectors.row("proof", i));
            vm.assertTrue(MerkleProof.verify(path, roots[i], leaves[proofIndex[i]]), "proof");
            vm.assertTrue(this.containsAll(roots[i], json, i, leaves), "multiproof");
        }
    }

    // ------------------------------------------------------------------------------------------------ records

    function test_ids_of_trades_and_batches_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("records");
        IMarket.Record[] memory records = json.records();
        bytes32[] memory clearings = json.words("record_clearing_id");
        bytes32[] memory leaves = new bytes32[](records.length);
        for (uint256 i; i < records.length; ++i) {
            IMarket.Record memory r = records[i];
            vm.assertEq(keccak256(abi.encode(r.offer, r.bid, r.firstRun, clearings[i])), r.trade, "trade id");
            leaves[i] = Batches.leafOf(r);
            vm.assertEq(leaves[i], json.words("record_leaf")[i], "leaf");
        }
        IMarket.BatchHead memory head = _head(json);
        vm.assertEq(Batches.rootOf(leaves, leaves.length), head.root, "root");
        vm.assertEq(Batches.idOf(head), vm.parseJsonBytes32(json, ".batch_id"), "batch id");
    }

    function test_clearing_ids_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("records");
        bytes32[] memory ids = json.words("clearing_id");
        for (uint256 i; i < ids.length; ++i) {
            IMarket.Clearing memory c;
            c.product = json.words("clearing_product")[i];
            c.number = uint64(json.numbers("clearing_number")[i]);
            c.orderSetRoot = json.words("clearing_order_set_root")[i];
            c.price = uint96(json.numbers("clearing_price")[i]);
            vm.assertEq(keccak256(abi.encode(c)), ids[i], "clearing id");
        }
    }

    function test_the_verifier_set_and_the_outcomes_hash_as_in_the_golden_file() external {
        string memory json = Vectors.read("records");
        uint8 threshold = uint8(vm.parseJsonUint(json, ".threshold"));
        uint96 payoutCap = uint96(vm.parseJsonUint(json, ".payout_cap"));
        bytes32 id = registry.registerVerifierSet(json.accounts("members"), threshold, payoutCap);
        vm.assertEq(id, vm.parseJsonBytes32(json, ".batch_verifier_set"), "verifier set");
        bytes32 hash = keccak256(abi.encode(json.words("record_trade"), json.outcomes()));
        vm.assertEq(hash, vm.parseJsonBytes32(json, ".outcomes_hash"), "outcomes");
    }

    function test_a_part_of_the_batch_is_proven_as_in_the_golden_file() external view {
        string memory json = Vectors.read("records");
        uint256[] memory order = json.numbers("close_order");
        bytes32[] memory leaves = new bytes32[](order.length);
        for (uint256 i; i < order.length; ++i) {
            leaves[i] = json.words("record_leaf")[order[i]];
        }
        bool proven = this.containsAllIn(_head(json), json.words("close_proof"), json.flags("close_flags"), leaves);
        vm.assertTrue(proven, "multiproof");
    }

    /// @dev Plants the records of the file as an open batch, closes them, and compares every account.
    function test_payouts_are_those_of_the_golden_file() external {
        string memory json = Vectors.read("records");
        market = _marketWithFee(uint16(vm.parseJsonUint(json, ".fee_bps")));
        Lock memory lock;
        lock.records = json.records();
        lock.head = _head(json);
        lock.head.verifierSet = verifierSet; // ours, who can sign
        lock.id = keccak256(abi.encode(lock.head));
        _plant(lock);
        _close(lock, _indices(lock.records.length), json.outcomes());
        uint256[] memory toProvider = json.numbers("payout_to_provider");
        uint256[] memory back = json.numbers("payout_bond_back");
        uint256[] memory toBuyer = json.numbers("payout_to_buyer");
        for (uint256 i; i < lock.records.length; ++i) {
            _assertAccount(lock.records[i].provider, toProvider[i] + back[i], 0, "provider");
            _assertAccount(lock.records[i].buyer, toBuyer[i], 0, "buyer");
        }
        vm.assertEq(_available(treasury), _sum(json.numbers("payout_fee")), "fees");
        vm.assertEq(_available(rerun), _sum(json.numbers("payout_rerun")), "re-runs");
        vm.assertEq(_available(pool), _sum(json.numbers("payout_pool")), "pool");
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function signerOf(bytes32 digest, bytes calldata signature) external pure returns (address) {
        return Signatures.signerOf(digest, signature);
    }

    function containsAll(bytes32 root, string calldata json, uint256 i, bytes32[] memory leaves)
        external
        view
        returns (bool)
    {
        uint256[] memory order = Vectors.numbers(json, Vectors.row("multiproof_order", i));
        bytes32[] memory used = new bytes32[](order.length);
        for (uint256 k; k < order.length; ++k) {
            used[k] = leaves[order[k]];
        }
        IMarket.BatchHead memory head;
        head.root = root;
        bytes32[] memory path = Vectors.words(json, Vectors.row("multiproof", i));
        return this.containsAllIn(head, path, Vectors.flags(json, Vectors.row("multiproof_flags", i)), used);
    }

    function containsAllIn(
        IMarket.BatchHead calldata head,
        bytes32[] calldata path,
        bool[] calldata flags,
        bytes32[] memory leaves
    ) external pure returns (bool) {
        return Batches.containsAll(head, path, flags, leaves);
    }

    function _head(string memory json) private pure returns (IMarket.BatchHead memory) {
        return IMarket.BatchHead(
            uint64(vm.parseJsonUint(json, ".batch_number")),
            vm.parseJsonBytes32(json, ".batch_root"),
            vm.parseJsonBytes32(json, ".batch_verifier_set"),
            uint32(vm.parseJsonUint(json, ".batch_count"))
        );
    }

    function _marketWithFee(uint16 feeBps) private returns (Market) {
        IMarket.Parameters memory p = _parameters();
        p.feeBps = feeBps;
        return _deploy(p);
    }

    /// @dev Writes the storage that open() would have left. The views check that the slots are the right ones.
    function _plant(Lock memory lock) private {
        for (uint256 i; i < lock.records.length; ++i) {
            IMarket.Record memory r = lock.records[i];
            _plantAccount(r.provider, r.bond);
            _plantAccount(r.buyer, r.payment);
            _plantOrder(r.provider, r.offer, uint64(r.runs) * r.ceiling);
            _plantOrder(r.buyer, r.bid, r.runs);
        }
        vm.store(address(market), keccak256(abi.encode(lock.id, 10)), bytes32((1 << lock.records.length) - 1));
        vm.assertEq(market.openBits(lock.id), (1 << lock.records.length) - 1, "bits are planted");
    }

    function _plantAccount(address account, uint256 amount) private {
        vm.assertEq(_locked(account) + _available(account), 0, "every account of the file is in one record");
        vm.store(address(market), keccak256(abi.encode(account, 5)), bytes32(amount << 128));
        vm.assertEq(_locked(account), amount, "the account is planted");
    }

    function _plantOrder(address maker, bytes32 order, uint64 consumed) private {
        bytes32 slot = keccak256(abi.encode(order, keccak256(abi.encode(maker, 8))));
        vm.store(address(market), slot, bytes32((uint256(consumed) << 64) | consumed));
        vm.assertEq(_consumed(maker, order), consumed, "the order is planted");
    }

    function _sum(uint256[] memory values) private pure returns (uint256 sum) {
        for (uint256 i; i < values.length; ++i) {
            sum += values[i];
        }
    }
}

/// @dev Shows the registry's internal constants.
contract TypeHashes is Registry {
    function setAgent() external pure returns (bytes32) {
        return SET_AGENT_TYPEHASH;
    }

    function setDelegate() external pure returns (bytes32) {
        return SET_DELEGATE_TYPEHASH;
    }
}
