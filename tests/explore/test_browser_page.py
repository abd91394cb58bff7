"""The page in a real browser, whose mouse and keyboard are used as a person would."""

import asyncio
import json

import pytest
import soundfile
import tiny

pytest.importorskip("aiohttp")
import browser  # noqa: E402

from espnet_entropy.bundle.segmented import Segmentation  # noqa: E402
from espnet_entropy.explore import server  # noqa: E402

pytestmark = pytest.mark.skipif(
    browser.CHROMIUM is None,
    reason="NO CHROMIUM HERE, so the page is NOT tested: apt-get install chromium",
)
STARTS = "explore.state.rows.{}.items.map((item) => [item.startSec, item.endSec])"
SEGMENTS = "Number(document.querySelector('#row-A').dataset.segments)"
READY = "explore.state.sound?.name === '{}' && " + SEGMENTS


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("sounds") / "tones of ours.wav"
    soundfile.write(path, tiny.wave(7, 3.0), tiny.SAMPLE_RATE, subtype="FLOAT")
    return path


@pytest.fixture
def visit(explorer, tmp_path):
    """Run a coroutine function with the page, opened; its requests and complaints are checked."""

    def run(story, *, complaints=False, **options):
        async def main():
            answering = server.Server(explorer, max_bytes=1 << 20)
            runner, port = await server.start(answering, 0)
            base = f"http://127.0.0.1:{port}/"
            try:
                async with browser.browser(tmp_path / "profile", **options) as page:
                    await page.open(base)
                    await story(page)
                    assert complaints or not page.complaints
                    elsewhere = [url for url in page.requests if not url.startswith(base)]
                    assert [url for url in elsewhere if not url.startswith("data:")] == []
            finally:
                await runner.cleanup()

        asyncio.run(main())

    return run


def expected(parts, recording, **options) -> list[list[float]]:
    made = Segmentation.from_bundle(parts.bundle, **options)(recording)
    return [[segment.start_sec, segment.end_sec] for segment in made.segments]


def assert_same(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


async def set_rate(page, rate_hz):
    await page.value(
        f"(() => {{ const e = document.querySelector('#rate-number'); e.value = {rate_hz};"
        "e.dispatchEvent(new Event('input')); })()"
    )


async def settled(page, rate_hz):
    await page.until(
        f"explore.state.rateHz === {rate_hz} && explore.state.drawnHz === {rate_hz} "
        "&& explore.state.drawMs"
    )


def test_upload_drag_compare_hear_and_download(parts, recording, visit, tmp_path):
    async def story(page):
        await page.choose_file("#file", recording)
        await page.until(READY.format(recording.name))
        await settled(page, 15)
        assert_same(
            await page.value(STARTS.format("A")), expected(parts, recording, segmenter="dp")
        )
        uniform = expected(parts, recording, segmenter="uniform")
        assert_same(await page.value(STARTS.format("B")), uniform)

        # The slider has 50 Hz at its left and 5 Hz at its right.
        before = await page.value(READY.format(recording.name))
        await page.drag("#rate", [0.78, 0.7, 0.6, 0.5])
        await page.until(f"{SEGMENTS} > {before}")
        assert 25 <= await page.value("explore.state.rateHz") <= 30
        await page.drag("#rate", [0.5, 0.7, 0.87])
        await page.until(f"{SEGMENTS} < {before}")
        await set_rate(page, 15)
        await settled(page, 15)

        # A click plays the segment under it, and nothing else.
        await page.click("#row-A", at=0.5)
        await page.until("explore.playback.played === 1")
        start, end = await page.value("[explore.playback.startSec, explore.playback.endSec]")
        assert start <= 1.5 < end
        assert [start, end] in await page.value(STARTS.format("A"))
        await page.until("!explore.playback.playing")  # it ends by itself
        assert "A, segment" in await page.value("document.querySelector('#readout').innerText")

        # The keyboard does what the mouse does.
        chosen = await page.value("explore.state.rows.A.chosen")
        await page.press("ArrowRight")
        await page.press("Enter")
        await page.until("explore.playback.played === 2")
        assert await page.value("explore.state.rows.A.chosen") == chosen + 1
        assert await page.value("explore.playback.startSec") == pytest.approx(end)

        # Another method in the second row.
        await page.value(
            "(() => { const e = document.querySelector('#method-B'); e.value = 'peaks';"
            "e.dispatchEvent(new Event('change')); })()"
        )
        await page.until("explore.state.rows.B.drawn === 'peaks'")
        peaks = expected(parts, recording, segmenter="peaks")
        assert_same(await page.value(STARTS.format("B")), peaks)

        await page.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "got")
        )
        await page.click('#controls-B a[data-format="json"]')
        got = tmp_path / "got" / "tones_of_ours.json"
        for _ in range(300):
            if got.exists():
                break
            await asyncio.sleep(0.1)
        content = json.loads(got.read_text())
        assert content["units"] == await page.value("explore.state.sound.units")
        times = [[segment["start_sec"], segment["end_sec"]] for segment in content["segments"]]
        assert_same(times, peaks)

    visit(story)


