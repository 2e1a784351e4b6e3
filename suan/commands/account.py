"""`suan keys` and `suan account`: keys, balances, exits and delegates."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any

import typer

from suan.client import keystore
from suan.client.errors import UsageError
from suan.client.session import Session
from suan.commands.common import (
    URL_DEFAULT,
    ApiKey,
    AsJson,
    KeyName,
    Url,
    connect,
    console,
    reported,
    show_fields,
    show_json,
    signer,
)
from suan.core import signing, units

SIGNATURE_SECONDS = 600


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the `suan` application."""
    keys = typer.Typer(no_args_is_help=True, help="Keys on this machine.")
    keys.command("new")(keys_new)
    keys.command("show")(keys_show)
    app.add_typer(keys, name="keys")
    account = typer.Typer(no_args_is_help=True, help="Balances, test tokens, exits and delegates.")
    account.command("open")(account_open)
    account.command("sign-in")(account_sign_in)
    account.command("show")(account_show)
    account.command("faucet")(account_faucet)
    account.command("withdraw")(account_withdraw)
    account.command("delegate")(account_delegate)
    app.add_typer(account, name="account")


@reported
def keys_new(name: Annotated[str, typer.Argument(help="Name of the key")]) -> None:
    """Make a key; encrypted when SUAN_PASSWORD is set."""
    password = os.environ.get("SUAN_PASSWORD")
    path = keystore.path_of(name)
    key = keystore.create(path, password)
    console.print(f"{key.address}  {path}", highlight=False)
    if not password:
        console.print("Not encrypted: SUAN_PASSWORD was not set. Keep it for test money and agents only.")


@reported
def keys_show(name: Annotated[str, typer.Argument(help="Name of the key")]) -> None:
    """Print the address of a key."""
    key = signer(name)
    if key is not None:
        console.print(key.address, highlight=False)


@reported
def account_open(
    username: Annotated[str, typer.Argument(help="Name of the new account")],
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
    url: Url = URL_DEFAULT,
) -> None:
    """Open a custodial account (the platform keeps its key) and print an API key for it."""
    with Session(url) as session:
        opened = session.register(username, password)
        _show_key(opened, session)


@reported
def account_sign_in(
    username: Annotated[
        str | None, typer.Argument(help="Account with a password; else sign with --key")
    ] = None,
    url: Url = URL_DEFAULT,
    key: KeyName = None,
) -> None:
    """Sign in with a password or with your own key (EIP-4361) and print a new API key."""
    own = signer(key)
    if (own is None) == (username is None):
        raise UsageError("name an account, or sign with --key, not both")
    with Session(url) as session:
        if own is not None:
            opened = session.sign_in(own)
        else:
            opened = session.sign_in_with_password(str(username), typer.prompt("Password", hide_input=True))
        _show_key(opened, session)


def _show_key(opened: dict[str, Any], session: Session) -> None:
    kind = "custodial: the platform keeps the key" if opened["custodial"] else "your own key"
    console.print(f"account {opened['address']} ({kind})", highlight=False)
    console.print(f"export SUAN_API_KEY={session.create_api_key('command line')}", highlight=False)


@reported
def account_show(url: Url = URL_DEFAULT, api_key: ApiKey = None, json: AsJson = False) -> None:
    """Address and balances."""
    found = connect(url, api_key).account()
    fields = tuple(name for name in found if not isinstance(found[name], dict | list))
    show_fields(found, fields, json)


@reported
def account_faucet(url: Url = URL_DEFAULT, api_key: ApiKey = None, json: AsJson = False) -> None:
    """Ask for test tokens (local chain only)."""
    found = connect(url, api_key).faucet()
    show_json(found) if json else console.print("Test tokens are on their way; see `suan account show`.")


@reported
def account_withdraw(
    amount: Annotated[str, typer.Argument(help="Tokens, for example 2.5")],
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    key: KeyName = None,
    json: AsJson = False,
) -> None:
    """Ask for money back: request now, delay, then it is paid to your own address."""
    exchange = connect(url, api_key, key)
    body: dict[str, Any] = {"amount": amount}
    if exchange.key is not None:
        wish = signing.WithdrawalRequest(
            account=exchange.key.address,
            amount=units.parse_tokens(amount),
            nonce=int(exchange.account()["market_nonce"]),
            deadline=int(time.time()) + SIGNATURE_SECONDS,
        )
        signature = exchange.key.sign_digest(wish.digest(exchange.domain))
        body |= {"nonce": str(wish.nonce), "deadline": wish.deadline, "signature": "0x" + signature.hex()}
    show_json(exchange.post("/account/withdrawals", body, repeatable=False))


@reported
def account_delegate(
    delegate: Annotated[str, typer.Argument(help="Address of the key that may trade for you")],
    side: Annotated[str, typer.Option(help="buy or sell")],
    cap: Annotated[str, typer.Option(help="Most tokens it may lock in all")],
    worst_price: Annotated[str, typer.Option(help="Highest price to buy at, or lowest to sell at")],
    days: Annotated[int, typer.Option(help="Valid for so many days")] = 30,
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    key: KeyName = None,
) -> None:
    """Let another key trade for this account within a cap; it can never withdraw."""
    if side not in ("buy", "sell"):
        raise UsageError("--side is buy or sell")
    exchange = connect(url, api_key, key)
    now = int(time.time())
    body: dict[str, Any] = {
        "key": delegate,
        "side": side,
        "spend_cap": cap,
        "worst_price": worst_price,
        "valid_until": now + days * 86_400,
    }
    if exchange.key is not None:
        wish = signing.SetDelegate(
            owner=exchange.key.address,
            key=delegate,
            side=signing.SIDE_BUY if side == "buy" else signing.SIDE_SELL,
            spend_cap=units.parse_tokens(cap),
            worst_price=units.parse_tokens(worst_price),
            valid_until=body["valid_until"],
            nonce=int(exchange.account()["registry_nonce"]),
            deadline=now + SIGNATURE_SECONDS,
        )
        signature = exchange.key.sign_digest(wish.digest(exchange.registry_domain))
        body |= {"nonce": str(wish.nonce), "deadline": wish.deadline, "signature": "0x" + signature.hex()}
    show_json(exchange.post("/account/delegates", body))
