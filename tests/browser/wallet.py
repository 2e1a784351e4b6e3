"""A wallet for a page: announced by EIP-6963, asked by EIP-1193, with its key on the test's side.

It signs with eth-account, which shares no code with Suan, so a page that asks for a wrong message is found out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from playwright.sync_api import Page

from tests.core.signing.keys import Key

SCRIPT = """
(() => {
  const heard = {};
  const provider = {
    request: async ({ method, params }) => {
      const answer = await window.suanTestWallet(method, params ?? []);
      if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
      return answer.result;
    },
    on: (event, listener) => { (heard[event] ??= []).push(listener); },
  };
  window.suanTestEmit = (event, value) => (heard[event] ?? []).forEach((listener) => listener(value));
  const info = {
    uuid: "5a0f7c3e-0000-4000-8000-000000000001", name: "Test Wallet", rdns: "test.suan.wallet",
    icon: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>",
  };
  const announce = () => window.dispatchEvent(
    new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
})();
"""


class Refusal(Exception):
    """What the wallet's owner or the wallet itself answers instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Wallet:
    """A wallet of one account. `refuse` maps a method to the error code that it answers with; `asked` keeps all calls."""

    def __init__(self, key: Key, chain_id: int, call: Callable[[str, list[Any]], Any]) -> None:
        self.key = key
        self.chain_id = chain_id
        self.call = call
        self.refuse: dict[str, int] = {}
        self.asked: list[str] = []

    def plug_into(self, page: Page) -> None:
        """Before the first page is opened."""
        page.expose_function("suanTestWallet", self.answer)
        page.add_init_script(SCRIPT)

    def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        self.asked.append(method)
        try:
            if method in self.refuse:
                raise Refusal(self.refuse[method], "refused by the test")
            return {"result": self._result(method, params)}
        except Refusal as refusal:
            return {"error": {"code": refusal.code, "message": str(refusal)}}

    def _result(self, method: str, params: list[Any]) -> Any:
        if method in ("eth_requestAccounts", "eth_accounts"):
            return [self.key.address]
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "wallet_switchEthereumChain":
            raise Refusal(4902, "unknown chain")
        if method == "personal_sign":
            return self._sign(encode_defunct(hexstr=params[0]))
        if method == "eth_signTypedData_v4":
            import json

            return self._sign(encode_typed_data(full_message=json.loads(params[1])))
        if method == "eth_call":
            return self.call(method, params)
        raise Refusal(4200, f"{method} is not supported")

    def _sign(self, message: Any) -> str:
        signed = Account.sign_message(message, self.key.secret)
        return "0x" + signed.signature.hex().removeprefix("0x")
