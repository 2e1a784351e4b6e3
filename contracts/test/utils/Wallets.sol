// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @dev An ERC-1271 wallet of one key.
contract Wallet {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view virtual returns (bytes4) {
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        return signer == _owner ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// @dev The wallet acts as its owner says.
    function act(address target, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory answer) = target.call(data);
        require(ok, "the call failed");
        return answer;
    }
}

/// @dev Never comes to an end.
contract BurningWallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4 answer) {
        for (uint256 i; i < type(uint256).max; ++i) {
            answer = bytes4(keccak256(abi.encode(i, answer)));
        }
    }
}

/// @dev Answers with `length` bytes that begin as told.
contract AnsweringWallet {
    bytes32 private immutable _first;
    uint256 private immutable _length;

    constructor(bytes32 first, uint256 length) {
        (_first, _length) = (first, length);
    }

    fallback() external {
        (bytes32 first, uint256 length) = (_first, _length);
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, first)
            return(m, length)
        }
    }
}

/// @dev Says no by reverting.
contract RevertingWallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        revert("no");
    }
}
