/** A wallet session ends when the wallet turns to another account: what the page shows would not be theirs. */

import { listen, remembered } from "./wallets.js";

export function watchWallet() {
  const form = document.querySelector("form[data-wallet]");
  if (!(form instanceof HTMLFormElement)) return;
  const address = form.dataset.wallet;
  listen((wallet) => {
    if (wallet.info.rdns !== remembered()) return;
    wallet.provider.on?.("accountsChanged", (/** @type {string[]} */ accounts) => {
      if (!accounts.some((account) => account.toLowerCase() === address)) form.submit();
    });
    wallet.provider.on?.("chainChanged", () => location.reload());
  });
}
