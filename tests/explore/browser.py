"""A headless Chromium driven over its DevTools protocol, with aiohttp as its WebSocket client."""

import asyncio
import base64
import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
START_SEC = 120  # on a machine whose cores are all busy
WAIT_SEC = 120


class Page:
    """A tab: calls, and all it asked the network for and wrote to its console."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse):
        self.socket, self.number, self.waiting = socket, 0, {}
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self):
        async for message in self.socket:
            content = message.json()
            if "id" in content:
                self.waiting.pop(content["id"]).set_result(content)
            else:
                self._note(content["method"], content["params"])

    def _note(self, method: str, params: dict):
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(params["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url')}")

    async def call(self, method: str, **params) -> dict:
        self.number += 1
        answer = self.waiting[self.number] = asyncio.get_running_loop().create_future()
        await self.socket.send_json(dict(id=self.number, method=method, params=params))
        content = await asyncio.wait_for(answer, WAIT_SEC)
        assert "error" not in content, content
        return content["result"]

    async def value(self, expression: str):
        """What a JavaScript expression, or what it promises, comes to."""
        made = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in made, made["exceptionDetails"]
        return made["result"].get("value")

    async def until(self, expression: str):
        """Its first value that counts as true."""
        for _ in range(WAIT_SEC * 10):
            if found := await self.value(expression):
                return found
            await asyncio.sleep(0.1)
        page = await self.value("document.body.innerText")
        raise AssertionError(f"never true: {expression}; the page says {page}")

    async def open(self, address: str):
        for part in ("Page", "Network", "Runtime", "Log", "DOM"):
            await self.call(f"{part}.enable")
        await self.call("Page.navigate", url=address)
        await self.until("document.body?.dataset.ready")

    async def choose_file(self, selector: str, path: Path):
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.call("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    async def box(self, selector: str) -> tuple[float, float, float, float]:
        """x, y, width, height of an element in the window, into which it is scrolled."""
        return await self.value(
            f"(() => {{ const e = document.querySelector('{selector}');"
            "e.scrollIntoView({block: 'nearest'}); const b = e.getBoundingClientRect();"
            "return [b.x, b.y, b.width, b.height]; })()"
        )

    async def mouse(self, kind: str, x: float, y: float):
        await self.call(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}",
            x=x,
            y=y,
            button="left",
            buttons=int(kind != "Released"),
            clickCount=1,
        )

    async def click(self, selector: str, at: float = 0.5):
        """Press and let go, at a share of its width."""
        x, y, width, height = await self.box(selector)
        for kind in ("Pressed", "Released"):
            await self.mouse(kind, x + at * width, y + height / 2)

    async def drag(self, selector: str, shares: list[float]):
        """From the first to the last of these shares of its width."""
        x, y, width, height = await self.box(selector)
        await self.mouse("Pressed", x + shares[0] * width, y + height / 2)
        for share in shares:
            await self.mouse("Moved", x + share * width, y + height / 2)
            await asyncio.sleep(0.05)
        await self.mouse("Released", x + shares[-1] * width, y + height / 2)

    async def press(self, key: str):
        code = dict(ArrowLeft=37, ArrowRight=39, Enter=13, Tab=9, Home=36)[key]
        for kind in ("rawKeyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    async def screenshot(self, path: Path):
        taken = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))


@asynccontextmanager
async def browser(folder: Path, microphone: Path | None = None, size: str = "1300,900"):
    """A page in a browser of its own, whose files are in `folder`."""
    options = [
        "--headless=new",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        f"--window-size={size}",
        # Nothing else could be reached if the page asked for it.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]
    if os.geteuid() == 0:
        options += ["--no-sandbox", "--disable-dev-shm-usage"]
    if microphone:
        options += [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        ]
    quiet = dict(stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
    process = await asyncio.create_subprocess_exec(CHROMIUM, *options, "about:blank", **quiet)
    try:
        port = await _port(folder / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
            async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as tab:
                page = Page(tab)
                yield page
                page.reader.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _port(path: Path, process) -> int:
    for _ in range(START_SEC * 10):
        assert process.returncode is None, "the browser ended by itself"
        if path.exists() and (lines := path.read_text().splitlines()):
            return int(lines[0])
        await asyncio.sleep(0.1)
    raise AssertionError("the browser did not start")
