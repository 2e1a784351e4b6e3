"""The node, the indexer and the senders of this deployment, made from the settings."""

from django.conf import settings

from ledger import conf, queries
from ledger.chain import limits_of
from ledger.chain.rpc import LocalChain, RpcGateway
from ledger.chain.signer import Signer
from ledger.indexer import Indexer
from ledger.outbox import SIGNERS, Limits, Sender

TRANSACTION_GAS_MAX = 16_777_216
"""EIP-7825: since Osaka no transaction may ask for more."""


def gateway() -> RpcGateway:
    """The node of CHAIN_RPC_URL; its chain id is checked against the deployment."""
    return RpcGateway(
        settings.CHAIN_RPC_URL,
        chain_id=queries.deployment().chain_id,
        timeout_seconds=settings.RPC_TIMEOUT_SECONDS,
    )


def local_chain() -> LocalChain:
    """The same node as one that we may mine; only for a chain of our own."""
    return LocalChain(settings.CHAIN_RPC_URL, timeout_seconds=settings.RPC_TIMEOUT_SECONDS)


def indexer() -> Indexer:
    """Reads the Market and the Registry from the block of their deployment on."""
    known = queries.deployment()
    return Indexer(
        gateway(),
        contracts=list(known.contracts),
        first_block=known.block,
        confirmations=known.confirmations,
    )


def senders() -> list[Sender]:
    """One for each signer. The caller holds the advisory lock of the whole set."""
    known = queries.deployment()
    limits = Limits(
        chain_id=known.chain_id,
        stuck_blocks=settings.STUCK_BLOCKS,
        confirmations=known.confirmations,
        gas_max=min(settings.GAS_PER_TRANSACTION_MAX, TRANSACTION_GAS_MAX),
    )
    allowed = limits_of(
        chain_id=known.chain_id,
        market=known.market,
        registry=known.registry,
        evidence_log=known.evidence_log,
        token=known.token,
        gas_max=limits.gas_max,
        faucet_gas_wei=settings.FAUCET_GAS_WEI if settings.FAUCET else None,
    )
    node, keys = gateway(), Signer(conf.secrets_dir(), allowed)
    return [Sender(node, keys, name, limits) for name in SIGNERS]
