"""Results as Markdown and HTML, by the templates beside this module.

A part of a page or of a block is a text (a paragraph), a list of rows (a table, whose first row is
the header) or a mapping. `templates/page.html` lists the keys of mappings: `note`, `picture`, ...
"""

import base64
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from espnet_entropy.data.kaldi import atomic_text, read_json, write_json

NUMBER = re.compile(
    r"[-+]?\d[\d,.]*( ?(%|s|Hz|min|MB))?( to [\d.]+| \(\d+ %\)| ± [\d.]+)?"
    r"|-||not run|not scored|out of reach"
)


@dataclass(frozen=True)
class Section:
    """A part of the page that has a heading.

    Attributes:
        title: its heading.
        parts: what the page shows under it.
    """

    title: str
    parts: Sequence


def number_columns(rows: Sequence[Sequence[str]]) -> set[int]:
    """Columns of a table that hold numbers; the first row is the header.

    Words such as "not run" are aligned like the numbers in their column.
    """
    columns = enumerate(zip(*rows[1:], strict=True))
    return {
        number
        for number, cells in columns
        if all(map(NUMBER.fullmatch, cells)) and any(re.search(r"\d|^-$", cell) for cell in cells)
    }


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=jinja2.select_autoescape(["html"], default=False),
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number_columns"] = number_columns
    return environment


def render(template: str, **values) -> str:
    """A template with its values filled in; in HTML they are escaped."""
    return _environment().get_template(template).render(**values)


def markdown(*parts) -> str:
    """Parts in Markdown, with empty lines between them: texts, notes and tables."""
    return render("parts.md", parts=parts)


def make_page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """A page as HTML, which loads nothing and runs no script.

    Args:
        title: title of the page.
        lead: the main result, in one or two sentences.
        sections: sections in order; the page begins with links to them.
    """
    return render("page.html", title=title, lead=lead, sections=sections)


def inline(kind: str, content: bytes) -> str:
    """A file as a `data:` URL; `kind` is its MIME type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def write_result(folder: Path | str, name: str, result: dict, parts_of) -> str:
    """Write NAME.json, and NAME.md as `parts_of` draws it from the JSON; return the Markdown."""
    path = Path(folder) / f"{name}.json"
    write_json(path, result)
    text = markdown(*parts_of(read_json(path)))
    with atomic_text(path.with_name(f"{name}.md")) as file:
        file.write(text + "\n")
    return text
