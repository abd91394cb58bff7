"""The page's server, on aiohttp: a few routes over the engine.

Nothing a request says becomes a path: parts of the page and example sounds are looked up in tables
made at the start, uploaded sounds go by random keys.
"""

import asyncio
import json
import re
import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from aiohttp import web

from espnet_entropy.bundle.formats import json_line, tiers_of
from espnet_entropy.bundle.segmented import Segmented
from espnet_entropy.data.textgrid import textgrid_text
from espnet_entropy.explore.engine import Explorer, Sound, spectrogram
from espnet_entropy.explore.guard import middleware
from espnet_entropy.explore.words import align_words

PARTS = {
    "page.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "state.js": "text/javascript",
    "picture.js": "text/javascript",
    "draw.js": "text/javascript",
    "sound.js": "text/javascript",
}
PIECE = 1 << 16
# How long a refused upload may go on being sent, so that the browser reads the refusal.
LINGER_SEC = 2.0


class Server:
    """Answers the page.

    Args:
        explorer: computes.
        host: what the server will be bound to.
        max_bytes: larger uploads are refused.
    """

    def __init__(self, explorer: Explorer, *, host: str = "127.0.0.1", max_bytes: int = 25 << 20):
        self.explorer, self.host, self.max_bytes = explorer, host, max_bytes
        folder = resources.files("espnet_entropy.explore")
        self._parts = {name: (folder / name).read_bytes() for name in PARTS}
        # One sound at a time is made into units; segments do not wait for it.
        self._slow, self._fast = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def application(self) -> web.Application:
        """All routes, guarded."""
        app = web.Application(middlewares=[middleware(self.host)], client_max_size=PIECE)
        app.router.add_get("/", self._page)
        app.router.add_get("/page/{name}", self._page)
        app.router.add_get("/api/setup", self._setup)
        app.router.add_post("/api/sounds", self._upload)
        app.router.add_post("/api/examples/{number:[0-9]{1,6}}", self._example)
        sound = "/api/sounds/{key:[0-9a-f]{16}}"
        app.router.add_get(f"{sound}/samples", self._samples)
        app.router.add_get(f"{sound}/spectrogram", self._spectrogram)
        app.router.add_get(f"{sound}/segments", self._segments)
        app.router.add_post(f"{sound}/words", self._words)
        app.router.add_get(f"{sound}/download/{{format:json|tsv|TextGrid}}", self._download)
        return app

    def close(self) -> None:
        """Let go of what is being computed."""
        for pool in (self._slow, self._fast):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _in(self, pool: ThreadPoolExecutor, work: Callable, *args):
        return await asyncio.get_running_loop().run_in_executor(pool, work, *args)

    def _sound(self, request: web.Request) -> Sound:
        sound = self.explorer.sound(request.match_info["key"])
        if sound is None:
            raise web.HTTPNotFound(text="this sound is no longer held; choose it again")
        return sound

    async def _page(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name", "page.html")
        if name not in self._parts:
            raise web.HTTPNotFound(text="the page has no such part")
        return web.Response(body=self._parts[name], content_type=PARTS[name], charset="utf-8")

    async def _setup(self, request: web.Request) -> web.Response:
        explorer = self.explorer
        return web.json_response(
            dict(
                extractor=explorer.bundle.config["extractor"]["name"],
                num_units=explorer.bundle.num_units,
                frame_rate_hz=explorer.frame_rate_hz,
                sample_rate=explorer.sample_rate,
                methods=explorer.methods(),
                examples=[example.name for example in explorer.examples],
                max_bytes=self.max_bytes,
                max_sec=explorer.max_sec,
                words=explorer.sample_rate == 16000 and find_spec("pocketsphinx") is not None,
            )
        )

    async def _upload(self, request: web.Request) -> web.Response:
        # A type that no form of another page can send without asking first.
        if request.content_type != "application/octet-stream":
            raise web.HTTPUnsupportedMediaType(text="send the sound as application/octet-stream")
        if (request.content_length or 0) > self.max_bytes:
            raise self._too_large()
        name = _short(request.query.get("name", "recording"))
        with tempfile.NamedTemporaryFile(prefix="explore-") as file:
            size = 0
            async for piece in request.content.iter_chunked(PIECE):
                size += len(piece)
                if size > self.max_bytes:
                    raise self._too_large()
                file.write(piece)
            if not size:
                raise ValueError(f"{name} is empty")
            file.flush()
            sound = await self._in(self._slow, self.explorer.add, file.name, name)
        return web.json_response(self._described(sound))

    def _too_large(self) -> web.HTTPException:
        most = self.max_bytes
        text = f"the sound is larger than {most / (1 << 20):g} MB; cut it, or --max_megabytes more"
        return web.HTTPRequestEntityTooLarge(most, most + 1, text=text)

    async def _example(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        if number >= len(self.explorer.examples):
            raise web.HTTPNotFound(text="there is no such example")
        sound = await self._in(self._slow, self.explorer.add_example, number)
        return web.json_response(self._described(sound))

    def _described(self, sound: Sound) -> dict:
        return dict(
            key=sound.key,
            name=sound.name,
            text=sound.text,
            duration_sec=len(sound.waveform) / self.explorer.sample_rate,
            units=sound.tokens.units[0].tolist(),
            entropies=[round(value, 4) for value in sound.tokens.entropies[0].tolist()],
        )

    async def _samples(self, request: web.Request) -> web.Response:
        samples = np.clip(self._sound(request).waveform, -1.0, 1.0) * 32767
        return _binary(samples.astype("<i2").tobytes())

    async def _spectrogram(self, request: web.Request) -> web.Response:
        made, hop = await self._in(self._fast, spectrogram, self._sound(request).waveform)
        return _binary(made.tobytes(), {"X-Rows": str(made.shape[1]), "X-Hop": str(hop)})

    async def _cut(self, request: web.Request) -> Segmented:
        """The segments that a request's method and rate ask for."""
        method, rate = request.query.get("method", "dp"), request.query.get("rate", "15")
        try:
            rate_hz = float(rate)
        except ValueError:
            raise ValueError(f"the rate is {rate!r}, but must be a number of Hz") from None
        sound = self._sound(request)
        return await self._in(self._fast, self.explorer.segmented, sound, method, rate_hz)

    async def _segments(self, request: web.Request) -> web.Response:
        made = await self._cut(request)
        starts = made.boundaries.nonzero().flatten().tolist()
        return web.json_response(dict(starts=starts, rate_hz=made.rate_hz))

    async def _words(self, request: web.Request) -> web.Response:
        sound = self._sound(request)
        try:
            text = (await request.json())["text"]
        except (ValueError, LookupError, TypeError, RecursionError):
            text = None
        if not isinstance(text, str):
            raise ValueError('send {"text": what is said}')
        sound.words = await self._in(self._slow, align_words, sound.waveform, text)
        return web.json_response(dict(words=sound.words))

    async def _download(self, request: web.Request) -> web.Response:
        sound, made = self._sound(request), await self._cut(request)
        suffix = request.match_info["format"]
        text = WRITERS[suffix](sound, made)
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(sound.name).stem).strip(".") or "sound"
        headers = {"Content-Disposition": f'attachment; filename="{stem}.{suffix}"'}
        return web.Response(text=text, content_type="application/octet-stream", headers=headers)


def _binary(content: bytes, headers: dict | None = None) -> web.Response:
    return web.Response(body=content, content_type="application/octet-stream", headers=headers)


def _short(name: str) -> str:
    """A file's name without folders and control characters, and not endless."""
    name = "".join(c for c in re.split(r"[/\\]", name)[-1] if c.isprintable())
    return name[:120] or "recording"


def as_json(sound: Sound, made: Segmented) -> str:
    """What `tokenize --format json` writes, with `words`."""
    words = [dict(start_sec=a, end_sec=b, word=word) for a, b, word in sound.words]
    return json.dumps(json.loads(json_line(sound.name, made)) | dict(words=words)) + "\n"


def as_tsv(sound: Sound, made: Segmented) -> str:
    """A line a unit: start_sec, end_sec, unit, entropy_nats, segment."""
    lines = ["start_sec\tend_sec\tunit\tentropy_nats\tsegment"]
    segments = (made.boundaries.long().cumsum(0) - 1).tolist()
    columns = zip(made.units.tolist(), made.entropies.tolist(), segments, strict=True)
    for frame, (unit, entropy, segment) in enumerate(columns):
        start, end = (at / made.frame_rate_hz for at in (frame, frame + 1))
        lines.append(f"{start:.4f}\t{end:.4f}\t{unit}\t{entropy:.4f}\t{segment}")
    return "\n".join(lines) + "\n"


def as_textgrid(sound: Sound, made: Segmented) -> str:
    """What `tokenize --format textgrid` writes, with a tier `words`."""
    tiers = tiers_of(made)
    if sound.words:
        words = [(start, min(end, made.duration_sec), word) for start, end, word in sound.words]
        tiers["words"] = [word for word in words if word[0] < word[1]]
    return textgrid_text(tiers, made.duration_sec)


WRITERS = {"json": as_json, "tsv": as_tsv, "TextGrid": as_textgrid}


async def start(server: Server, port: int) -> tuple[web.AppRunner, int]:
    """Listen.

    Args:
        server: whose `host` is bound to.
        port: 0 takes a free one.

    Returns:
        What `cleanup()` stops, and the port.

    Raises:
        ValueError: the port is taken, or the host is none of this machine's.
    """
    runner = web.AppRunner(
        server.application(), access_log=None, lingering_time=LINGER_SEC, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, server.host, port).start()
    except (OSError, OverflowError) as error:
        await runner.cleanup()
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"{server.host}, port {port} cannot be listened at: {reason}; --port 0 takes a free one"
        ) from error
    return runner, runner.addresses[0][1]


async def serve(server: Server, port: int, told: Callable[[str], None]) -> None:
    """Answer until SIGINT or SIGTERM.

    Args:
        server: the server.
        port: 0 takes a free one.
        told: called with the page's address once it answers.

    Raises:
        ValueError: see `start`.
    """
    ended = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, ended.set)
    runner, port = await start(server, port)
    try:
        shown = f"[{server.host}]" if ":" in server.host else server.host
        told(f"http://{shown}:{port}/")
        await ended.wait()
    finally:
        await runner.cleanup()
        server.close()
