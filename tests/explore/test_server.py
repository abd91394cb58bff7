"""Requests over loopback: what is answered, and what is refused with which words."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

aiohttp = pytest.importorskip("aiohttp")
from espnet_entropy.bin import explore  # noqa: E402
from espnet_entropy.data.kaldi import read_table  # noqa: E402
from espnet_entropy.explore import guard, server  # noqa: E402

SOUND = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def talk(explorer):
    """Run a coroutine function with a session whose base address is a server's."""

    def run(story, *, max_bytes=1 << 20):
        async def main():
            runner, port = await server.start(server.Server(explorer, max_bytes=max_bytes), 0)
            try:
                base = f"http://127.0.0.1:{port}"
                async with aiohttp.ClientSession(base) as session:
                    return await asyncio.wait_for(story(session), 120)
            finally:
                await runner.cleanup()

        return asyncio.run(main())

    return run


async def refused(answer) -> tuple[int, str]:
    async with answer as response:
        return response.status, (await response.json())["error"]


async def uploaded(session, path: str, name: str = "d.wav") -> dict:
    body = Path(path).read_bytes()
    async with session.post("/api/sounds", params={"name": name}, data=body, headers=SOUND) as made:
        assert made.status == 200, await made.text()
        return await made.json()


def test_the_page_and_its_parts_ask_for_nothing_elsewhere(talk):
    async def story(session):
        for part in ("", *(f"page/{name}" for name in server.PARTS)):
            async with session.get(f"/{part}") as answer:
                text = await answer.text()
                assert (
                    answer.status == 200
                    and "default-src 'none'" in answer.headers["Content-Security-Policy"]
                )
                assert "http:" not in text and "https:" not in text

    talk(story)


def test_a_sound_from_upload_to_download(talk, parts, explorer):
    path = read_table(parts.wav_scp)["utt-d"]

    async def story(session):
        sound = await uploaded(session, path, "../müll/d 1.wav")
        assert sound["name"] == "d 1.wav"
        base, query = f"/api/sounds/{sound['key']}", {"method": "dp", "rate": "15"}
        async with session.get(f"{base}/samples") as answer:
            assert len(await answer.read()) == 2 * round(tiny.SECONDS["utt-d"] * 16000)
        async with session.get(f"{base}/spectrogram") as answer:
            assert len(await answer.read()) % int(answer.headers["X-Rows"]) == 0
        async with session.get(f"{base}/segments", params=query) as answer:
            starts = (await answer.json())["starts"]
        held = explorer.sound(sound["key"])
        held.words = [(0.1, 0.4, "one"), (0.6, 9.0, "two")]
        files = {}
        for suffix in server.WRITERS:
            async with session.get(f"{base}/download/{suffix}", params=query) as answer:
                assert answer.headers["Content-Disposition"].endswith(f'filename="d_1.{suffix}"')
                files[suffix] = await answer.text()
        return sound, starts, explorer.segmented(held, "dp", 15.0), files

    sound, starts, made, files = talk(story)
    assert starts == made.boundaries.nonzero().flatten().tolist()
    content = json.loads(files["json"])
    assert content["units"] == sound["units"] == made.units.tolist()
    assert len(content["segments"]) == len(starts)
    assert content["words"][0] == dict(start_sec=0.1, end_sec=0.4, word="one")
    rows = [line.split("\t") for line in files["tsv"].splitlines()]
    assert len(rows) == len(made.units) + 1 and int(rows[-1][4]) == len(starts) - 1
    # Pauses are filled, and no word ends after the sound.
    tier = files["TextGrid"].partition('name = "words"')[2]
    found = re.findall(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "(.*)"', tier)
    ends = [0.0, 0.1, 0.4, 0.6, tiny.SECONDS["utt-d"]]
    assert [text for *_, text in found] == ["", "one", "", "two"]
    assert [float(end) for _, end, _ in found] == pytest.approx(ends[1:])
    assert [float(start) for start, *_ in found] == pytest.approx(ends[:-1])


def test_examples_go_by_number(talk, explorer):
    async def story(session):
        async with session.get("/api/setup") as answer:
            setup = await answer.json()
        assert setup["examples"] == [example.name for example in explorer.examples]
        async with session.post("/api/examples/1") as answer:
            assert (await answer.json())["text"] == "two"
        assert (await refused(session.post("/api/examples/99")))[0] == 404

    talk(story)


def test_oversized_uploads_are_refused_before_they_are_read(talk, monkeypatch, explorer):
    read = []
    monkeypatch.setattr(explorer, "add", lambda *args: read.append(args))

    async def announced(session):
        # A gigabyte is announced, and not a byte of it sent.
        reader, writer = await asyncio.open_connection("127.0.0.1", session._base_url.port)
        head = "POST /api/sounds HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1073741824\r\n"
        writer.write(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode())
        line = await asyncio.wait_for(reader.readline(), 20)
        writer.close()
        assert b" 413 " in line

    async def unannounced(session):
        sent = 0

        async def pieces():
            nonlocal sent
            while sent < 200 << 20:
                sent += 1 << 16
                yield bytes(1 << 16)

        try:
            answer = await refused(session.post("/api/sounds", data=pieces(), headers=SOUND))
        except aiohttp.ClientError:
            answer = (413, "larger than 1 MB")  # closed while we were still sending
        assert answer[0] == 413 and "larger than 1 MB" in answer[1]
        assert sent < 200 << 20

    talk(announced)
    talk(unannounced)
    assert not read


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"", SOUND, 422, "x.wav is empty"),
        (b"no sound at all", SOUND, 422, "x.wav: the file cannot be decoded"),
        (b"RIFF....WAVE", {"Content-Type": "text/plain"}, 415, "application/octet-stream"),
    ],
)
def test_uploads_that_are_refused(talk, body, headers, status, message):
    async def story(session):
        post = session.post("/api/sounds?name=x.wav", data=body, headers=headers)
        found = await refused(post)
        assert found[0] == status and message in found[1]

    talk(story)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_requests_of_other_pages_are_refused(talk, headers):
    async def story(session):
        for post in (
            session.get("/api/setup", headers=headers),
            session.post("/api/sounds", data=b"x", headers=SOUND | headers),
        ):
            status, message = await refused(post)
            assert status == 403 and ("not called" in message or "another page" in message)

    talk(story)


