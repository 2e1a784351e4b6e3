/** A call of the exchange's API from a page: with the session's cookie and the CSRF token of the form around the button. */

import { WalletProblem } from "./wallets.js";

/** @param {HTMLElement} panel @param {string} path @param {object} body @returns {Promise<Record<string, string>>} */
export async function post(panel, path, body) {
  const token = panel.querySelector("input[name=csrfmiddlewaretoken]");
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrftoken": token instanceof HTMLInputElement ? token.value : "" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  const said = await answer.json();
  if (!answer.ok) throw new WalletProblem(said.detail ?? `The exchange answered ${answer.status}.`);
  return said;
}
