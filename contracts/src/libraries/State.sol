// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev One storage word. A pointer to it is computed once and then read and written for 100 gas.
struct Word {
    uint256 value;
}

/// @dev The word in a storage slot that was computed before.
function wordAt(uint256 slot) pure returns (Word storage word) {
    assembly ("memory-safe") {
        word.slot := slot
    }
}

/// @dev Where the word is.
function slotOf(Word storage word) pure returns (uint256 slot) {
    assembly ("memory-safe") {
        slot := word.slot
    }
}

/// @dev Set in State.exposure once a set was used: its word is created once, and never falls back to nothing.
uint256 constant EXPOSURE_KNOWN = 1 << 255;

/// @dev A dispute of one decided trade; none where ruleBy is zero. Five words.
struct Dispute {
    uint40 claimBy; // slot 0: claims for arbiters may be made before this
    uint40 revealBy; // slot 0
    uint40 ruleBy; // slot 0
    uint32 missing; // slot 0: receipts that are asked for and were not shown
    uint32 unbilled; // slot 0: runs that were shown not to be billed
    address challenger; // slot 1: who claims that arbiters must rule, if anybody
    uint8 claim; // slot 1
    address second; // slot 2: who joined, if anybody
    uint8 secondClaim; // slot 2
    uint112 outcome; // slot 3: what was decided, index 8 | kind 8 | runsDelivered 32 | units 64
    uint144 verdict; // slot 3: the end of its id, which nobody can make another verdict have
    bytes32 evidence; // slot 4: hash of the record's leaf and of the receipts root of the verdict
}

/// @dev What an account asked out; see Exits. One word.
struct Exit {
    uint96 amount; // all of it
    uint96 fresh; // what of it trades could still take when it was last asked for
    uint40 readyAt;
    uint24 lead; // seconds before readyAt from which on nothing is fresh
}

/// @dev All that the market remembers beside custody. Libraries work on it, whoever calls them.
struct State {
    mapping(address owner => Word) accounts; // newest nonces 64 | locked 96 | available 96, see Accounts
    mapping(address maker => mapping(uint256 group => Word)) sold; // places of offers, see Places
    mapping(address maker => mapping(uint256 group => Word)) bought; // places of bids
    mapping(address maker => mapping(uint256 nonceAndWord => uint256)) skipped; // bits of runs of bids, see Places
    mapping(bytes32 grant => uint256) spent; // day 128 | base units 128
    mapping(bytes32 batchId => uint256) openBits;
    mapping(bytes32 verdict => uint256) decided; // settleAfter 40 (from bit 200) | bits 200
    mapping(bytes32 verifierSet => uint256) exposure; // known 1 (bit 255) | base units locked in open trades of the set
    mapping(bytes32 batchId => mapping(uint256 index => Dispute)) disputes;
    mapping(bytes32 batchId => mapping(uint256 index => mapping(uint256 run => address))) claims; // that ask for a receipt
    mapping(bytes32 session => uint256) sessions; // known 1 (bit 255) | closed 1 | paid 96
    mapping(bytes32 batchId => mapping(uint256 index => uint256)) refundableFrom; // unix seconds; 0 unless given up
    uint64 batches;
    mapping(address owner => Exit) exits;
    mapping(address maker => mapping(uint256 sideAndPlace => Word)) shadows; // until 40 | last 24 | place 128, see Counts
}

/// @dev The immutables that closing a trade needs, for code that runs in a library.
struct Rules {
    address treasury;
    address pool;
    address rerunAccount;
    uint16 feeBps;
    uint40 verificationGrace;
    uint40 disputeWindow;
    uint96 disputeBond;
    bytes32 arbiterSet;
    bytes32 domain; // EIP-712 domain separator
    address registry;
    address acknowledger; // signs for the exchange that it has a receipt
}
