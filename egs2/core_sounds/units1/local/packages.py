"""The Debian packages of Asterisk's core sounds: where things are, checksums, transcripts."""

import gzip
import hashlib
import re
from collections import Counter
from pathlib import Path

RECORD = re.compile(r"([\w/-]+):\s*(.*)")
GLUED = re.compile(r"(?<=[\s.])([a-z][\w/]*(?:-[\w/]+)+): ")
# The Italian list lost some accented letters to question marks.
ITALIAN_LOST = (
    (r"\bsar\?", "sarà"),
    (r"\bpu\?", "può"),
    (r"\bcos\?", "così"),
    (r"\bpi\?", "più"),
    (r"(?<=\s)\?(?=\s)", "è"),
)


def find_language(root: Path, lang: str) -> tuple[Path, Path]:
    """The folder of G.722 files and the transcript of one language, anywhere below `root`."""
    packages = f"asterisk-core-sounds-{lang} and asterisk-core-sounds-{lang}-g722"
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; unpack {packages} there or omit --data_dir")
    own = re.compile(rf"{lang}(_.*)?|asterisk-core-sounds-{lang}-g722.*")
    # Hidden folders hold unfinished downloads.
    seen = [p for p in sorted(root.rglob("*")) if "/." not in f"/{p.relative_to(root)}"]
    audio = [p for p in (root, *seen) if own.fullmatch(p.name) and (p / "digits/1.g722").is_file()]
    texts = [p for p in seen if re.fullmatch(rf"core-sounds-{lang}\.txt(\.gz)?", p.name)]
    wanted = {
        f"G.722 files ({lang}*/digits/1.g722 and others)": audio,
        f"the transcript core-sounds-{lang}.txt or .txt.gz": texts,
    }
    for what, found in wanted.items():
        if not found:
            raise ValueError(
                f"{root}: {what} not found for language '{lang}'; it comes with the packages "
                f"{packages}. Add it, drop '{lang}' from --langs, or omit --data_dir to download"
            )
        if len(found) > 1:
            raise ValueError(
                f"{root}: several candidates for {what}: "
                f"{', '.join(map(str, found))}; keep one of them"
            )
    return audio[0], texts[0]


def read_transcript(path: Path) -> bytes:
    """The uncompressed bytes of core-sounds-LANG.txt or .txt.gz."""
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError) as error:
        way_out = "remove it and fetch it again"
        raise ValueError(f"{path}: cannot be unpacked ({error}); {way_out}") from error


def content_digests(audio: Path, transcript: Path, lang: str) -> dict[str, str]:
    """sha256 of the content, whatever package it came in: `{label: hex digest}`."""
    listing = []
    for path in sorted(audio.rglob("*.g722")):
        name = path.relative_to(audio).as_posix()
        listing.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n")
    joined = "".join(sorted(listing)).encode()
    return {
        f"audio/{lang}": hashlib.sha256(joined).hexdigest(),
        f"transcript/{lang}": hashlib.sha256(read_transcript(transcript)).hexdigest(),
    }


def read_checksums(path: Path) -> dict[str, str]:
    rows = (line.split() for line in path.read_text().splitlines() if line.strip())
    return {label: digest for digest, label in rows}


def verify_checksums(audio: Path, transcript: Path, lang: str, checksums: Path) -> None:
    """Refuse audio or a transcript that is not, byte for byte, what the recipe was made on."""
    expected = read_checksums(checksums)
    for label, digest in content_digests(audio, transcript, lang).items():
        if expected.get(label) == digest:
            continue
        suffix, where = ("-g722", audio) if label.startswith("audio") else ("", transcript)
        raise ValueError(
            f"package asterisk-core-sounds-{lang}{suffix}: content of {where} has sha256 {digest}, "
            f"but {checksums.name} says {expected.get(label)} ({label}). A cut-off or changed "
            f"download: remove downloads/{lang} and run data.sh again, give another copy with "
            f"--data_dir DIR, or take it as it is with --skip_checksums true"
        )


def parse_transcript(content: bytes, lang: str) -> tuple[dict[str, str], Counter]:
    """`{prompt name: raw text}` and the faults met, counted.

    Two records glued into one line are parted (a line of its own wins), and of two lines with
    one name the first with text counts.
    """
    own: dict[str, str] = {}
    glued: dict[str, str] = {}
    faults: Counter = Counter()
    for line in content.decode("utf-8-sig").splitlines():
        if not line.strip() or line.startswith(";"):
            continue
        match = RECORD.fullmatch(line.strip())
        if not match:
            faults["line without a prompt name"] += 1
            continue
        name, rest = match.groups()
        first, *others = GLUED.split(f" {rest}")
        faults["second transcript of one prompt"] += bool(own.get(name))
        own[name] = own.get(name) or first.strip()
        for other, text in zip(others[::2], others[1::2], strict=True):
            faults["records glued into one line"] += 1
            glued[other] = text.strip()
    for name, text in glued.items():
        own[name] = own.get(name) or text
    if lang == "it":
        for pattern, letter in ITALIAN_LOST:
            own = {name: re.sub(pattern, letter, text) for name, text in own.items()}
    return own, +faults
