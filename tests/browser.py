"""Drive the page of `sagehound serve` in a real Chromium: `python -m tests.browser URL PICTURE [SCREENSHOT]`.

It needs Playwright for Python and a Chromium; CHROMIUM names its program where it is not Playwright's own. The address
is what `sagehound serve` printed. Prints what was seen, one line each, and fails at the first that is wrong.
"""

from __future__ import annotations

import base64
import os
import re
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

DROP = """async ([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const moved = new DataTransfer();
  moved.items.add(new File([bytes], name, { type: "image/jpeg" }));
  document.dispatchEvent(new DragEvent("dragover", { dataTransfer: moved, bubbles: true, cancelable: true }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: moved, bubbles: true, cancelable: true }));
}"""
PASTE = """async ([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const pasted = new DataTransfer();
  pasted.items.add(new File([bytes], name, { type: "image/jpeg" }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true }));
}"""

NAMES = "all => all.map(e => e.ariaLabel || e.innerText || (e.labels && e.labels[0] && e.labels[0].innerText) || '')"
STRANGE = """url => fetch(url, { method: "POST", body: "c", mode: "no-cors" })
  .then((answer) => answer.type + " " + answer.status, (error) => String(error))"""


def main(url: str, picture: Path, screenshot: Path | None = None) -> None:
    """Go through the page as a person would."""
    data = [base64.b64encode(picture.read_bytes()).decode(), picture.name]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or None,
            args=["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
        )
        page = browser.new_context(viewport={"width": 420, "height": 900}).new_page()
        problems: list[str] = []
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        elsewhere: list[str] = []
        own = (url.partition("#")[0], "blob:", "data:")
        page.on("request", lambda asked: None if asked.url.startswith(own) else elsewhere.append(asked.url))
        page.goto(url)
        expect(page.locator("#model")).to_contain_text("knows", timeout=20_000)
        print("the page says:", page.locator("#model").inner_text())
        assert "#" not in page.url, "the token stays in the address"
        page.locator("#file").set_input_files(str(picture))
        print("chosen:", _answer(page))
        for name, code in (("dropped", DROP), ("pasted", PASTE)):
            page.evaluate("document.getElementById('status').textContent = ''")
            page.evaluate(code, data)
            print(f"{name}:", _answer(page))
        bars = page.locator("#classes progress").count()
        assert bars == page.locator("#classes li").count() > 1
        print("bars:", page.locator("#classes progress").evaluate_all(NAMES))
        page.locator("#why").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#overlay")).to_be_visible(timeout=120_000)
        print("Why? by keyboard:", page.locator("#note").inner_text())
        if screenshot is not None:
            page.screenshot(path=str(screenshot), full_page=True)
        page.evaluate(DROP, [base64.b64encode(b"no picture").decode(), "broken.jpg"])
        expect(page.locator("#status")).to_have_class("bad", timeout=30_000)
        print("no picture:", page.locator("#status").inner_text())
        page.locator("#webcam").click()
        expect(page.locator("#classes li").first).to_be_visible(timeout=60_000)
        print("webcam:", page.locator("#classes li").first.inner_text().replace("\n", " "))
        page.locator("#webcam").click()
        expect(page.locator("#video")).to_be_hidden()
        names = page.locator("button:visible, input").evaluate_all(NAMES)
        assert all(names), names
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
        assert not elsewhere, elsewhere
        # The refused picture is a 400, of which browsers write a line themselves.
        assert [problem for problem in problems if "400" not in problem] == [], problems
        print("controls have names:", names, "- nothing came from elsewhere, the console is clean")
        other = browser.new_context().new_page()
        other.goto("data:text/html,<title>other</title>")
        refused = other.evaluate(STRANGE, own[0] + "invocations")
        print("another site's page gets:", refused)
        browser.close()


def _answer(page: Page) -> str:
    expect(page.locator("#status")).to_have_text(re.compile("sure$"), timeout=60_000)
    return page.locator("#status").inner_text()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
