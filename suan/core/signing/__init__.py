"""What people and keys sign: EIP-712 structs, their domains and digests, sign-in texts, and who signed."""

from suan.core.signing import structs
from suan.core.signing.domains import Domain, market_domain, registry_domain, token_domain, typed_digest
from suan.core.signing.messages import (
    SignIn,
    audit_report_text,
    dissent_digest,
    evidence_seal_digest,
    node_registration_digest,
    personal_digest,
)
from suan.core.signing.recover import BadSignature, address_of, recover
from suan.core.signing.structs import (
    SIDE_BUY,
    SIDE_SELL,
    Acceptance,
    Acknowledgement,
    Bid,
    Cancel,
    GivingUp,
    Offer,
    Permit,
    ReceiptAcknowledgement,
    Ruling,
    SetAgent,
    SetDelegate,
    Verdict,
    Voucher,
    WithdrawalRequest,
)
from suan.core.signing.typed import Struct, layout, snake_case

__all__ = [
    "Acceptance",
    "Acknowledgement",
    "BadSignature",
    "Bid",
    "Cancel",
    "Domain",
    "GivingUp",
    "Offer",
    "Permit",
    "ReceiptAcknowledgement",
    "Ruling",
    "SIDE_BUY",
    "SIDE_SELL",
    "SetAgent",
    "SetDelegate",
    "SignIn",
    "Struct",
    "Verdict",
    "Voucher",
    "WithdrawalRequest",
    "address_of",
    "audit_report_text",
    "dissent_digest",
    "evidence_seal_digest",
    "layout",
    "market_domain",
    "node_registration_digest",
    "personal_digest",
    "recover",
    "registry_domain",
    "snake_case",
    "structs",
    "token_domain",
    "typed_digest",
]
