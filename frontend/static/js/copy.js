/** Copy buttons are hidden until it is known that copying works (a secure context has a clipboard). */

/** @param {ParentNode} part */
export function showCopies(part) {
  if (!navigator.clipboard) return;
  for (const button of part.querySelectorAll("button[data-copy]")) {
    if (button instanceof HTMLButtonElement) button.hidden = false;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
  if (!(button instanceof HTMLButtonElement)) return;
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy ?? "");
    button.textContent = "✓";
  } catch {
    button.textContent = "✕";
  }
  setTimeout(() => (button.textContent = before), 1200);
});
