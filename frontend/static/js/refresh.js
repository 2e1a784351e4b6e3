/**
 * Regions marked data-refresh="seconds" (with an id) are fetched again with their page and replaced if they changed.
 * Nothing is asked while the tab is hidden; after a failure the pause doubles. A region without the mark in the new
 * page is done and is not asked for again. Scroll places, open details and the focus survive.
 */

const PAUSE_MS_MAX = 60_000;

/** @param {(part: ParentNode) => void} dress */
export function keepFresh(dress) {
  const regions = marked(document);
  if (regions.length === 0) return;
  const pause = Math.min(...regions.map((region) => Number(region.dataset.refresh) || 5)) * 1000;
  let wait = pause;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  async function turn() {
    timer = undefined;
    if (document.hidden) return;
    try {
      wait = (await renew(dress)) ? pause : Math.min(wait * 2, PAUSE_MS_MAX);
    } catch {
      wait = Math.min(wait * 2, PAUSE_MS_MAX);
    }
    if (marked(document).length > 0) timer = setTimeout(turn, wait);
  }

  timer = setTimeout(turn, wait);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && timer === undefined && marked(document).length > 0) timer = setTimeout(turn, 100);
  });
}

/**
 * @param {ParentNode} part
 * @returns {HTMLElement[]}
 */
function marked(part) {
  return Array.from(/** @type {NodeListOf<HTMLElement>} */ (part.querySelectorAll("[data-refresh][id]")));
}

/**
 * @param {(part: ParentNode) => void} dress
 * @returns {Promise<boolean>} whether the page could be read
 */
async function renew(dress) {
  const regions = marked(document);
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(15_000) });
  if (!answer.ok || answer.redirected) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const ids = [...regions.map((region) => region.id), "free"];
  for (const id of ids) {
    const old = document.getElementById(id);
    const fresh = page.getElementById(id);
    if (old && fresh) exchange(old, fresh, dress);
  }
  return true;
}

/**
 * @param {HTMLElement} old
 * @param {HTMLElement} fresh
 * @param {(part: ParentNode) => void} dress
 */
function exchange(old, fresh, dress) {
  const source = fresh.outerHTML;
  if (source === written.get(old) || holdsAttention(old)) return;
  const open = Array.from(old.querySelectorAll("details[open][id]"), (part) => part.id);
  const scrolled = Array.from(old.querySelectorAll(".scroll"), (part) => part.scrollLeft);
  const next = document.importNode(fresh, true);
  for (const id of open) next.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  dress(next);
  old.replaceWith(next);
  written.set(next, source);
  next.querySelectorAll(".scroll").forEach((part, place) => (part.scrollLeft = scrolled[place] ?? 0));
}

/** What the server wrote for a region that is shown now. @type {WeakMap<HTMLElement, string>} */
const written = new WeakMap();

/** @param {HTMLElement} region @returns {boolean} someone has the focus in it or selects its text */
function holdsAttention(region) {
  const selection = getSelection();
  const selects = Boolean(selection && !selection.isCollapsed && region.contains(selection.anchorNode));
  return selects || (region.contains(document.activeElement) && document.activeElement !== region);
}
