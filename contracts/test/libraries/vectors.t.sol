// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {Amounts} from "../../src/libraries/Amounts.sol";
import {Batches} from "../../src/libraries/Batches.sol";
import {Closings, Totals} from "../../src/libraries/Closings.sol";
import {Orders} from "../../src/libraries/Orders.sol";
import {Signatures} from "../../src/libraries/Signatures.sol";
import {Rules, State} from "../../src/libraries/State.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Outcome, Packing, Record} from "../utils/Packing.sol";
import {Vectors} from "../utils/Vectors.sol";

contract VectorsTest is MarketTest {
    using Closings for State;
    using Vectors for string;

    State private _state;

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
        IMarket there = IMarket(vm.parseJsonAddress(json, ".market"));
        vm.etch(address(there), address(market).code);
        IMarketTypes.Offer[] memory offers = json.offers();
        IMarketTypes.Bid[] memory bids = json.bids();
        vm.assertGe(offers.length, 4, "a golden file with rows");
        for (uint256 i; i < offers.length; ++i) {
            vm.assertEq(there.hashOffer(offers[i]), json.words("offer_digest")[i], "offer");
        }
        for (uint256 i; i < bids.length; ++i) {
            vm.assertEq(there.hashBid(bids[i]), json.words("bid_digest")[i], "bid");
        }
    }

    function test_digests_of_what_accounts_sign_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("orders");
        for (uint256 i; i < 4; ++i) {
            bytes32 hash = Orders.hashCancel(
                json.accounts("cancel_maker")[i],
                uint8(json.numbers("cancel_side")[i]),
                uint32(json.numbers("cancel_nonce")[i])
            );
            _assertDigest(json, "cancel", i, hash);
            hash = Orders.hashWithdrawalRequest(
                json.accounts("withdrawal_request_account")[i],
                uint128(json.numbers("withdrawal_request_amount")[i]),
                json.numbers("withdrawal_request_nonce")[i],
                uint40(json.numbers("withdrawal_request_deadline")[i])
            );
            _assertDigest(json, "withdrawal_request", i, hash);
            hash = Orders.hashMigration(
                json.accounts("migration_account")[i],
                json.accounts("migration_market")[i],
                json.numbers("migration_nonce")[i],
                uint40(json.numbers("migration_deadline")[i])
            );
            _assertDigest(json, "migration", i, hash);
            hash = this.hashAcceptance(json.words("acceptance_batch")[i], _bytesAt(json, "acceptance_outcomes", i));
            _assertDigest(json, "acceptance", i, hash);
            hash = Orders.hashGivingUp(json.words("giving_up_batch")[i], json.numbers("giving_up_trades")[i]);
            _assertDigest(json, "giving_up", i, hash);
            hash = Orders.hashVoucher(json.words("voucher_session")[i], json.numbers("voucher_cumulative")[i]);
            _assertDigest(json, "voucher", i, hash);
        }
    }

    function test_digests_of_what_verifiers_arbiters_and_agents_sign_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("orders");
        for (uint256 i; i < 4; ++i) {
            IMarketTypes.Verdict memory verdict =
                IMarketTypes.Verdict(_bytesAt(json, "verdict_outcomes", i), json.words("verdict_receipts_root")[i]);
            _assertDigest(json, "verdict", i, this.hashVerdict(json.words("verdict_batch")[i], verdict));
            Outcome memory end;
            end.kind = uint8(json.numbers("ruling_kind")[i]);
            end.runsDelivered = uint32(json.numbers("ruling_runs_delivered")[i]);
            end.units = uint64(json.numbers("ruling_units")[i]);
            uint256 word = Packing.outcomeWord(0, end);
            bytes32 hash = Orders.hashRuling(json.words("ruling_batch")[i], json.words("ruling_trade")[i], word);
            _assertDigest(json, "ruling", i, hash);
            _assertDigest(json, "receipt", i, this.hashReceipt(_receiptWords(json, i)));
        }
    }

    function test_type_hashes_of_the_registry_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("orders");
        bytes32 agent = keccak256("SetAgent(address owner,address key,uint40 validUntil,uint256 nonce,uint40 deadline)");
        bytes32 delegate_ = keccak256(
            "SetDelegate(address owner,address key,uint8 side,uint96 spendCap,uint96 worstPrice,uint40 validUntil,uint256 nonce,uint40 deadline)"
        );
        vm.assertEq(agent, vm.parseJsonBytes32(json, ".set_agent_type_hash"), "set agent");
        vm.assertEq(delegate_, vm.parseJsonBytes32(json, ".set_delegate_type_hash"), "set delegate");
    }

    function test_signers_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("orders");
        string[13] memory structs = [
            "offer",
            "bid",
            "cancel",
            "withdrawal_request",
            "receipt",
            "verdict",
            "acceptance",
            "giving_up",
            "ruling",
            "voucher",
            "migration",
            "set_agent",
            "set_delegate"
        ];
        for (uint256 k; k < structs.length; ++k) {
            bytes32[] memory digests = json.words(string.concat(structs[k], "_digest"));
            address[] memory signers = json.accounts(string.concat(structs[k], "_signer"));
            for (uint256 i; i < digests.length; ++i) {
                bytes memory signature = _bytesAt(json, string.concat(structs[k], "_signature"), i);
                vm.assertEq(this.signerOf(digests[i], signature), signers[i], structs[k]);
                (bytes32 r, bytes32 vs) = Packing.short(signature);
                vm.assertEq(Signatures.signerOf(digests[i], r, vs), signers[i], "the short form");
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
            if (!sorted[i]) vm.assertEq(_rootOf(leaves), roots[i], "root");
            bytes32[] memory path = json.words(Vectors.row("proof", i));
            vm.assertTrue(MerkleProof.verify(path, roots[i], leaves[proofIndex[i]]), "proof");
            uint256[] memory order = json.numbers(Vectors.row("multiproof_order", i));
            bytes32[] memory used = new bytes32[](order.length);
            for (uint256 k; k < order.length; ++k) {
                used[k] = leaves[order[k]];
            }
            path = json.words(Vectors.row("multiproof", i));
            bool[] memory flags = json.flags(Vectors.row("multiproof_flags", i));
            vm.assertTrue(MerkleProof.multiProofVerify(path, flags, roots[i], used), "multiproof");
        }
    }

    // ------------------------------------------------------------------------------------------------ records

    function test_words_leaves_and_ids_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("records");
        Record[] memory records = json.records();
        bytes32[] memory leaves = new bytes32[](records.length);
        for (uint256 i; i < records.length; ++i) {
            IMarketTypes.Record memory r = Packing.record(records[i]);
            vm.assertEq(r.trade, json.words("record_word_trade")[i], "trade");
            vm.assertEq(r.providerAndPrice, json.numbers("record_word_provider_and_price")[i], "provider and price");
            vm.assertEq(r.buyerAndWork, json.numbers("record_word_buyer_and_work")[i], "buyer and work");
            vm.assertEq(r.terms, json.numbers("record_word_terms")[i], "terms");
            vm.assertEq(Packing.payment(records[i]), json.numbers("record_payment")[i], "payment");
            leaves[i] = Batches.leafOf(r.trade, r.providerAndPrice, r.buyerAndWork, r.terms);
            vm.assertEq(leaves[i], json.words("record_leaf")[i], "leaf");
        }
        IMarketTypes.BatchHead memory head = _head(json);
        vm.assertEq(_rootOf(leaves), head.root, "root");
        vm.assertEq(Batches.idOf(head), vm.parseJsonBytes32(json, ".batch_id"), "batch id");
    }

    function test_clearing_ids_are_those_of_the_golden_file() external view {
        string memory json = Vectors.read("records");
        bytes32[] memory ids = json.words("clearing_id");
        for (uint256 i; i < ids.length; ++i) {
            IMarketTypes.Clearing memory c;
            c.product = json.words("clearing_product")[i];
            c.number = uint64(json.numbers("clearing_number")[i]);
            c.orderSetRoot = json.words("clearing_order_set_root")[i];
            c.price = uint96(json.numbers("clearing_price")[i]);
            vm.assertEq(keccak256(abi.encode(c)), ids[i], "clearing id");
        }
    }

    function test_the_verifier_set_and_the_outcomes_are_packed_as_in_the_golden_file() external {
        string memory json = Vectors.read("records");
        uint8 threshold = uint8(vm.parseJsonUint(json, ".threshold"));
        uint96 cap = uint96(vm.parseJsonUint(json, ".payout_cap"));
        bytes32 id = registry.registerVerifierSet(json.accounts("members"), threshold, cap);
        vm.assertEq(id, vm.parseJsonBytes32(json, ".batch_verifier_set"), "verifier set");
        bytes32 packed = keccak256(Packing.outcomes(json.records(), json.outcomes()));
        vm.assertEq(packed, keccak256(vm.parseJsonBytes(json, ".outcomes")), "outcomes");
    }

    function test_a_part_of_the_batch_is_proven_as_in_the_golden_file() external view {
        string memory json = Vectors.read("records");
        Record[] memory part = _pick(json.records(), json.numbers("proven_order"));
        IMarketTypes.Proven memory proven = _proven(part, json.words("proven_proof"), json.flags("proven_flags"));
        vm.assertTrue(this.contains(_head(json), proven), "multiproof");
    }

    /// @dev Closes the records of the file, with the library that the market closes with, and compares every account.
    function test_payouts_are_those_of_the_golden_file() external {
        string memory json = Vectors.read("records");
        Record[] memory records = json.records();
        Outcome[] memory outcomes = json.outcomes();
        for (uint256 i; i < records.length; ++i) {
            _state.accounts[records[i].provider].value = uint256(records[i].bond) << 96;
            _state.accounts[records[i].buyer].value = uint256(Packing.payment(records[i])) << 96;
            uint256 word = Packing.outcomeWord(records[i].index, outcomes[i]);
            this.close(Packing.record(records[i]), word, uint16(vm.parseJsonUint(json, ".fee_bps")));
            // Nothing is left locked: the high half of the word is zero.
            uint256 due = json.numbers("payout_to_provider")[i] + json.numbers("payout_bond_back")[i];
            vm.assertEq(_state.accounts[records[i].provider].value, due, "provider");
            vm.assertEq(_state.accounts[records[i].buyer].value, json.numbers("payout_to_buyer")[i], "buyer");
        }
        vm.assertEq(_state.accounts[treasury].value, _sum(json.numbers("payout_fee")), "fees");
        vm.assertEq(_state.accounts[rerun].value, _sum(json.numbers("payout_rerun")), "re-runs");
        vm.assertEq(_state.accounts[pool].value, _sum(json.numbers("payout_pool")), "pool");
    }

    // ------------------------------------------------------------------------------------------------ calls with calldata

    function close(IMarketTypes.Record calldata record, uint256 outcome, uint16 feeBps) external {
        Rules memory rules;
        (rules.treasury, rules.pool, rules.rerunAccount, rules.feeBps) = (treasury, pool, rerun, feeBps);
        Totals memory totals;
        _state.close(rules, record, outcome, totals);
        _state.payTotals(rules, bytes32(0), totals);
    }

    function contains(IMarketTypes.BatchHead calldata head, IMarketTypes.Proven calldata proven)
        external
        pure
        returns (bool)
    {
        return Batches.contains(head, proven);
    }

    function signerOf(bytes32 digest, bytes calldata signature) external pure returns (address) {
        return Signatures.signerOf(digest, signature);
    }

    function hashVerdict(bytes32 batch, IMarketTypes.Verdict calldata verdict) external pure returns (bytes32) {
        return Orders.hashVerdict(batch, verdict);
    }

    function hashAcceptance(bytes32 batch, bytes calldata outcomes) external pure returns (bytes32) {
        return Orders.hashAcceptance(batch, outcomes);
    }

    function hashReceipt(bytes calldata words) external pure returns (bytes32) {
        return Orders.hashReceipt(words);
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _assertDigest(string memory json, string memory name, uint256 row, bytes32 hash) private view {
        address there = vm.parseJsonAddress(json, ".market");
        vm.assertEq(_digest("Suan", there, hash), json.words(string.concat(name, "_digest"))[row], name);
    }

    function _bytesAt(string memory json, string memory column, uint256 row) private pure returns (bytes memory) {
        return vm.parseJsonBytes(json, string.concat(".", Vectors.row(column, row)));
    }

    /// @dev Its strings are hashed, as EIP-712 encodes them.
    function _receiptWords(string memory json, uint256 row) private pure returns (bytes memory words) {
        string[4] memory hashes = ["module", "input", "output", "seed"];
        words = abi.encode(json.words("receipt_trade")[row], json.numbers("receipt_run")[row]);
        for (uint256 i; i < 4; ++i) {
            words = bytes.concat(words, json.words(string.concat("receipt_", hashes[i]))[row]);
        }
        string[5] memory counts = ["fp64", "fp32", "integer", "memory_control", "fuel"];
        for (uint256 i; i < 5; ++i) {
            words = bytes.concat(words, bytes32(json.numbers(string.concat("receipt_", counts[i]))[row]));
        }
        words = bytes.concat(words, _textHash(json, "receipt_engine", row), _textHash(json, "receipt_profile", row));
        string[6] memory rest =
            ["exit_reason", "cpu_milliseconds", "wall_milliseconds", "peak_memory_bytes", "started_at", "ended_at"];
        for (uint256 i; i < 6; ++i) {
            words = bytes.concat(words, bytes32(json.numbers(string.concat("receipt_", rest[i]))[row]));
        }
        words = bytes.concat(words, json.words("receipt_evidence")[row]);
    }

    function _textHash(string memory json, string memory column, uint256 row) private pure returns (bytes32) {
        return keccak256(bytes(vm.parseJsonString(json, string.concat(".", Vectors.row(column, row)))));
    }

    function _rootOf(bytes32[] memory leaves) private pure returns (bytes32) {
        bytes32[] memory queue = new bytes32[](2 * leaves.length);
        for (uint256 i; i < leaves.length; ++i) {
            queue[i] = leaves[i];
        }
        return Batches.rootOf(queue, leaves.length);
    }

    function _head(string memory json) private pure returns (IMarketTypes.BatchHead memory) {
        return IMarketTypes.BatchHead(
            uint64(vm.parseJsonUint(json, ".batch_number")),
            vm.parseJsonBytes32(json, ".batch_root"),
            vm.parseJsonBytes32(json, ".batch_verifier_set"),
            uint32(vm.parseJsonUint(json, ".batch_count"))
        );
    }

    function _sum(uint256[] memory values) private pure returns (uint256 sum) {
        for (uint256 i; i < values.length; ++i) {
            sum += values[i];
        }
    }
}
