/** Times are written in UTC; the local one is their title. */

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** @param {ParentNode} part */
export function showLocalTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    const at = new Date(time.getAttribute("datetime") ?? "");
    if (!Number.isNaN(at.getTime())) time.setAttribute("title", local.format(at));
  }
}
