/** Cards marked data-drop take a file that is dropped anywhere on them, as if it had been chosen, and send it at once. */
export function takeDrops() {
  for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll("form[data-drop]"))) {
    const input = /** @type {HTMLInputElement | null} */ (form.querySelector("input[type=file]"));
    if (!input) continue;
    form.addEventListener("dragover", (event) => {
      event.preventDefault();
      form.classList.add("drop-over");
    });
    form.addEventListener("dragleave", () => form.classList.remove("drop-over"));
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      form.classList.remove("drop-over");
      const files = event.dataTransfer?.files;
      if (!files || files.length !== 1) return;
      input.files = files;
      form.requestSubmit();
    });
  }
}
