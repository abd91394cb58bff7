"""Token lists: ESPnet's order, text that survives a round trip, refusals."""

import pytest
import sentencepiece

from espnet_entropy.bin import token_list

SENTENCES = ["please try again", "press one to try again", "thank you", "größe ё"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_text("".join(f"u{i} {s}\n" for i, s in enumerate(SENTENCES)) + "u9\n")
    return path


def make(text, output, *options):
    token_list.main(["--text", str(text), "--output", str(output), *options])
    return (output / "tokens.txt").read_text().splitlines()


def test_bpe_tokens_are_the_pieces_of_the_model(text, tmp_path):
    tokens = make(text, tmp_path / "bpe", "--vocab_size", "40")
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    # <unk> is a piece already; <blank> and <sos/eos> come on top.
    assert len(tokens) == len(set(tokens)) == 42
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "bpe" / "bpe.model"))
    for sentence in SENTENCES:
        pieces = model.encode(sentence, out_type=str)
        assert set(pieces) <= set(tokens)
        assert model.decode(pieces) == sentence


def test_characters_by_frequency(text, tmp_path):
    tokens = make(text, tmp_path / "char", "--token_type", "char")
    assert tokens[:3] == ["<blank>", "<unk>", "<space>"] and tokens[-1] == "<sos/eos>"
    assert set(tokens[3:-1]) == set("".join(SENTENCES)) - {" "}


@pytest.mark.parametrize("size", ["5", "100000"])
def test_impossible_size_names_the_possible_ones(text, tmp_path, size):
    with pytest.raises(SystemExit, match=rf"--vocab_size {size} does not fit .* choose \d+"):
        make(text, tmp_path / "bpe", "--vocab_size", size)
    assert not (tmp_path / "bpe" / "tokens.txt").exists()


def test_text_without_words_is_refused(tmp_path):
    (tmp_path / "text").write_text("u1\nu2 \n")
    with pytest.raises(SystemExit, match="no utterance has text"):
        make(tmp_path / "text", tmp_path / "bpe")
