// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {SessionTest} from "../utils/SessionTest.sol";
import {AnsweringWallet, BurningWallet, RevertingWallet, Wallet} from "../utils/Wallets.sol";

contract WalletsTest is SessionTest {
    bytes32 private constant YES = bytes32(bytes4(0x1626ba7e));
    uint256 private constant OWNER_KEY = 0x0A;

    function test_a_wallet_buys_by_the_short_signature_of_its_owner() external {
        address wallet = _walletOf(OWNER_KEY);
        Lock memory lock = _open(_boughtBy(wallet, OWNER_KEY));
        vm.assertEq(lock.records.length, 1, "it trades");
        vm.assertEq(_locked(wallet), PRICE, "the wallet's money");
    }

    function test_a_wallet_buys_by_a_signature_of_any_length() external {
        address wallet = address(new AnsweringWallet(YES, 32));
        _fund(wallet, FUNDS);
        Opening memory o = _boughtBy(wallet, OWNER_KEY);
        o.walletSignatures = new bytes[](1);
        o.walletSignatures[0] = new bytes(500);
        (o.bidSignatures[0], o.bidWallets[0]) = ("", 1);
        vm.assertEq(_open(o).records.length, 1, "it trades");
    }

    function test_a_wallet_sells() external {
        address wallet = _walletOf(OWNER_KEY);
        IMarketTypes.Offer memory offer = _offer();
        offer.maker = wallet;
        Opening memory o = _opening(offer, _bid(), 1);
        o.offerSignatures[0] = _sign(OWNER_KEY, _offerHash(offer));
        vm.assertEq(_open(o).records.length, 1, "it trades");
        vm.assertEq(_locked(wallet), 0.2 ether, "the wallet's bond");
    }

    function test_code_1_the_wallet_says_no() external {
        _assertRejected(_open(_boughtBy(_walletOf(OWNER_KEY), STRANGER_KEY)), 1);
        _assertRejected(_open(_boughtBy(_fundedWallet(address(new RevertingWallet())), OWNER_KEY)), 1);
    }

    function test_code_1_a_wallet_signature_that_is_not_there() external {
        Opening memory o = _boughtBy(_fundedWallet(address(new AnsweringWallet(YES, 32))), OWNER_KEY);
        o.bidWallets[0] = 1; // of none
        _assertRejected(_open(o), 1);
    }

    function test_code_1_a_wallet_signature_for_somebody_without_code() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.walletSignatures = new bytes[](1);
        o.walletSignatures[0] = o.bidSignatures[0];
        o.bidWallets[0] = 1;
        _assertRejected(_open(o), 1);
    }

    function testFuzz_code_1_garbage(bytes32 answer, uint256 length) external {
        vm.assume(answer != YES);
        address wallet = _fundedWallet(address(new AnsweringWallet(answer, bound(length, 0, 1_000))));
        _assertRejected(_open(_boughtBy(wallet, OWNER_KEY)), 1);
    }

    function test_code_1_the_right_word_cut_short() external {
        _assertRejected(_open(_boughtBy(_fundedWallet(address(new AnsweringWallet(YES, 31))), OWNER_KEY)), 1);
    }

    function test_a_wallet_that_burns_gas_costs_a_bounded_amount_and_blocks_nobody() external {
        address wallet = _fundedWallet(address(new BurningWallet()));
        Opening memory o = _withGoodNeighbour(wallet);
        Opening memory plain = _opening(_offer(), _bid(), 1);
        uint256 start = gasleft();
        _send(plain);
        uint256 usual = start - gasleft();
        start = gasleft();
        Lock memory lock = _open(o);
        vm.assertLe(start - gasleft(), usual + 2_000_000, "gas (of the test's own unpacking too)");
        vm.assertEq(lock.records.length, 1, "the neighbour trades");
        vm.assertEq(lock.codes[0], 1, "the burner does not");
    }

    function test_a_wallet_with_a_huge_answer_costs_a_bounded_amount_and_blocks_nobody() external {
        address wallet = _fundedWallet(address(new AnsweringWallet(0, 1_000_000)));
        Lock memory lock = _open(_withGoodNeighbour(wallet));
        vm.assertEq(lock.records.length, 1, "the neighbour trades");
        vm.assertEq(lock.codes[0], 1, "this one does not");
    }

    function test_an_account_with_code_and_a_key_signs_with_its_key() external {
        vm.etch(buyer, address(new RevertingWallet()).code); // as a delegation by EIP-7702 leaves it
        vm.assertEq(_openOne(1).records.length, 1, "ECDSA is asked first");
        vm.etch(buyer, address(new Wallet(stranger)).code);
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills[0].firstRun = 1;
        o.bidSignatures[0] = _sign(STRANGER_KEY, _bidHash(o.bids[0]));
        vm.assertEq(_open(o).records.length, 1, "and its code after that");
    }

    function test_a_wallet_accepts_withdraws_cancels_and_pays_by_voucher() external {
        address wallet = _walletOf(OWNER_KEY);
        Lock memory lock = _open(_boughtBy(wallet, OWNER_KEY));
        _accept(lock, _indices(1), _settled(1), wallet, OWNER_KEY);
        vm.assertEq(_available(wallet), FUNDS - PRICE, "accepted");
        bytes32 hash =
            keccak256(abi.encode(keccak256("Cancel(address maker,uint8 side,uint32 nonce)"), wallet, BUY, uint32(1)));
        market.cancelSigned(wallet, BUY, 1, _sign(OWNER_KEY, _marketDigest(hash)));
        (,, bool ended) = market.orderState(wallet, BUY, 1);
        vm.assertTrue(ended, "cancelled");
        hash = keccak256(
            abi.encode(
                keccak256("WithdrawalRequest(address account,uint128 amount,uint256 nonce,uint40 deadline)"),
                wallet,
                uint128(1 ether),
                0,
                START
            )
        );
        market.requestWithdrawalSigned(wallet, 1 ether, 0, START, _sign(OWNER_KEY, _marketDigest(hash)));
        (uint128 amount,) = market.exitOf(wallet);
        vm.assertEq(amount, 1 ether, "on its way out");
        IMarketTypes.Session memory s = _session(1);
        s.buyer = wallet;
        _openSession(s);
        _redeem(_voucher(s, 2 ether, OWNER_KEY));
        vm.assertEq(_locked(wallet), CEILING_PAID - 2 ether, "paid");
        _redeem(_voucher(s, 3 ether, STRANGER_KEY));
        vm.assertEq(_locked(wallet), CEILING_PAID - 2 ether, "not by a stranger's voucher");
    }

    function test_a_provider_with_a_wallet_agrees_to_less_and_gives_up() external {
        address wallet = _walletOf(OWNER_KEY);
        IMarketTypes.Offer memory offer = _offer();
        offer.maker = wallet;
        Opening memory o = _opening(offer, _bid(), 2);
        o.offerSignatures[0] = _sign(OWNER_KEY, _offerHash(offer));
        Lock memory first = _open(o);
        o.fills[0].firstRun = 2;
        Lock memory second = _open(o);
        _acceptBoth(first, _indices(1), _settled(1), Signer(buyer, BUYER_KEY), Signer(wallet, OWNER_KEY));
        vm.assertEq(_available(wallet), FUNDS - 0.4 ether + PRICE - PRICE / 100, "paid for one run of two");
        _giveUp(second, _indices(1), wallet, OWNER_KEY);
        vm.assertEq(market.refundableFrom(second.id, 0), START + WINDOW, "noted");
    }

    function test_a_wallet_that_says_no_accepts_nothing() external {
        address wallet = _walletOf(OWNER_KEY);
        Lock memory lock = _open(_boughtBy(wallet, OWNER_KEY));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, wallet));
        this.accept(lock, wallet, STRANGER_KEY);
    }

    function accept(Lock memory lock, address account, uint256 key) external {
        _accept(lock, _indices(1), _settled(1), account, key);
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _walletOf(uint256 key) private returns (address) {
        return _fundedWallet(address(new Wallet(vm.addr(key))));
    }

    function _fundedWallet(address wallet) private returns (address) {
        _fund(wallet, FUNDS);
        return wallet;
    }

    function _boughtBy(address wallet, uint256 key) private view returns (Opening memory o) {
        IMarketTypes.Bid memory bid = _bid();
        bid.maker = wallet;
        o = _opening(_offer(), bid, 1);
        o.bidSignatures[0] = _sign(key, _bidHash(bid));
    }

    /// @dev A bid of the wallet and one of the second buyer.
    function _withGoodNeighbour(address wallet) private view returns (Opening memory o) {
        o = _emptyOpening(1, 2, 2);
        o.offers[0] = _offer();
        (o.bids[0], o.bids[1]) = (_bid(), _bid());
        (o.bids[0].maker, o.bids[1].maker) = (wallet, buyer2);
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(o.offers[0]));
        o.bidSignatures[0] = _sign(OWNER_KEY, _bidHash(o.bids[0]));
        o.bidSignatures[1] = _sign(BUYER2_KEY, _bidHash(o.bids[1]));
        (o.fills[0].runs, o.fills[1].runs, o.fills[1].bid) = (1, 1, 1);
    }
}
