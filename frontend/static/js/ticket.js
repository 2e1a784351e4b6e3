/** The bid form says what would be held at worst while it is filled in. Exact: whole numbers only, as suan.core.units. */

const UNITS_PER_HOUR = 3_600_000n;
const DECIMALS = 18;

export function showCost() {
  const form = document.querySelector("form[data-ticket]");
  const line = document.querySelector("[data-ticket-cost]");
  if (!(form instanceof HTMLFormElement) || !(line instanceof HTMLElement)) return;
  const show = () => {
    const cost = worst(valueOf(form, "price"), valueOf(form, "runs"), valueOf(form, "ceiling"));
    line.hidden = cost === null;
    const output = line.querySelector("output");
    if (output && cost !== null) output.value = decimal(cost);
  };
  form.addEventListener("input", show);
  form.addEventListener("change", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.name === "job") fillIn(form, event.target.value);
    show();
  });
  show();
}

/**
 * An example brings a ceiling and a number of runs that fit it; the visitor may change them afterwards.
 * @param {HTMLFormElement} form
 * @param {string} job
 */
function fillIn(form, job) {
  /** @type {Record<string, Record<string, number>>} */
  const known = JSON.parse(form.querySelector("script[type='application/json']")?.textContent || "{}");
  for (const [name, value] of Object.entries(known[job] ?? {})) {
    const field = form.elements.namedItem(name);
    if (field instanceof HTMLInputElement) field.value = String(value);
  }
}

/** @param {HTMLFormElement} form @param {string} name @returns {string} */
function valueOf(form, name) {
  const field = form.elements.namedItem(name);
  return field instanceof HTMLInputElement ? field.value.trim() : "";
}

/**
 * runs * ceil(price * ceiling / 3,600,000) in base units, or null while a number is missing.
 * @param {string} price
 * @param {string} runs
 * @param {string} ceiling
 * @returns {bigint | null}
 */
export function worst(price, runs, ceiling) {
  const [, whole = "", fraction = ""] = /^(\d{1,20})(?:\.(\d{1,18}))?$/.exec(price) ?? [];
  if (!whole || !/^\d{1,12}$/.test(runs) || !/^\d{1,15}$/.test(ceiling)) return null;
  const base = BigInt(whole + fraction.padEnd(DECIMALS, "0"));
  return BigInt(runs) * ((base * BigInt(ceiling) + UNITS_PER_HOUR - 1n) / UNITS_PER_HOUR);
}

/** @param {bigint} amount @returns {string} */
function decimal(amount) {
  const digits = amount.toString().padStart(DECIMALS + 1, "0");
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, "");
  return digits.slice(0, -DECIMALS) + (fraction ? `.${fraction}` : "");
}
