// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the market is told: parameters, orders, trades, verdicts, sessions
/// @notice Units as in IMarket. `a 160 | b 96` means a word with `a` in the high bits; unnamed high bits are zero.
interface IMarketTypes {
    /// @notice What is fixed at deployment, for ever, and the first operator.
    struct Parameters {
        address token; // ERC-20 without transfer fee or rebasing; ERC-2612 for depositWithPermit
        address registry;
        address admin;
        address operator;
        address treasury; // earns the fee
        address pool; // gets what is left of a slashed bond
        address rerunAccount; // is paid for the re-run that uncovered a false receipt, out of the bond
        address acknowledger; // its word that the exchange has a receipt answers whoever asks for it
        uint16 feeBps; // of the payment, paid by the provider out of it
        uint16 bondBps; // of the offer's price
        uint96 bondFloorPrice; // a bond is never computed from less than this price
        uint40 verificationGrace; // seconds
        uint40 withdrawalDelay; // seconds; at least disputeWindow and matchWindow
        uint40 matchWindow; // seconds, at most 60: so long trades reach for what was asked out or cancelled
        uint40 disputeWindow; // seconds from decide() to settle(); then as long to reveal, twice as long to rule
        uint96 disputeBond; // what a claim costs whoever is wrong
        bytes32 arbiterSet; // the set of the registry that rules on disputes
    }

    /// @notice A provider sells `units` of work.
    struct Offer {
        address maker;
        bytes32 product;
        uint8 side; // 2
        uint96 price; // the least acceptable
        uint64 units;
        uint32 nonce; // see orderState()
        uint40 validUntil;
        uint40 deliverBy;
        bytes32 verifierSet;
        uint16 maxFeeBps;
        bytes32 terms;
    }

    /// @notice A buyer asks for `runs` runs of a job, each billed by count up to `ceiling` work units.
    struct Bid {
        address maker;
        bytes32 product;
        uint8 side; // 1
        uint96 price; // the most acceptable
        uint32 runs;
        uint64 ceiling;
        uint32 nonce; // see orderState()
        uint40 validUntil;
        uint40 deliverBy;
        bytes32 verifierSet;
        uint16 maxFeeBps;
        bytes32 terms;
    }

    /// @notice One auction of one product, and the Merkle root of all orders that took part.
    struct Clearing {
        bytes32 product;
        uint64 number;
        bytes32 orderSetRoot;
        uint96 price;
    }

    /// @notice An offer as open() takes it; product and verifier set are those of the batch.
    struct PackedOffer {
        uint256 makerAndPrice; // maker 160 | price 96
        uint256 fields; // units 64 | nonce 32 | validUntil 40 | deliverBy 40 | maxFeeBps 16 | clearing 8 | wallet 8
        bytes32 terms;
        bytes32 r; // ERC-2098
        bytes32 vs;
    }

    /// @notice A bid as open() takes it. `clearing` is the position of the clearing it trades at, whose product is its own. `wallet` is 0 for a signature
    /// r, vs; else the position + 1, in walletSignatures, of what an ERC-1271 wallet is asked about.
    struct PackedBid {
        uint256 makerAndPrice; // maker 160 | price 96
        uint256 fields; // runs 32 | ceiling 64 | nonce 32 | validUntil 40 | deliverBy 40 | maxFeeBps 16 | clearing 8 | wallet 8
        bytes32 terms;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice An open trade. Only its hash is stored (in the root of its batch); whoever closes it brings it along.
    /// @dev Its payment is lockPaymentUp(price, runs * ceiling). A fill is 10 bytes: offer 8 | bid 8 | firstRun 32 | runs
    /// 32, the first two being positions in the arrays of open().
    struct Record {
        bytes32 trade; // keccak256(abi.encode(offer hash, bid hash, firstRun, clearing id))
        uint256 providerAndPrice; // provider 160 | price 96
        uint256 buyerAndWork; // buyer 160 | runs 32 | ceiling 64
        uint256 terms; // bond 96 | deliverBy 40 | firstRun 32 | offerNonce 32 | bidNonce 32 | index 8
    }

    /// @notice What the id of a lock batch is the hash of.
    struct BatchHead {
        uint64 number;
        bytes32 root;
        bytes32 verifierSet;
        uint32 count;
    }

    /// @notice Keys that decide together, and the most that may be locked, payments and bonds, in trades that name them. A trade
    /// that ends by verdict was locked for a dispute window at least, so in no dispute window do their verdicts move more than
    /// this. The id of a set is the hash of this.
    struct KeySet {
        address[] members; // ascending
        uint8 threshold;
        uint96 payoutCap;
    }

    /// @notice What verifiers decide: outcomes of trades of one batch, on the evidence of the receipts under `receiptsRoot`.
    /// @dev `outcomes` has 14 bytes a trade in ascending order of index: index 8 | kind 8 | runsDelivered 32 | units 64. Kind 0
    /// refunded: both zero. 1 settled: 1 <= runsDelivered <= runs and runsDelivered * ceil(ceiling / 10) <= units <=
    /// runsDelivered * ceiling. 2 slashed: runsDelivered zero, units = work of the re-run.
    struct Verdict {
        bytes outcomes;
        bytes32 receiptsRoot;
    }

    /// @notice Records of one batch with OpenZeppelin's multiproof; of the whole batch both proof arrays are empty.
    struct Proven {
        Record[] records; // in ascending order of index
        bytes32[] proof;
        bool[] proofFlags;
    }

    /// @notice What answers whoever asks for the receipt of a run: the leaf under the root of the disputed verdict, with its proof,
    /// or the exchange's acknowledgement that it has this receipt.
    /// @dev A leaf is keccak256(bytes.concat(keccak256(abi.encode(receipt digest, trade, run, verdictOfRun, unitsOfRun)))); the digest
    /// is zero if no receipt came. An acknowledgement is signed as ReceiptAcknowledgement(bytes32 receipt).
    struct Shown {
        bytes32 receiptsRoot; // of the disputed verdict
        uint32 run;
        uint8 verdictOfRun; // 0 missing, 1 accepted, 2 rejected, 3 undecided
        uint64 unitsOfRun; // what it is billed; zero for a run that is not
        bytes words; // the receipt, as EIP-712 encodes it; empty if none came
        bytes signature; // of its agent
        bytes32[] proof;
        bytes acknowledgement; // empty with a proof
    }

    /// @notice A channel by which a buyer pays a provider as work goes on. Its id is the hash of this; its vouchers are signed for one market.
    struct Session {
        address buyer;
        uint96 ceiling;
        address provider;
        uint40 expiresAt;
        uint56 salt;
    }

    /// @notice The buyer owes `cumulative` in all for a session, signed as Voucher(bytes32 session,uint128 cumulative).
    struct SignedVoucher {
        uint256 buyerAndCeiling; // buyer 160 | ceiling 96
        uint256 providerAndTerms; // provider 160 | expiresAt 40 | salt 56
        uint256 cumulative;
        bytes32 r; // ERC-2098
        bytes32 vs;
    }
}
