"""A browser window with the few verbs that the journeys need, and an ear for what pages complain about."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage, Page, Response

PHONE, DESK = 360, 1_280
CONTRAST_LEAST = 4.5


class Window:
    """`complaints`: errors of scripts, of the content security policy, and answers of 500 and above."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", self._response)

    def open(self, path: str) -> None:
        self.page.goto(path)

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.page.locator(f"main [name={name}]").first.fill(value)

    def press(self, text: str) -> None:
        self.page.get_by_role("button", name=text, exact=True).click()

    def sign_in(self, name: str, password: str) -> None:
        self.open("/sign-in")
        self.fill(username=name, password=password)
        self.page.locator("main form button").click()
        self.page.wait_for_url("**/account")

    def text(self, selector: str = "main") -> str:
        return self.page.locator(selector).first.inner_text()

    def heading(self) -> str:
        return self.text("h1")

    def overflow(self) -> int:
        """Pixels by which the page is wider than a phone."""
        self.page.set_viewport_size({"width": PHONE, "height": 740})
        # Asked until the page is whole: one that is just being left for the next has no element to measure.
        whole = self.page.wait_for_function(
            "document.readyState === 'complete' && { width: document.documentElement.scrollWidth }"
        )
        wider = whole.json_value()["width"] - PHONE
        self.page.set_viewport_size({"width": DESK, "height": 800})
        return int(wider)

    def pale_texts(self, scheme: str) -> list[str]:
        """Texts whose contrast with the ground behind them is below WCAG's 4.5 : 1, in the light or dark scheme."""
        self.page.emulate_media(color_scheme=scheme)
        return list(self.page.evaluate(CONTRAST, CONTRAST_LEAST))

    def _console(self, message: ConsoleMessage) -> None:
        # A refused form is answered with 4xx, which Chromium writes to the console by itself.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")


CONTRAST = """
(least) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return rgba(getComputedStyle(document.documentElement).colorScheme.includes("dark") ? "Canvas" : "white");
  };
  const pale = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const unseen = !element.checkVisibility() || element.closest("script, .hidden, .skip, noscript, [disabled]");
    if (unseen || !node.data.trim()) continue;
    const [front, back] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < least) pale.add(`${ratio.toFixed(2)} ${element.tagName}.${element.className} ${node.data.trim().slice(0, 40)}`);
  }
  return [...pale];
}
"""
