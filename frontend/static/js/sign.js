/**
 * Forms that a wallet signs before they are sent: the typed data lies in the form, the signatures go into its fields
 * signature_0, signature_1, … The page shows the same fields in words above the button.
 */

import { post } from "./post.js";
import { ask, holderOf, listen, useChain, WalletProblem, wordsOf } from "./wallets.js";
import { say } from "./state.js";

/** @typedef {import("./types").TypedData} TypedData */
/** @typedef {import("./types").Provider} Provider */

const NONCES_SELECTOR = "0x7ecebe00";

export function signForms() {
  const forms = Array.from(document.querySelectorAll("form[data-sign]")).filter((form) => typedDataOf(form).length > 0);
  if (forms.length === 0) return;
  listen(() => undefined);
  for (const form of forms) {
    if (form instanceof HTMLFormElement) form.addEventListener("submit", (event) => sign(event, form));
  }
}

/** @param {Element} form @returns {TypedData[]} */
function typedDataOf(form) {
  return JSON.parse(form.querySelector("script[type='application/json']")?.textContent || "[]");
}

/** @param {SubmitEvent} event @param {HTMLFormElement} form */
async function sign(event, form) {
  event.preventDefault();
  const button = form.querySelector("button");
  if (button) button.disabled = true;
  const address = form.dataset.address ?? "";
  try {
    say(form, "Waiting for your wallet…");
    const { provider } = await holderOf(address);
    await useChain(provider, Number(form.dataset.chainId));
    const wishes = typedDataOf(form);
    if (form.dataset.orderSide && wishes[0]) wishes[0].message.nonce = await keepNonce(form);
    for (const [place, wish] of wishes.entries()) {
      if (form.dataset.nonceOf) wish.message.nonce = await nonceOf(provider, form.dataset.nonceOf, address);
      say(form, `Waiting for your wallet: sign the ${wish.primaryType} (${place + 1} of ${wishes.length}).`);
      const signature = await ask(provider, "eth_signTypedData_v4", [address, JSON.stringify(wish)]);
      const field = form.elements.namedItem(`signature_${place}`);
      if (!(field instanceof HTMLInputElement)) throw new WalletProblem("This page is incomplete; load it again.");
      field.value = String(signature);
    }
    say(form, "Signed. Sending…");
    form.submit();
  } catch (error) {
    say(form, wordsOf(error), "bad");
    if (button) button.disabled = false;
  }
}

/**
 * A nonce that the exchange keeps for the form's order, however often it is asked for; the page and the form then show it.
 * Until now the page showed the next free one, which an order from another page may have taken.
 * @param {HTMLFormElement} form
 * @returns {Promise<number>}
 */
async function keepNonce(form) {
  const name = { side: form.dataset.orderSide, client_order_id: form.dataset.orderName };
  const { nonce } = await post(form, "/api/v1/orders/nonces", name);
  const field = form.elements.namedItem("nonce");
  if (!(field instanceof HTMLInputElement)) throw new WalletProblem("This page is incomplete; load it again.");
  field.value = String(nonce);
  const shown = document.querySelector("[data-nonce]");
  if (shown) shown.textContent = String(nonce);
  return Number(nonce);
}

/**
 * The next permit nonce of an account, asked from the token itself, since permits may be used elsewhere too.
 * @param {Provider} provider
 * @param {string} token
 * @param {string} address
 * @returns {Promise<string>}
 */
async function nonceOf(provider, token, address) {
  const data = NONCES_SELECTOR + address.slice(2).toLowerCase().padStart(64, "0");
  return BigInt(String(await ask(provider, "eth_call", [{ to: token, data }, "latest"]))).toString();
}
