"""A headless Chromium that is driven by the protocol of its developer tools."""

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """`with Browser(home) as browser:` has one page. `requests` are the addresses that it asked for."""

    def __init__(self, home: Path, width: int = 1200, height: int = 1400):
        self.home, self.size = home, f"--window-size={width},{height}"
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.numbers = itertools.count(1)

    def __enter__(self) -> Self:
        words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", self.size]
        words += ["--remote-debugging-port=0", "--no-proxy-server", f"--user-data-dir={self.home}", "about:blank"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        said = self.home / "DevToolsActivePort"
        self.until(lambda: said.is_file() and said.read_text().count("\n"))
        port = said.read_text().split()[0]
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        pages = json.load(direct.open(f"http://127.0.0.1:{port}/json"))
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self.socket = connect(address, max_size=None, proxy=None, legacy=True)
        for domain in ("Network", "Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)

    def until(self, ready: Any, seconds: float = 60) -> Any:
        """What `ready` returns once it is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := ready():
                return found
            time.sleep(0.05)
        raise TimeoutError

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command; what the browser tells meanwhile is kept."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(self.socket.recv(60))).get("id") != number:
            told = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            elif message["method"] == "Runtime.exceptionThrown" or told.get("entry", {}).get("level") == "error":
                self.complaints.append(json.dumps(told))
        return message["result"]

    def run(self, code: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        return self.send("Runtime.evaluate", expression=code, returnByValue=True)["result"].get("value")

    def wait(self, code: str) -> Any:
        """The value of an expression once it is true."""
        try:
            return self.until(lambda: self.run(code))
        except TimeoutError:
            raise TimeoutError(f"{code}\n{self.run('document.body.innerText')}\n{self.complaints}") from None

    def open(self, address: str) -> None:
        """Go there."""
        self.send("Page.navigate", url=address)

    def write(self, selector: str, text: str) -> None:
        """Put a text into a field, as if it was pasted."""
        self.wait(f"!!document.querySelector({selector!r})")
        self.run(f"document.querySelector({selector!r}).focus()")
        self.send("Input.insertText", text=text)

    def click(self, words: str) -> None:
        """Click the button with these words."""
        button = f"[...document.querySelectorAll('button')].find((one) => one.innerText.trim() === {words!r})"
        self.wait(f"!!{button}")
        self.run(f"{button}.click()")

    def screenshot(self, file: Path) -> None:
        """A picture of the page."""
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))
