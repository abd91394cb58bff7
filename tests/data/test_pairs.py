"""Which translations can be learned from."""

import pytest

from espnet_entropy.data.pairs import select_pairs


@pytest.mark.parametrize(
    "lang, text, reason",
    [
        ("es", "¡Adiós, señor!", None),
        ("ru", "Нажмите «один».", None),
        ("ru", "Сообщения в Voice Mail", None),  # names are of another script; half is enough
        ("zh", "今天天气很好。", None),
        ("xx", "anything", None),
        ("es", "", "empty text in es"),
        ("es", " \t", "empty text in es"),
        ("fr", "42 ?", "no letter in: 42 ?"),
        ("ru", "Press one", "not in the script of ru: Press one"),
        ("es", "Нажмите", "not in the script of es: Нажмите"),
        ("zh", "hello", "not in the script of zh: hello"),
    ],
)
def test_texts(lang, text, reason):
    pairs = select_pairs(["u1"], {"u1": text}, lang)
    assert pairs.left_out.get("u1") == reason
    assert pairs.kept == ({} if reason else {"u1": text})


def test_a_missing_language_is_told_and_the_order_kept():
    pairs = select_pairs(["b", "a", "c"], {"c": "sí", "b": " no \n  ya ", "other": "x"}, "es")
    assert list(pairs.kept.items()) == [("b", "no ya"), ("c", "sí")]
    assert pairs.left_out == {"a": "no text in es"}
