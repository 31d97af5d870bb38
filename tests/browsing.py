"""A page in Debian's headless Chromium: what tests ask of it, and how the README's picture is taken."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

DESKTOP, PHONE = (1280, 900), (390, 844)


def why_not() -> str:
    """Return why there is no browser to look with, nothing where there is one."""
    lacking = [str(path) for path in (CHROMIUM, DRIVER) if not path.is_file()]
    return f"{' and '.join(lacking)} is not installed: apt-get install chromium chromium-driver" if lacking else ""


class Page:
    """An open page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def reset(self) -> None:
        """Leave whatever is open, and forget what was said and asked for."""
        self.driver.get("about:blank")
        self.width(DESKTOP)
        self.scheme("light")
        self.said()
        self.requested()

    def open(self, path: Path) -> None:
        """Open a file, and wait until its charts are drawn."""
        self.driver.get(path.absolute().as_uri())
        self.wait("return document.documentElement.dataset.drawn !== undefined")

    def ask(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns in the page."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str) -> None:
        """Wait until a script returns true, for half a minute."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 30).until(lambda _: self.ask(script))

    def width(self, size: Sequence[int]) -> None:
        """Take a screen of another size; a narrow one is that of a phone."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, name: str) -> None:
        """Ask for light or dark, as the reader's system does."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def click(self, selector: str) -> None:
        """Press the mouse over the middle of the first element of a kind."""
        x, y = self.point(selector)
        for kind in ("mousePressed", "mouseReleased"):
            event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def point(self, selector: str) -> tuple[float, float]:
        """Move the mouse over the middle of the first element of a kind, and return where that is."""
        x, y = self.ask(
            "const one = document.querySelector(arguments[0]); one.scrollIntoView({ block: 'center' });"
            "const { left, top, width, height } = one.getBoundingClientRect();"
            "return [left + width / 2, top + height / 2]",
            selector,
        )
        for by in (2, 0):  # A mouse that does not move points at nothing.
            event = {"type": "mouseMoved", "x": x + by, "y": y}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
        return x, y

    def said(self) -> list[str]:
        """Return what the console has said since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requested(self) -> list[str]:
        """Return every address that was asked for since this was last asked."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]

    def picture(self, path: Path, whole: bool = False) -> None:
        """Take a picture of the screen, or of the whole page."""
        import base64

        options: dict[str, Any] = {"format": "png"}
        if whole:
            height = self.ask("return document.documentElement.scrollHeight")
            width = self.ask("return document.documentElement.clientWidth")
            options |= {
                "captureBeyondViewport": True,
                "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
            }
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        path.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def browser() -> Iterator[Page]:
    """Give a browser with a profile of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    profile = tempfile.mkdtemp(prefix="neurosieve-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        page = Page(driver)
        page.reset()
        yield page
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)
