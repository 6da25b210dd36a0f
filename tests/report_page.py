#!/usr/bin/env python3
"""The report's page in a real browser, opened from the disk as a reader would.

Makes quick runs and their page, opens it in Chromium without a network or a window, and checks that nothing is said on
the console, that the curves are there with the script and without it, and that hovering, switching series, zooming and
the keyboard do what they should. Needs Python's standard library, chromium and chromedriver; without the browser it
says that it was skipped.

    tests/report_page.py [--program target/debug/memorize] [--page FILE] [--screenshots DIR]
"""

import argparse
import base64
import contextlib
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

# An element's key in WebDriver's JSON.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'"


class Browser:
    """A page in headless Chromium, driven over chromedriver's HTTP."""

    def __init__(self, port, profile, width=1280, dark=False, script=True):
        self.root = f"http://127.0.0.1:{port}"
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={profile}",
        ]
        if not script:
            flags.append("--blink-settings=scriptEnabled=false")
        asked = {"browserName": "chrome", "goog:chromeOptions": {"args": flags, "binary": shutil.which("chromium")},
                 "goog:loggingPrefs": {"browser": "ALL"}}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": asked}})
        self.session = f"/session/{made['sessionId']}"
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        # A page that still scrolls smoothly to an element is not where a click on it goes.
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                    {"name": "prefers-reduced-motion", "value": "reduce"}]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from error

    def devtools(self, command, **parameters):
        return self.call("POST", f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, path):
        self.call("POST", f"{self.session}/url", {"url": path.resolve().as_uri()})

    def run(self, script, *arguments):
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.call("POST", f"{self.session}/element", {"using": "css selector", "value": selector})

    def click(self, selector):
        self.call("POST", f"{self.session}/element/{self.find(selector)[ELEMENT]}/click", {})

    def keys(self, selector, text):
        self.call("POST", f"{self.session}/element/{self.find(selector)[ELEMENT]}/value", {"text": text})

    def drag(self, selector, *points):
        """Moves to the first point, drags to the others, lets go; in pixels from the element's middle."""
        origin = self.find(selector)
        moves = [{"type": "pointerMove", "duration": 60, "origin": origin, "x": x, "y": y} for x, y in points]
        actions = moves if len(moves) == 1 else [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        self.call("POST", f"{self.session}/actions", {"actions": [mouse]})

    def log(self):
        return self.call("POST", f"{self.session}/se/log", {"type": "browser"})

    def screenshot(self, path, whole=True):
        picture = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))

    def close(self):
        self.call("DELETE", self.session)


