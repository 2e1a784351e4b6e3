"""The contracts' interface in words: one signature a line, structs by the names of `suan.core.records`.

Only what servers, clients and auditors use. Market, Registry, EvidenceLog and token share one name space here, which is
possible because no two of these functions with one name differ in their arguments.
"""

from __future__ import annotations

from typing import Final

FUNCTIONS_TEXT: Final = """
deposit(address account, uint128 amount)
depositWithPermit(address owner, uint128 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
requestWithdrawal(uint128 amount)
requestWithdrawalSigned(address account, uint128 amount, uint256 nonce, uint40 deadline, bytes signature)
withdraw(address account)
cancel(bytes32 order)
cancelSigned(address maker, bytes32 order, bytes signature)
open(bytes32 verifierSet, Clearing[] clearings, Offer[] offers, bytes[] offerSignatures, Bid[] bids, \
bytes[] bidSignatures, Fill[] fills) returns (bytes32 batchId)
close(BatchHead head, Record[] records, Outcome[] outcomes, bytes32[] proof, bool[] proofFlags, \
bytes32 receiptsRoot, bytes[] signatures)
refund(BatchHead head, Record[] records, bytes32[] proof, bool[] proofFlags)
attestDelivery(BatchHead head, Record record, bytes32[] proof, uint32 runsDelivered, uint64 units, \
bytes[] signatures)
payAttested(BatchHead head, Record record, bytes32[] proof)
setOperator(address operator)
setPaused(bool paused)
accountOf(address account) returns (uint128 available, uint128 locked)
exitOf(address account) returns (uint128 amount, uint64 readyAt)
orderState(address maker, bytes32 order) returns (uint64 consumed, uint64 peak, bool cancelled)
openBits(bytes32 batchId) returns (uint256 bits)
attestationOf(bytes32 batchId, uint32 index) returns (uint32 runsDelivered, uint64 units)
spentBy(address owner, address key, uint8 side) returns (uint256 spent)
token() returns (address token)
registry() returns (address registry)
admin() returns (address admin)
operator() returns (address operator)
treasury() returns (address treasury)
pool() returns (address pool)
rerunAccount() returns (address rerunAccount)
feeBps() returns (uint16 feeBps)
bondBps() returns (uint16 bondBps)
bondFloorPrice() returns (uint96 bondFloorPrice)
verificationGrace() returns (uint40 verificationGrace)
withdrawalDelay() returns (uint40 withdrawalDelay)
paused() returns (bool paused)
batches() returns (uint64 batches)
custody() returns (uint256 custody)
setAgent(address key, uint40 validUntil)
setAgentSigned(address owner, address key, uint40 validUntil, uint256 nonce, uint40 deadline, bytes signature)
setDelegate(address key, uint8 side, uint96 spendCap, uint96 worstPrice, uint40 validUntil)
setDelegateSigned(address owner, address key, uint8 side, uint96 spendCap, uint96 worstPrice, \
uint40 validUntil, uint256 nonce, uint40 deadline, bytes signature)
registerVerifierSet(address[] members, uint8 threshold, uint96 payoutCap) returns (bytes32 id)
verifierSetOf(bytes32 id) returns (address[] members, uint8 threshold, uint96 payoutCap)
isVerifierSet(bytes32 id) returns (bool registered)
agentValidUntil(address owner, address key) returns (uint40 validUntil)
delegateOf(address owner, address key, uint8 side) returns (uint96 spendCap, uint96 worstPrice, \
uint40 validUntil, uint24 version)
nonces(address owner) returns (uint256 nonce)
append(bytes32 kind, bytes32 root, uint64 count) returns (uint32 number)
appendSigned(address publisher, bytes32 kind, uint32 number, bytes32 root, uint64 count, uint40 deadline, \
bytes signature)
headOf(address publisher, bytes32 kind) returns (bytes28 head)
lengthOf(address publisher, bytes32 kind) returns (uint32 length)
verify(bytes32 root, bytes32[] proof, bytes32 leaf) returns (bool proven)
identityOwner(address identity) returns (address controller)
changed(address identity) returns (uint256 number)
changeOwner(address identity, address newOwner)
changeOwnerSigned(address identity, address newOwner, uint256 nonce, uint40 deadline, bytes signature)
validDelegate(address identity, bytes32 delegateType, address delegate) returns (bool valid)
addDelegate(address identity, bytes32 delegateType, address delegate, uint256 validity)
addDelegateSigned(address identity, bytes32 delegateType, address delegate, uint256 validity, uint256 nonce, \
uint40 deadline, bytes signature)
revokeDelegate(address identity, bytes32 delegateType, address delegate)
revokeDelegateSigned(address identity, bytes32 delegateType, address delegate, uint256 nonce, \
uint40 deadline, bytes signature)
setAttribute(address identity, bytes32 name, bytes value, uint256 validity)
setAttributeSigned(address identity, bytes32 name, bytes value, uint256 validity, uint256 nonce, \
uint40 deadline, bytes signature)
revokeAttribute(address identity, bytes32 name, bytes value)
revokeAttributeSigned(address identity, bytes32 name, bytes value, uint256 nonce, uint40 deadline, \
bytes signature)
faucet(address account, uint256 amount)
approve(address spender, uint256 value) returns (bool success)
allowance(address owner, address spender) returns (uint256 value)
transfer(address to, uint256 value) returns (bool success)
balanceOf(address account) returns (uint256 value)
totalSupply() returns (uint256 value)
permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
"""

