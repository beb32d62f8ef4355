"""The drawing as one self-contained HTML page, and as a PNG."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import textwrap
from functools import cache
from io import BytesIO
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import altair as alt
import vl_convert
from PIL import Image

from trials.picture.charts import chart
from trials.picture.findings import failures
from trials.picture.marks import FONT, INK, QUIET
from trials.picture.measures import TimeAxis, clock
from trials.picture.words import explanation, figures, headline, kinds_of_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trials.picture.recording import Recording

DOTS_OF_A_PIXEL = 2
"""The PNG is twice as fine as the page's drawing, so that it stays sharp where a site scales it."""
TITLE_LETTERS, SUBTITLE_LETTERS = 88, 165

PAGE = Template((Path(__file__).parent / "page.html").read_text())

# The drawing stands in the page as JSON, which no browser runs. `ast`: Vega evaluates its expressions itself,
# so that the page's policy need not allow code made from text.
DRAW = """
const drawing = JSON.parse(document.getElementById("drawing").textContent);
vegaEmbed("#picture", drawing, {actions: false, ast: true, renderer: "svg"});
"""


def page(recordings: list[Recording]) -> str:
    """One HTML page: the title, the drawing, tables of its figures, and the figures as JSON.

    Nothing is loaded from outside; the page's own policy forbids it, and any script but the page's two.
    """
    library = _library()
    return PAGE.substitute(
        policy=" ".join(f"'sha256-{_digest(script)}'" for script in (library, DRAW)),
        title=html.escape(headline(recordings)),
        explanation=html.escape(explanation(recordings)),
        ways="\n".join(_way(recording) for recording in recordings),
        pushes="\n".join(row for recording in recordings for row in _pushes(recording)),
        drawing=_json(chart(recordings).to_dict()),
        figures=_json([figures(recording) for recording in recordings]),
        library=library,
        draw=DRAW,
    )


def png(recordings: list[Recording]) -> bytes:
    """The same drawing, with its title, as a PNG on white.

    Its colours are kept as a palette: a third of the bytes, in a repository that keeps each version.
    """
    titled = chart(recordings).properties(
        title=alt.TitleParams(
            text=textwrap.wrap(headline(recordings), TITLE_LETTERS),
            subtitle=textwrap.wrap(explanation(recordings), SUBTITLE_LETTERS),
            anchor="start",
            font=FONT,
            subtitleFont=FONT,
            fontSize=22,
            subtitleFontSize=12,
            color=INK,
            subtitleColor=QUIET,
            subtitlePadding=8,
            offset=18,
        )
    )
    drawn = vl_convert.vegalite_to_png(titled.to_dict(), scale=DOTS_OF_A_PIXEL, allowed_base_urls=[])
    with Image.open(BytesIO(drawn)) as image:
        palette = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    file = BytesIO()
    palette.save(file, "PNG", optimize=True)
    return file.getvalue()


@cache
def _library() -> str:
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def _way(recording: Recording) -> str:
    counts = [f"{len(recording.requests):,}", f"{failures(recording).total():,}"]
    return _table_row([recording.title, *counts, kinds_of_failure(failures(recording))])


def _pushes(recording: Recording) -> Iterator[str]:
    axis = TimeAxis(1, recording.speed)
    for push in figures(recording)["pushes"]:
        after = push["first_answer_after"]
        answered = "never" if after is None else axis.length(after)
        yield _table_row([recording.title, push["version"], clock(push["at"], 1), answered])


def _table_row(cells: list[str]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _json(value: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    """JSON that can stand in a script element: it holds no `<`, so it cannot end the element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _digest(script: str) -> str:
    """As a Content-Security-Policy names a script: https://www.w3.org/TR/CSP3/#external-hash."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
