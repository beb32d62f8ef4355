"""What the drawing's marks mean."""

from __future__ import annotations

from trials.picture.marks import BLACK, FAILURE, INK, VERSION_COLOURS, Bar, Mark, Text, Triangle
from trials.picture.measures import GUTTER_PIXELS, PLOT_PIXELS, label_pixels
from trials.picture.tasks import AFTER_SIGTERM_OPACITY, BEFORE_RUNNING, NOT_ANSWERING

LINE_HEIGHT = 20
SWATCH_PIXELS = 22
ANY_VERSION = VERSION_COLOURS[0]

ENTRIES = (
    "task is placed, image is pulled",
    "runs, does not answer yet",
    "answers (each version has its colour)",
    "after SIGTERM",
    "the name points to it",
    "docker push",
    "deployment",
    "rolled back",
    "requests failed",
)


def legend() -> tuple[list[Mark], float]:
    """The marks, their time axis being the plot's pixels, and the height in pixels."""
    marks: list[Mark] = []
    x, y = -float(GUTTER_PIXELS), LINE_HEIGHT / 2
    for entry in ENTRIES:
        width = SWATCH_PIXELS + 6 + label_pixels(entry)
        if x + width > PLOT_PIXELS:
            x, y = -float(GUTTER_PIXELS), y + LINE_HEIGHT
        marks += [_swatch(entry, x, y), Text(x + SWATCH_PIXELS + 6, y, entry)]
        x += width + 12
    return marks, y + LINE_HEIGHT / 2


def _swatch(entry: str, x: float, y: float) -> Mark:
    end = x + SWATCH_PIXELS
    swatches: dict[str, Mark] = {
        ENTRIES[0]: Bar(x, end, y - 5, y + 5, BEFORE_RUNNING),
        ENTRIES[1]: Bar(x, end, y - 5, y + 5, NOT_ANSWERING),
        ENTRIES[2]: Bar(x, end, y - 5, y + 5, ANY_VERSION),
        ENTRIES[3]: Bar(x, end, y - 5, y + 5, ANY_VERSION, opacity=AFTER_SIGTERM_OPACITY),
        ENTRIES[4]: Bar(x, end, y - 2, y + 2, BLACK),
        ENTRIES[5]: Triangle(x + SWATCH_PIXELS / 2, y),
        ENTRIES[6]: Bar(x, end, y - 6, y + 6, ANY_VERSION, ANY_VERSION, opacity=0.3),
        ENTRIES[7]: Bar(x, end, y - 6, y + 6, "#FFFFFF", INK, dashed=True),
        ENTRIES[8]: Bar(x, end, y - 5, y + 5, FAILURE),
    }
    return swatches[entry]
