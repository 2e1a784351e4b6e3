/** The line below a wallet's button: what is being waited for, or what went wrong. */

/** @param {ParentNode} part @param {string} text @param {"" | "bad"} [tone] */
export function say(part, text, tone = "") {
  const box = part.querySelector(".wallet-state");
  if (!(box instanceof HTMLElement)) return;
  box.hidden = text === "";
  box.dataset.tone = tone;
  box.textContent = text;
}
