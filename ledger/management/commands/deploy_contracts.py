"""manage.py deploy_contracts: put the contracts on the chain once and write the deployment file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ledger import conf
from ledger.chain import NodeError
from ledger.chain.signer import Signer
from ledger.control import node
from ledger.deployment.deploy import PROFILES, DeployError, Parameters, deploy
from suan.core.encoding import normalise_address
from suan.core.problems import FieldError

GAS_MONEY_WEI = 10_000 * 10**18
GAS_MONEY_WEI_MIN = 100 * 10**18
PAYERS = ("deployer", "operator", "relayer", "admin")


class Command(BaseCommand):
    help = "Deploy Market, Registry and test token unless the deployment file names them; make the platform's keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--token", help="address of an ERC-20 with permit; default: deploy the test token"
        )

    def handle(self, *args: Any, token: str | None, **options: Any) -> None:
        keys = Signer(conf.secrets_dir())
        try:
            if settings.LOCAL_CHAIN:
                self._give_gas(keys)
            made = deploy(
                settings.CHAIN_RPC_URL,
                deployment_file=conf.deployment_path(),
                var=Path(settings.SUAN_VAR),
                deployer=keys.address("deployer"),
                sign_transaction=lambda fields: keys.sign_transaction("deployer", fields).raw,
                sign_as_operator=lambda digest: keys.sign_digest("operator", digest),
                parameters=self._parameters(keys, token),
                mine=settings.LOCAL_CHAIN,
            )
        except (DeployError, NodeError, FieldError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"market {made['market']} registry {made['registry']} token {made['token']} on chain {made['chain_id']} "
            f"from block {made['block']}, profile {made['profile']}, final after {made['confirmations']} blocks"
        )

    def _parameters(self, keys: Signer, token: str | None) -> Parameters:
        """Raises CommandError for settings that the contracts refuse, with the name of the setting."""
        profile = settings.DEPLOYMENT_PROFILE
        window, delay = settings.DISPUTE_WINDOW_SECONDS, settings.WITHDRAWAL_DELAY_SECONDS
        if not 0 < window <= delay:
            raise CommandError(
                f"DISPUTE_WINDOW_SECONDS is {window}: set it to 1 up to WITHDRAWAL_DELAY_SECONDS ({delay}), so that no money "
                "leaves before what it was paid for can be disputed"
            )
        matching = settings.MATCH_WINDOW_SECONDS
        if not 0 <= matching <= min(60, delay):
            raise CommandError(
                f"MATCH_WINDOW_SECONDS is {matching}: set it to 0 up to 60 and no more than WITHDRAWAL_DELAY_SECONDS ({delay}), "
                "so that no money leaves which a trade may still lock"
            )
        members = {normalise_address(address) for address in settings.VERIFIERS} | {keys.address("verifier")}
        if not 0 < settings.VERIFIER_THRESHOLD <= len(members):
            raise CommandError(
                f"VERIFIER_THRESHOLD is {settings.VERIFIER_THRESHOLD}: set it to 1 up to {len(members)}, the members of the "
                "set: our own key and those in VERIFIERS"
            )
        windows = PROFILES[profile] | {
            "verification_grace": settings.VERIFICATION_GRACE_SECONDS,
            "withdrawal_delay": settings.WITHDRAWAL_DELAY_SECONDS,
            "match_window": settings.MATCH_WINDOW_SECONDS,
            "dispute_window": settings.DISPUTE_WINDOW_SECONDS,
            "confirmations": settings.CONFIRMATIONS,
        }
        return Parameters(
            profile=profile,
            admin=keys.address("admin"),
            operator=keys.address("operator"),
            relayer=keys.address("relayer"),
            acknowledger=keys.address("acknowledger"),
            treasury=keys.address("treasury"),
            pool=keys.address("pool"),
            rerun_account=keys.address("rerun"),
            members=tuple(members),
            threshold=settings.VERIFIER_THRESHOLD,
            arbiters=(keys.address("arbiter"),),
            arbiter_threshold=1,
            fee_bps=settings.FEE_BPS,
            bond_bps=settings.BOND_BPS,
            bond_floor_price=settings.BOND_FLOOR_PRICE,
            dispute_bond=settings.DISPUTE_BOND,
            payout_cap=settings.PAYOUT_CAP,
            token=token,
            **windows,
        )

    def _give_gas(self, keys: Signer) -> None:
        """Gas money out of nothing, on a chain of our own; a block makes it part of the chain's history."""
        chain = node.local_chain()
        poor = [name for name in PAYERS if chain.balance(keys.address(name)) < GAS_MONEY_WEI_MIN]
        for name in poor:
            chain.set_balance(keys.address(name), GAS_MONEY_WEI)
        if poor:
            chain.mine()
            self.stdout.write(f"gave gas money to {', '.join(poor)}")