def test_what_is_refused_is_told_in_the_page(recording, visit, tmp_path):
    text, short, large = (tmp_path / name for name in ("a.txt", "short.wav", "large.wav"))
    text.write_text("no sound\n")
    soundfile.write(short, tiny.wave(0, 0.004), 16000)
    large.write_bytes(bytes(3 << 20))
    shown = (
        "document.querySelector('#error').hidden ? '' : document.querySelector('#error').innerText"
    )

    async def story(page):
        for path, message in (
            (text, "a.txt: the file cannot be decoded"),
            (short, "short.wav: 64 samples (0.0040 s) are too short"),
            (large, "large.wav has 3 MB; at most 1 MB are taken"),
        ):
            await page.choose_file("#file", path)
            await page.until(f"({shown}).startsWith({json.dumps(message)})")
        # A page that did not know the limit is refused by the server.
        await page.value("explore.state.setup.max_bytes = 1e12")
        await page.choose_file("#file", large)
        await page.until(f"({shown}).includes('larger than 1 MB') || ({shown}).includes('answer')")
        # Afterwards all goes on, and a rate out of reach is told in its row.
        await page.choose_file("#file", recording)
        await page.until(READY.format(recording.name))
        assert await page.value(shown) == ""
        await set_rate(page, 1.5)
        await page.until("document.querySelector('#controls-A').innerText.includes('outside of')")
        # Keys in the row without segments do nothing.
        await page.click("#row-A")
        await page.press("ArrowRight")
        await set_rate(page, 15)
        await page.until("!document.querySelector('#controls-A').innerText.includes('outside of')")

    # The browser itself writes each refusal to its console.
    visit(story, complaints=True)


def test_a_recording_from_the_microphone(visit, tmp_path):
    microphone = tmp_path / "microphone.wav"
    soundfile.write(microphone, tiny.wave(3, 4.0), 16000)

    async def story(page):
        # A second click while the browser asks for the microphone does not open it twice.
        await page.value(
            "(() => { const m = navigator.mediaDevices, ask = m.getUserMedia.bind(m);"
            "window.asked = 0; m.getUserMedia = (what) => { window.asked += 1; return ask(what); };"
            "document.querySelector('#record').click(); })()"
        )
        await page.click("#record")
        assert await page.value("window.asked") == 1
        await page.until("document.querySelector('#record').ariaPressed === 'true'")
        await asyncio.sleep(1.5)
        await page.click("#record")
        await page.until(READY.format("recording"))
        assert 0.5 < await page.value("explore.state.sound.duration_sec") < 5.0

    visit(story, microphone=microphone)


def test_everything_has_a_name_for_screen_readers_and_fits_a_narrow_window(recording, visit):
    async def story(page):
        await page.choose_file("#file", recording)
        await page.until(READY.format(recording.name))
        await page.call("Accessibility.enable")
        tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        kinds = ("button", "slider", "combobox", "textbox", "spinbutton", "link")
        used = [node for node in tree if node.get("role", {}).get("value") in kinds]
        assert len(used) >= 14
        assert [node for node in used if not node.get("name", {}).get("value")] == []
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.value(width) <= 0

    visit(story, size="700,900")
