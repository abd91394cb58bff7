"""utils/download.sh: archives come whole, checked, and once."""

import hashlib
import http.server
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
DOWNLOAD = ROOT / "egs2/TEMPLATE/utils/download.sh"


def download(url, folder, *md5):
    return subprocess.run(
        ["bash", DOWNLOAD, url, folder, *md5], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def archive(tmp_path):
    """A file that curl fetches by its address."""
    (tmp_path / "inside").write_text("content " * 1000)
    command = ["tar", "-czf", tmp_path / "corpus.tar.gz", "-C", tmp_path, "inside"]
    subprocess.run(command, check=True)
    return tmp_path / "corpus.tar.gz"


def test_a_download_is_continued_checked_and_done_once(archive, tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    half = archive.read_bytes()[: archive.stat().st_size // 2]
    (folder / "corpus.tar.gz.part").write_bytes(half)
    done = download(f"file://{archive}", folder, hashlib.md5(archive.read_bytes()).hexdigest())
    assert done.returncode == 0, done.stderr
    assert (folder / "inside").read_text() == (tmp_path / "inside").read_text()
    assert not (folder / "corpus.tar.gz").exists()
    assert "unpacked already" in download("file:///nothing/corpus.tar.gz", folder).stdout


class Ranges(http.server.BaseHTTPRequestHandler):
    """A server that gives the rest of a file, and 416 where nothing is left."""

    content = b""

    def do_GET(self):
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        rest = self.content[begin:]
        self.send_response(416 if not rest else 206 if begin else 200)
        if begin:
            what = f"{begin}-{begin + len(rest) - 1}" if rest else "*"
            self.send_header("Content-Range", f"bytes {what}/{len(self.content)}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)

    def log_message(self, *words):
        pass


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_a_download_goes_on_over_http(archive, tmp_path, monkeypatch, share):
    """Also one that was whole when its run was killed, before it had its name."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    content = archive.read_bytes()
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "corpus.tar.gz.part").write_bytes(content[: round(share * len(content))])
    handler = type("Handler", (Ranges,), {"content": content})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/corpus.tar.gz"
        done = download(url, folder, hashlib.md5(archive.read_bytes()).hexdigest())
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert (folder / "inside").read_text() == (tmp_path / "inside").read_text()


def test_a_missing_address_is_named_and_a_wrong_or_cut_off_archive_removed(archive, tmp_path):
    folder = tmp_path / "downloads"
    done = download("file:///nothing/corpus.tar.gz", folder)
    assert done.returncode == 1 and "could not be fetched" in done.stderr
    done = download(f"file://{archive}", folder, "0" * 32)
    assert done.returncode == 1 and "had another md5" in done.stderr
    archive.write_bytes(archive.read_bytes()[:100])
    done = download(f"file://{archive}", folder)
    assert done.returncode == 1 and "could not be unpacked and was removed" in done.stderr
    assert not list(folder.glob("corpus*"))