EVENTS_TEXT: Final = """
Deposited(address indexed account, address indexed from, uint128 amount)
WithdrawalRequested(address indexed account, uint128 amount, uint64 readyAt)
Withdrawn(address indexed account, uint128 amount)
OrderCancelled(address indexed maker, bytes32 indexed order)
OperatorChanged(address operator)
Paused(bool paused)
ClearingCommitted(bytes32 indexed clearingId, bytes32 indexed product, uint64 number, bytes32 orderSetRoot, \
uint96 price)
TradeLocked(bytes32 indexed trade, bytes32 indexed offer, bytes32 indexed bid, address provider, \
address buyer, uint32 index, uint32 firstRun, uint32 runs, uint64 ceiling, uint96 price, uint128 payment, \
uint128 bond, uint40 deliverBy)
FillRejected(uint32 indexed position, bytes32 indexed offer, bytes32 indexed bid, uint8 code)
BatchLocked(bytes32 indexed batchId, uint64 number, bytes32 root, bytes32 verifierSet, uint32 count)
TradeClosed(bytes32 indexed trade, bytes32 indexed batchId, uint8 kind, uint32 runsDelivered, uint64 units, \
uint128 paid, uint128 fee, uint128 slashed)
BatchSealed(bytes32 indexed batchId, uint256 bits, bytes32 receiptsRoot)
DeliveryAttested(bytes32 indexed trade, bytes32 indexed batchId, uint32 runsDelivered, uint64 units)
AgentSet(address indexed owner, address indexed key, uint40 validUntil)
DelegateSet(address indexed owner, address indexed key, uint8 side, uint96 spendCap, uint96 worstPrice, \
uint40 validUntil)
VerifierSetRegistered(bytes32 indexed id, address[] members, uint8 threshold, uint96 payoutCap)
DIDOwnerChanged(address indexed identity, address owner, uint256 previousChange)
DIDDelegateChanged(address indexed identity, bytes32 delegateType, address delegate, uint256 validTo, \
uint256 previousChange)
DIDAttributeChanged(address indexed identity, bytes32 name, bytes value, uint256 validTo, \
uint256 previousChange)
EvidenceAnchored(address indexed publisher, bytes32 indexed kind, uint32 number, bytes32 root, uint64 count, \
bytes28 head)
Transfer(address indexed from, address indexed to, uint256 value)
Approval(address indexed owner, address indexed spender, uint256 value)
"""

ERRORS_TEXT: Final = """
NotAdmin(address caller)
NotOperator(address caller)
MarketPaused()
ZeroAddress()
ZeroAmount()
ParameterTooLarge(uint256 value, uint256 limit)
TransferMismatch(uint256 expected, uint256 received)
CustodyLimitExceeded(uint256 custody, uint256 limit)
InsufficientAvailable(address account, uint128 available, uint128 amount)
NothingToWithdraw(address account)
WithdrawalNotReady(address account, uint64 readyAt)
SignatureExpired(uint40 deadline)
InvalidSignature(address account)
LengthMismatch(uint256 left, uint256 right)
InvalidLength(uint256 length, uint256 limit)
UnknownVerifierSet(bytes32 id)
QuorumNotReached(bytes32 verifierSet, uint256 accepted, uint256 threshold)
InvalidProof(bytes32 batchId)
NothingOpen(bytes32 batchId)
TradeNotOpen(bytes32 trade)
InvalidOutcome(bytes32 trade)
TooEarly(bytes32 trade, uint256 from)
TooLate(bytes32 trade, uint256 until)
TradeAttested(bytes32 trade)
TradeNotAttested(bytes32 trade)
AttestationNotGreater(bytes32 trade, uint32 runsDelivered)
InvalidSide(uint8 side)
InvalidMemberCount(uint256 count, uint256 limit)
MembersNotAscending(address before, address member)
InvalidThreshold(uint8 threshold, uint256 members)
NotController(address identity, address caller)
LimitsMissing(bytes32 delegateType)
InvalidHashLength(bytes32 name, uint256 length)
AttributeTooLong(uint256 length, uint256 limit)
NotNext(uint32 number, uint32 next)
NothingToAppend(bytes32 kind)
InvalidAccountNonce(address account, uint256 currentNonce)
FaucetLimitExceeded(uint256 amount, uint256 limit)
"""