def test_requests_of_the_page_itself_are_answered(talk):
    async def story(session):
        port = session._base_url.port
        for name in ("127.0.0.1", "localhost", "[::1]"):
            host = f"{name}:{port}"
            headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
            async with session.get("/api/setup", headers=headers) as answer:
                assert answer.status == 200
        # a link to the page on another one
        async with session.get("/", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            assert answer.status == 200

    talk(story)


@pytest.mark.parametrize(
    "path",
    [
        "/page/..%2fserver.py",
        "/page//etc/passwd",
        "/../../etc/passwd",
        "/api/sounds/0123456789abcdef/samples",
        "/api/sounds/0123456789abcdef/download/exe",
        "/api/examples/-1",
    ],
)
def test_paths_lead_nowhere(talk, path):
    async def story(session):
        from yarl import URL

        url = URL(f"{session._base_url.origin()}{path}", encoded=True)
        for method in ("GET", "POST"):
            assert (await refused(session.request(method, url)))[0] in (404, 405)

    talk(story)


def test_rates_out_of_reach_and_texts_that_are_none(talk, parts):
    async def story(session):
        sound = await uploaded(session, read_table(parts.wav_scp)["utt-a"])
        base = f"/api/sounds/{sound['key']}"
        for query, message in (
            ("method=peaks%2Bon_change&rate=45", "outside of what 'peaks+on_change' reached"),
            ("method=dp&rate=fast", "the rate is 'fast'"),
            ("method=dp&rate=inf", "rate_hz is inf"),
        ):
            for part in ("segments", "download/json"):
                status, text = await refused(session.get(f"{base}/{part}?{query}"))
                assert status == 422 and message in text
        unknown = {"Content-Type": "application/json; charset=unknown"}
        for body in (b"{", b"[]", b'{"text": 1}', b"{}", b"[" * 60_000):
            for headers in ({}, unknown):
                post = session.post(f"{base}/words", data=body, headers=headers)
                status, text = await refused(post)
                assert status == 422 and "what is said" in text
        status, _ = await refused(session.post(f"{base}/words", data=b" " * (1 << 17)))
        assert status == 413

    talk(story)


def test_a_fault_of_ours_is_told_without_its_inside(talk, explorer, monkeypatch, caplog):
    monkeypatch.setattr(explorer, "methods", lambda: 1 / 0)

    async def story(session):
        assert await refused(session.get("/api/setup")) == (
            500,
            "that was an error of ours; the server's terminal shows it",
        )

    talk(story)
    assert "ZeroDivisionError" in caplog.text


def test_names_of_a_server_that_others_reach():
    for host, name, good in (
        ("127.0.0.1", "192.168.1.5", False),
        ("0.0.0.0", "192.168.1.5", True),
        ("0.0.0.0", "evil.example", False),
        ("box.local", "box.local", True),
    ):
        assert guard._may_be_called(name, host) is good
    assert [guard.is_loopback(h) for h in ("127.0.0.2", "::1", "localhost")] == [True] * 3
    assert [guard.is_loopback(h) for h in ("0.0.0.0", "box.local", "::")] == [False] * 3


def test_the_command_tells_its_address_and_ends_by_ctrl_c(parts):
    import signal
    import urllib.request

    words = ["--bundle", str(parts.bundle), "--port", "0", "--no_browser"]
    process = subprocess.Popen(
        [sys.executable, "-m", "espnet_entropy.bin.explore", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("the page: http://127.0.0.1:"), process.stderr.read()
        address = line.split()[2]
        assert b"Speech in segments" in urllib.request.urlopen(address, timeout=60).read()
        taken = address.rstrip("/").rpartition(":")[2]
        with pytest.raises(SystemExit) as error:
            explore.main([*words[:2], "--port", taken, "--no_browser"])
        assert f"port {taken} cannot be listened at" in str(error.value)
        assert "--port 0" in str(error.value)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out.strip(), err) == (0, "stopped", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max_sounds", "0"], "--max_sounds is 0"),
        (["--sounds", "/nowhere"], "is no folder"),
        (["--port", "-1"], "port -1"),
        (["--host", "256.0.0.1", "--port", "0"], "256.0.0.1"),
    ],
)
def test_options_that_are_refused(parts, words, message):
    with pytest.raises(SystemExit) as error:
        explore.main(["--bundle", str(parts.bundle), "--no_browser", *words])
    assert str(error.value).startswith("error: ") and message in str(error.value)


def test_a_host_that_others_reach_is_warned_of(parts, monkeypatch, capsys):
    async def told(server, port, tell):
        tell("http://0.0.0.0:1/")

    monkeypatch.setattr(server, "serve", told)
    explore.main(["--bundle", str(parts.bundle), "--no_browser", "--host", "0.0.0.0"])
    out = capsys.readouterr().out
    assert out.startswith("warning: whoever reaches") and "http://0.0.0.0:1/" in out
