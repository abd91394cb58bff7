"""A report as one HTML file: tables, pictures, texts; no script, nothing from a network.

The functions return pieces of HTML in which everything given is escaped; `make_page` joins them.
"""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; color: #111; background: #fff; max-width: 68rem;
  margin: 1.5rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0 0 .5rem } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem;
  border-bottom: 2px solid #111 }
nav { font-size: .9rem } nav a { color: inherit; margin-right: 1rem; display: inline-block }
.lead { font-size: 1.1rem } .table { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #bbb; text-align: left;
  vertical-align: top }
th { border-bottom: 1.5px solid #111 } .number { text-align: right; white-space: nowrap }
figure { margin: 1rem 0 } img { max-width: 100% } figcaption, .note { color: #444;
  font-size: .9rem }
.missing { border-left: 4px solid #999; padding-left: .6rem; font-style: italic }
code, pre { font: .82rem/1.4 ui-monospace, monospace } code { overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; padding: .6rem }
details { margin: .4rem 0 } summary { cursor: pointer }
dl.example { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem;
  margin: 0 0 1rem } dl.example dt { color: #444 } dl.example dd { margin: 0 }
dl.example .title { grid-column: 1 / -1; font-weight: bold }
.substituted { font-weight: bold; text-decoration: underline }
del { text-decoration: line-through } ins { font-weight: bold; text-decoration: none;
  border: 1px solid #111; padding: 0 .15rem }
@media print { body { max-width: none; margin: 0; font-size: 11pt } nav { display: none }
  figure, tr, dl { break-inside: avoid } h2 { break-after: avoid } }
"""
NUMBER = re.compile(
    r"[-+]?\d[\d,.]*( ?(%|s|Hz|min|MB))?( ?\[.*\]| \(\d+ %\)| ± [\d.]+)?|-||not run|out of reach"
)


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading, not escaped yet.
        parts: pieces of HTML.
    """

    title: str
    parts: Sequence[str]


def paragraph(text: str, style: str = "") -> str:
    """A paragraph; `style` is a class of the sheet, such as `note`."""
    return f'<p class="{style}">{html.escape(text)}</p>' if style else f"<p>{html.escape(text)}</p>"


def not_run(what: str, way_out: str = "") -> str:
    """That a part is missing, and how it would come about."""
    return paragraph(f"{what}: not run{'; ' + way_out if way_out else ''}", "missing")


def table(rows: Sequence[Sequence[str]], *, code: Sequence[int] = ()) -> str:
    """A table whose first row is the header; columns of numbers are set to the right.

    Args:
        rows: cells.
        code: columns that are set as code.
    """
    header, body = rows[0], rows[1:]
    columns = [[row[column] for row in body] for column in range(len(header))]
    numbers = {
        column
        for column, cells in enumerate(columns)
        # Words such as "not run" take the side of the numbers they stand among.
        if all(map(NUMBER.fullmatch, cells)) and any(re.search(r"\d", cell) for cell in cells)
    }

    def line(cells: Sequence[str], tag: str) -> str:
        made = []
        for column, cell in enumerate(cells):
            text = html.escape(cell)
            if tag == "td" and column in code:
                text = f"<code>{text}</code>"
            kind = ' class="number"' if column in numbers else ""
            made.append(f"<{tag}{kind}>{text}</{tag}>")
        return "<tr>" + "".join(made) + "</tr>"

    inner = line(header, "th") + "".join(line(row, "td") for row in body)
    return f'<div class="table"><table>{inner}</table></div>'


def picture(path: Path | str, caption: str) -> str:
    """A PNG inside the page."""
    content = base64.b64encode(Path(path).read_bytes()).decode()
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{content}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def folded(title: str, text: str) -> str:
    """A text as it is, which is shown when the title is clicked."""
    return (
        f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>"
    )


def preformatted(text: str) -> str:
    """A text as it is, such as a command."""
    return f"<pre>{html.escape(text)}</pre>"


def link(path: str, text: str) -> str:
    """A link to a file beside the page."""
    return f'<p><a href="{html.escape(path)}">{html.escape(text)}</a></p>'


def align_words(reference: str, hypothesis: str) -> list[tuple[str, str, str]]:
    """Words beside each other, along the alignment with the fewest errors (jiwer's).

    Returns:
        (kind, word of the reference, word of the hypothesis); kind is `equal`, `substitute`,
        `delete` or `insert`, and the word that is not there is empty.
    """
    ref, hyp = reference.split(), hypothesis.split()
    if not ref:  # jiwer refuses an empty reference
        return [("insert", "", word) for word in hyp]
    import jiwer

    pairs = []
    for chunk in jiwer.process_words(" ".join(ref), " ".join(hyp)).alignments[0]:
        ours = ref[chunk.ref_start_idx : chunk.ref_end_idx]
        theirs = hyp[chunk.hyp_start_idx : chunk.hyp_end_idx]
        length = max(len(ours), len(theirs))
        ours, theirs = ours + [""] * (length - len(ours)), theirs + [""] * (length - len(theirs))
        pairs += [(chunk.type, a, b) for a, b in zip(ours, theirs, strict=True)]
    return pairs


def marked(pairs: Sequence[tuple[str, str, str]]) -> tuple[str, str]:
    """Reference and hypothesis of `align_words` as HTML, the errors marked without colour.

    Words left out are struck through in the reference, words too many framed in the hypothesis,
    replaced ones bold and underlined in both.
    """
    reference, hypothesis = [], []
    for kind, ours, theirs in pairs:
        ours, theirs = html.escape(ours), html.escape(theirs)
        if kind == "substitute":
            ours, theirs = (f'<span class="substituted">{word}</span>' for word in (ours, theirs))
        elif kind == "delete":
            ours = f"<del>{ours}</del>"
        elif kind == "insert":
            theirs = f"<ins>{theirs}</ins>"
        reference.append(ours)
        hypothesis.append(theirs)
    return tuple(" ".join(filter(None, words)) or "(empty)" for words in (reference, hypothesis))


def example(title: str, lines: Sequence[tuple[str, str]]) -> str:
    """Lines that belong together: (label, HTML); title and labels not escaped yet."""
    inner = "".join(f"<dt>{html.escape(label)}</dt><dd>{text}</dd>" for label, text in lines)
    return f'<dl class="example"><dt class="title">{html.escape(title)}</dt>{inner}</dl>'


def make_page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page as HTML.

    Args:
        title: of the page.
        lead: what a reader in haste should know, one sentence or two.
        sections: in their order; the page begins with links to them.
    """
    links = "".join(
        f'<a href="#part{number}">{html.escape(section.title)}</a>'
        for number, section in enumerate(sections)
    )
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>",
        f"<h1>{html.escape(title)}</h1>{paragraph(lead, 'lead')}<nav>{links}</nav>",
    ]
    for number, section in enumerate(sections):
        parts.append(f'<h2 id="part{number}">{html.escape(section.title)}</h2>')
        parts += section.parts
    return "\n".join(parts) + "\n</html>\n"
