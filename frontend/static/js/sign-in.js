/** Signing in with a wallet: EIP-6963 to find it, EIP-4361 as the message, personal_sign for the proof. */

import { post } from "./post.js";
import { say } from "./state.js";
import { ask, listen, remember, useChain, WalletProblem, wordsOf } from "./wallets.js";

/** @typedef {import("./types").Announced} Announced */

export function offerSignIn() {
  for (const panel of document.querySelectorAll("[data-wallets]")) {
    if (panel instanceof HTMLElement) listen((wallet) => addButton(panel, wallet));
  }
}

/** @param {HTMLElement} panel @param {Announced} wallet */
function addButton(panel, wallet) {
  const button = document.createElement("button");
  button.type = "button";
  if (wallet.info.icon?.startsWith("data:image/")) {
    const icon = document.createElement("img");
    icon.src = wallet.info.icon;
    icon.alt = "";
    button.append(icon);
  }
  button.append(wallet.info.name);
  button.addEventListener("click", () => enter(panel, wallet, button));
  panel.querySelector(".wallet-list")?.append(button);
  panel.querySelector(".wallet-none")?.setAttribute("hidden", "");
}

/** @param {HTMLElement} panel @param {Announced} wallet @param {HTMLButtonElement} button */
async function enter(panel, wallet, button) {
  button.disabled = true;
  say(panel, "Waiting for your wallet…");
  try {
    const accounts = await ask(wallet.provider, "eth_requestAccounts");
    const address = Array.isArray(accounts) ? String(accounts[0] ?? "") : "";
    if (!address) throw new WalletProblem("Your wallet shows no account to this page. Choose one there, then try again.");
    await useChain(wallet.provider, Number(panel.dataset.chainId));
    const given = await post(panel, "/api/v1/session/nonce", { address });
    say(panel, "Waiting for your wallet: sign the message. It moves no money.");
    const signature = await ask(wallet.provider, "personal_sign", [hexOf(given.message), address]);
    await post(panel, "/api/v1/session/verify", { message: given.message, signature: String(signature) });
    remember(wallet);
    location.assign(panel.dataset.next || "/account");
  } catch (error) {
    say(panel, wordsOf(error), "bad");
    button.disabled = false;
  }
}

/** @param {string} text @returns {string} its UTF-8 bytes as hex, the form that every wallet accepts */
function hexOf(text) {
  return `0x${Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