@contextlib.contextmanager
def driver():
    """chromedriver on a free port; ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5):
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def browser(port, **options):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        page = Browser(port, profile, **options)
        try:
            yield page
        finally:
            page.close()


def make_page(program, folder):
    """All quick experiments, one of them under a hostile name, and their page."""
    def memorize(*arguments):
        subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    memorize("reproduce", "all", "--quick", "--quiet", "--out", folder)
    hostile = folder / "hostile"
    shutil.copytree(folder / "synthetic-quick", hostile)
    summary = json.loads((hostile / "summary.json").read_text())
    (hostile / "summary.json").write_text(json.dumps({**summary, "name": HOSTILE}))
    memorize("report", *sorted(folder.glob("*-quick")), hostile, "--out", folder / "page")
    return folder / "page" / "index.html"


LINES = "return document.querySelectorAll(arguments[0] + ' .lines ' + arguments[1] + ':not([hidden]) polyline').length"
TEXTS = "return [...document.querySelectorAll(arguments[0])].map(element => element.textContent)"
# What the axis of iterations and that of the loss name.
LABELS = "return [...document.querySelectorAll(arguments[0] + ' .axes .tick.x:not([hidden]) text')].map(text => text.textContent.trim())"
HEIGHTS = LABELS.replace(".x", ".y")


def check_script(page, runs):
    assert page.log() == [], page.log()
    assert page.run(LINES, "#chart-all", ".line") == runs
    assert page.run(LINES, "#chart-all", ".records") == 0
    assert page.run(LINES, "article", ".line") == runs
    assert page.run(LINES, "article", ".records") == runs
    for points in page.run("return [...document.querySelectorAll('.lines polyline')].map(line => line.getAttribute('points'))"):
        assert len(points) > 100 and "NaN" not in points and "inf" not in points, points[:200]

    # A series goes and comes back, with its colour in the legend.
    page.click("#chart-all button[data-run='0']")
    assert page.run(LINES, "#chart-all", ".line") == runs - 1
    assert page.find("#chart-all button[data-run='0'][aria-pressed='false']")
    page.click("#chart-all button[data-run='0']")
    assert page.run(LINES, "#chart-all", ".line") == runs
    page.click("#chart-all button[data-switch='records']")
    assert page.run(LINES, "#chart-all", ".records") == runs
    page.click("#chart-all button[data-switch='records']")

    # Values under the pointer.
    page.drag("#chart-1 svg", (0, 0))
    tip = page.run("return document.querySelector('#chart-1 .tip').innerText")
    assert re.search(r"iteration [\d,]+, epoch [\d.]+", tip) and "step size" in tip and "mean" in tip, tip

    # A flat drag zooms along the iterations; double-click shows all again.
    before = page.run(LABELS, "#chart-1")
    page.drag("#chart-1 svg", (-60, 0), (0, 4), (60, 8))
    zoomed = page.run(LABELS, "#chart-1")
    assert zoomed != before, before
    assert page.run("return !document.querySelector('#chart-1 button[data-reset]').hidden")
    page.run("document.querySelector('#chart-1 svg').dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))")
    assert page.run(LABELS, "#chart-1") == before
    # A drag across zooms along both; the button shows all again.
    high = page.run(HEIGHTS, "#chart-1")
    page.drag("#chart-1 svg", (-80, -60), (0, 0), (60, 60))
    assert page.run(LABELS, "#chart-1") != before and page.run(HEIGHTS, "#chart-1") != high
    page.click("#chart-1 button[data-reset]")
    assert page.run(LABELS, "#chart-1") == before and page.run(HEIGHTS, "#chart-1") == high

    # The same from the keyboard, and what a screen reader is told.
    page.keys("#chart-1 svg", "++\ue014\ue014")
    assert page.run(LABELS, "#chart-1") != before
    assert "iteration" in page.run("return document.querySelector('#chart-1 [aria-live]').textContent")
    page.keys("#chart-1 svg", "0")
    assert page.run(LABELS, "#chart-1") == before

    assert HOSTILE in page.run(TEXTS, "article h3"), "a hostile name is shown as it is"
    assert page.run("return document.images.length") == 0
    assert page.log() == [], page.log()


def overflow(page):
    """By how many pixels the page is wider than the window."""
    return page.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="target/debug/memorize", help="the program that makes the page")
    parser.add_argument("--page", type=pathlib.Path, help="only take screenshots of this page")
    parser.add_argument("--screenshots", type=pathlib.Path, help="leave pictures of the page in this folder")
    arguments = parser.parse_args()
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        print(f"skipped: the report's page in a browser, for want of {' and '.join(missing)} (apt-get install chromium chromium-driver)")
        return
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, driver() as port:
        index = arguments.page or make_page(arguments.program, pathlib.Path(scratch))
        runs = 8
        for width in (1280, 390):
            for dark in (False, True):
                with browser(port, width=width, dark=dark) as page:
                    page.open(index)
                    assert overflow(page) <= 0, f"{width}: {overflow(page)} pixels too wide"
                    if arguments.screenshots:
                        page.screenshot(arguments.screenshots / f"page-{width}-{'dark' if dark else 'light'}.png")
                    back = page.run("return getComputedStyle(document.body).backgroundColor")
                    assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 200) == dark, back
                    if width == 1280 and not dark and not arguments.page:
                        check_script(page, runs)
        with browser(port, script=False) as page:
            page.open(index)
            page.screenshot(pathlib.Path(scratch) / "plain.png")
            if arguments.screenshots:
                shutil.copy(pathlib.Path(scratch) / "plain.png", arguments.screenshots / "page-without-script.png")
        if not arguments.page:
            static = index.read_text()
            assert static.count('class="line s') == 2 * runs and static.count('class="records s') == 2 * runs, "curves without the script"
            for picture in re.findall(r'href="(curves/[^"]+)"', static):
                assert (index.parent / picture).stat().st_size > 1000, picture
            assert not re.search(r'(src|href)="(https?:)?//', static), "the page needs a network"
    print("the report's page: curves, values, series, zoom, keyboard, light and dark, wide and narrow")


if __name__ == "__main__":
    sys.exit(main())
