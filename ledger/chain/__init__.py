"""The chain as the ledger knows it: one gateway, fees, what may be signed, what a refusal means.

The node itself (`rpc`) and the keys (`signer`) are entered by name, by the few that may.
"""

from ledger.chain.fees import Fees, first_fees, gas_limit, replacement_fees
from ledger.chain.gateway import Gateway, Header, Log, NodeError, NodeRefused, NodeUnavailable, TxReceipt
from ledger.chain.limits import Limits, SigningRefused, limits_of
from ledger.chain.refusals import explain_revert, is_known, is_revert, is_too_cheap

__all__ = [
    "Fees",
    "Gateway",
    "Header",
    "Limits",
    "Log",
    "NodeError",
    "NodeRefused",
    "NodeUnavailable",
    "SigningRefused",
    "TxReceipt",
    "explain_revert",
    "first_fees",
    "gas_limit",
    "is_known",
    "is_revert",
    "is_too_cheap",
    "limits_of",
    "replacement_fees",
]
