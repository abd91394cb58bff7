"""Records of what results were made from: which inputs count as the same."""

import os
import shutil

import pytest

from espnet_entropy.data.provenance import (
    Journal,
    Provenance,
    Source,
    fingerprint,
    refreshed,
    stale,
)


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"one sound")
    return path


def known(path):
    return fingerprint(Source.of(str(path)))


def test_a_moved_copied_or_touched_file_is_the_same(sound, tmp_path):
    before = known(sound)
    os.utime(sound, ns=(1, 1))
    assert refreshed(Source(str(sound)), before) == known(sound) != before
    shutil.copy(sound, tmp_path / "b.wav")
    assert refreshed(Source(str(tmp_path / "b.wav")), before) == known(tmp_path / "b.wav")
    sound.rename(tmp_path / "c.wav")
    assert refreshed(Source(str(tmp_path / "c.wav")), before)


def test_another_content_of_the_same_size_and_time_is_another_file(sound):
    os.utime(sound, ns=(1, 1))
    before = known(sound)
    sound.write_bytes(b"two sound")
    os.utime(sound, ns=(1, 1))  # as archives set it
    assert refreshed(Source(str(sound)), before) is None


def test_a_file_that_has_gone_or_come_is_another_one(sound):
    before = known(sound)
    sound.unlink()
    assert refreshed(Source(str(sound)), before) is None
    gone = known(sound)
    assert gone.size == -1 and refreshed(Source(str(sound)), gone) == gone
    sound.write_bytes(b"one sound")
    assert refreshed(Source(str(sound)), gone) is None


def test_unchanged_files_are_not_read(sound):
    before = known(sound)._replace(sha256="not that of the content")
    assert refreshed(Source(str(sound)), before) == before


def test_arks_are_compared_by_offset_and_their_content_is_not_read(tmp_path):
    ark = tmp_path / "a.ark"
    ark.write_bytes(b"many sounds")
    before = known(f"{ark}:12")
    assert before.source == Source(str(ark), "12", True) and before.sha256 == ""
    assert refreshed(Source.of(f"{ark}:12"), before) == before
    assert refreshed(Source.of(f"{ark}:13"), before) is None
    os.utime(ark, ns=(1, 1))
    assert refreshed(Source.of(f"{ark}:12"), before) is None
    # A file can have a name like this.
    (tmp_path / "12:30").write_bytes(b"")
    assert Source.of(f"{tmp_path}/12:30") == Source(f"{tmp_path}/12:30")


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert known(tmp_path / "pipe").sha256 == ""


def test_why_a_result_is_stale(sound, tmp_path):
    record, settings = tmp_path / "record", {"rate": 15.0}
    sources = {"utt": Source(str(sound))}
    assert stale(record, settings, sources) == "no record says what it was made from"
    made_from = Provenance(settings)
    made_from.note("utt", sources["utt"])
    made_from.save(record)
    assert stale(record, settings, sources) is None
    assert stale(record, {"rate": 10.0}, sources) == "it was made with rate 15.0, not 10.0"
    assert "other inputs (new, ...)" in stale(record, settings, sources | {"new": Source("b.wav")})
    # A moved file is read once, and then its new place is recorded.
    moved = {"utt": Source(str(sound.rename(tmp_path / "b.wav")))}
    assert stale(record, settings, moved) is None
    assert Provenance.load(record).sources == {"utt": known(tmp_path / "b.wav")}
    (tmp_path / "b.wav").write_bytes(b"another")
    assert "utt has changed since" in stale(record, settings, moved)
    record.write_text("no record\n")
    assert stale(record, settings, moved) == "no record says what it was made from"


def test_a_truncated_journal_continues(sound, tmp_path):
    path, source = tmp_path / "journal", Source(str(sound))
    journal = Journal(path, {"rate": 15.0})
    assert not path.exists()
    for name in ("a", "b"):
        journal.add(name, fingerprint(source), f"made of {name}")
    path.write_bytes(path.read_bytes()[:-3])
    journal = Journal(path, {"rate": 15.0})
    assert journal.has("a", source) and not journal.has("b", source)
    journal.add("b", fingerprint(source), "made again")
    journal = Journal(path, {"rate": 15.0})
    assert list(journal.made(["b", "a"])) == [("b", "made again"), ("a", "made of a")]
    sound.write_bytes(b"another")
    assert not journal.has("a", source)


def test_a_journal_of_other_settings_or_another_file_is_refused(sound, tmp_path):
    Journal(tmp_path / "journal", {"rate": 15.0}).add("a", fingerprint(Source(str(sound))))
    with pytest.raises(ValueError, match="journal .*with rate 15.0, not 10.0; choose another"):
        Journal(tmp_path / "journal", {"rate": 10.0})
    notes = tmp_path / "notes"
    notes.write_text("mine\nand mine\n")
    with pytest.raises(ValueError, match="notes is not a record of this command.*move it away"):
        Journal(notes, {})
    assert notes.read_text() == "mine\nand mine\n"
