"""Pages: everything escaped, errors marked as counted by hand, nothing from a network."""

import re
from html.parser import HTMLParser

import jinja2
import pytest

from espnet_entropy.report.render import Section, inline, make_page
from espnet_entropy.report.sections import align_words

EVIL = "<script>alert('x')</script> & \"<b>\""


class Checker(HTMLParser):
    """Tags, and whatever a browser would load."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.loaded = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href", "style")]


def page(*parts):
    return make_page("title", "", [Section("part", parts)])


def test_nothing_is_taken_as_html():
    sound = dict(label=EVIL, heard=EVIL, audio=inline("audio/flac", b"x"))
    parts = [
        EVIL,
        {"note": EVIL},
        {"missing": EVIL, "way_out": EVIL},
        [[EVIL, "n"], [EVIL, "1"]],
        {"table": [[EVIL, "n"], [EVIL, "1"]], "code": (0,)},
        {"picture": inline("image/png", b"x"), "caption": EVIL},
        {"folded": [{"pre": EVIL}], "title": EVIL},
        {"link": 'a"b.html', "text": EVIL},
        {"heading": EVIL},
        {"example": EVIL, "lines": [(EVIL, EVIL)]},
        {"example": EVIL, "lines": [(EVIL, align_words(EVIL, f"x {EVIL}"))] * 2, "aligned": True},
        {"sounds": [sound | {"spectrogram": inline("image/png", b"y")}]},
    ]
    html = make_page(EVIL, EVIL, [Section(EVIL, parts)])
    checker = Checker(html)
    assert not {"script", "b"} & set(checker.tags) and "link" not in checker.tags
    assert {"table", "figure", "details", "pre", "nav", "ins", "audio"} <= set(checker.tags)
    # Title (twice), lead and section (twice), and each EVIL above; captions are alt texts too.
    assert html.count("&lt;script&gt;") == 5 + 25
    assert checker.loaded == [
        "#part0",
        "data:image/png;base64,eA==",
        'a"b.html',
        "data:image/png;base64,eQ==",
        "data:audio/flac;base64,eA==",
    ]
    assert "url(" not in html and "@import" not in html


@pytest.mark.parametrize(
    "reference, hypothesis, expected",
    [
        ("a b c", "a b c", ("a b c", "a b c")),
        ("a b c", "a c", ("a <del>b</del> c", "a c")),
        ("a c", "a b c", ("a c", "a <ins>b</ins> c")),
        ("a b", "a x", ("a S(b)", "a S(x)")),
        ("a", "", ("<del>a</del>", "(empty)")),
        ("", "a b", ("(empty)", "<ins>a</ins> <ins>b</ins>")),
        ("", "", ("(empty)", "(empty)")),
        ("a<b", "a&b", ("S(a&lt;b)", "S(a&amp;b)")),
    ],
)
def test_marks(reference, hypothesis, expected):
    pairs = align_words(reference, hypothesis)
    html = page({"example": "u", "lines": [("said", pairs), ("decoded", pairs)], "aligned": True})
    found = re.findall(r"<dd>(.*)</dd>", html)
    assert tuple(re.sub(r"<strong>(.*?)</strong>", r"S(\1)", text) for text in found) == expected


def test_columns_of_numbers_stand_right():
    rows = [["set", "95 %", "x"], ["a", "5.0 to 7.2", "1"], ["b", "not scored", "one"]]
    html = page(rows)
    assert html.count('<td class="number">') == 2 and html.count('<th class="number">') == 1
    assert 'class="number"' not in page([["a", "b"]])


def test_a_part_of_another_kind_is_refused():
    with pytest.raises(jinja2.UndefinedError, match="a key that this template knows"):
        page({"pictures": []})
