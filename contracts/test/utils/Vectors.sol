// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {Outcome, Record} from "./Packing.sol";
import {Vm} from "./Test.sol";

/// @title Columns of the golden files that Python writes (tests/vectors/README.md)
library Vectors {
    Vm private constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    function read(string memory name) internal view returns (string memory) {
        return vm.readFile(string.concat(vm.projectRoot(), "/../tests/vectors/", name, ".json"));
    }

    function numbers(string memory json, string memory column) internal pure returns (uint256[] memory) {
        return vm.parseJsonUintArray(json, string.concat(".", column));
    }

    function words(string memory json, string memory column) internal pure returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(json, string.concat(".", column));
    }

    function accounts(string memory json, string memory column) internal pure returns (address[] memory) {
        return vm.parseJsonAddressArray(json, string.concat(".", column));
    }

    function flags(string memory json, string memory column) internal pure returns (bool[] memory out) {
        uint256[] memory bits = numbers(json, column);
        out = new bool[](bits.length);
        for (uint256 i; i < bits.length; ++i) {
            out[i] = bits[i] == 1;
        }
    }

    function row(string memory column, uint256 index) internal pure returns (string memory) {
        return string.concat(column, "[", vm.toString(index), "]");
    }

    function offers(string memory json) internal pure returns (IMarketTypes.Offer[] memory out) {
        out = new IMarketTypes.Offer[](words(json, "offer_product").length);
        for (uint256 i; i < out.length; ++i) {
            out[i].maker = accounts(json, "offer_maker")[i];
            out[i].product = words(json, "offer_product")[i];
            out[i].side = uint8(numbers(json, "offer_side")[i]);
            out[i].price = uint96(numbers(json, "offer_price")[i]);
            out[i].units = uint64(numbers(json, "offer_units")[i]);
            out[i].nonce = uint32(numbers(json, "offer_nonce")[i]);
            out[i].validUntil = uint40(numbers(json, "offer_valid_until")[i]);
            out[i].deliverBy = uint40(numbers(json, "offer_deliver_by")[i]);
            out[i].verifierSet = words(json, "offer_verifier_set")[i];
            out[i].maxFeeBps = uint16(numbers(json, "offer_max_fee_bps")[i]);
            out[i].terms = words(json, "offer_terms")[i];
        }
    }

    function bids(string memory json) internal pure returns (IMarketTypes.Bid[] memory out) {
        out = new IMarketTypes.Bid[](words(json, "bid_product").length);
        for (uint256 i; i < out.length; ++i) {
            out[i].maker = accounts(json, "bid_maker")[i];
            out[i].product = words(json, "bid_product")[i];
            out[i].side = uint8(numbers(json, "bid_side")[i]);
            out[i].price = uint96(numbers(json, "bid_price")[i]);
            out[i].runs = uint32(numbers(json, "bid_runs")[i]);
            out[i].ceiling = uint64(numbers(json, "bid_ceiling")[i]);
            out[i].nonce = uint32(numbers(json, "bid_nonce")[i]);
            out[i].validUntil = uint40(numbers(json, "bid_valid_until")[i]);
            out[i].deliverBy = uint40(numbers(json, "bid_deliver_by")[i]);
            out[i].verifierSet = words(json, "bid_verifier_set")[i];
            out[i].maxFeeBps = uint16(numbers(json, "bid_max_fee_bps")[i]);
            out[i].terms = words(json, "bid_terms")[i];
        }
    }

    function records(string memory json) internal pure returns (Record[] memory out) {
        out = new Record[](words(json, "record_trade").length);
        for (uint256 i; i < out.length; ++i) {
            out[i].trade = words(json, "record_trade")[i];
            out[i].provider = accounts(json, "record_provider")[i];
            out[i].buyer = accounts(json, "record_buyer")[i];
            out[i].index = uint8(numbers(json, "record_index")[i]);
            out[i].firstRun = uint32(numbers(json, "record_first_run")[i]);
            out[i].runs = uint32(numbers(json, "record_runs")[i]);
            out[i].ceiling = uint64(numbers(json, "record_ceiling")[i]);
            out[i].price = uint96(numbers(json, "record_price")[i]);
            out[i].bond = uint128(numbers(json, "record_bond")[i]);
            out[i].deliverBy = uint40(numbers(json, "record_deliver_by")[i]);
            out[i].offerNonce = uint32(numbers(json, "record_offer_nonce")[i]);
            out[i].bidNonce = uint32(numbers(json, "record_bid_nonce")[i]);
        }
    }

    function outcomes(string memory json) internal pure returns (Outcome[] memory out) {
        uint256[] memory kinds = numbers(json, "outcome_kind");
        uint256[] memory runs = numbers(json, "outcome_runs_delivered");
        uint256[] memory units = numbers(json, "outcome_units");
        out = new Outcome[](kinds.length);
        for (uint256 i; i < out.length; ++i) {
            out[i] = Outcome(uint8(kinds[i]), uint32(runs[i]), uint64(units[i]));
        }
    }
}
