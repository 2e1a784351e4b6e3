"""What a node means when it refuses: its words differ from client to client, so they are read in one place."""

from ledger.chain.gateway import NodeRefused
from suan.core.contract import AbiError, decode_error

TEXT_CHARACTERS_MAX = 450


def explain_revert(refusal: NodeRefused) -> str:
    """The contract's error with its arguments in words, or what the node said."""
    data = bytes.fromhex(refusal.data[2:]) if len(refusal.data) > 2 and len(refusal.data) % 2 == 0 else b""
    try:
        name, args = decode_error(data)
    except AbiError:
        return refusal.message[:TEXT_CHARACTERS_MAX]
    return f"{name}({', '.join(f'{key}={value}' for key, value in args.items())})"[:TEXT_CHARACTERS_MAX]


def is_revert(refusal: NodeRefused) -> bool:
    """A contract said no, and not the node."""
    return bool(refusal.data) or "revert" in refusal.message.lower()


def is_known(message: str) -> bool:
    """The node has these bytes already."""
    text = message.lower()
    return any(words in text for words in ("already known", "already imported", "known transaction"))


def is_too_cheap(message: str) -> bool:
    """A higher fee would get in."""
    text = message.lower()
    return "underpriced" in text or "less than block base fee" in text or "fee too low" in text
