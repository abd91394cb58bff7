"""dump: one pass from sound gives the bytes of the two passes over units."""

import tiny

from espnet_entropy.bin import dump, merge_shards
from espnet_entropy.data.shards import shard_paths


def test_one_pass_equals_two(parts, tmp_path):
    tiny.command(dump, wav_scp=parts.wav_scp, bundle=parts.bundle, output=tmp_path)
    ark, _ = shard_paths(tmp_path, 1)
    expected, _ = shard_paths(parts.dump, 1)
    assert ark.read_bytes() == expected.read_bytes()

    tiny.command(merge_shards, output=tmp_path, expect=parts.wav_scp, data=parts.data)
    for path in parts.dump.iterdir():
        if path.is_file():
            content = path.read_text().replace(str(parts.dump), str(tmp_path))
            assert (tmp_path / path.name).read_text() == content, path.name
