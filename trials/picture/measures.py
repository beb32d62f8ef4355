"""How long and how wide: a run's time in words, a label's width, labels that do not overlap. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Align = Literal["left", "center", "right"]

PLOT_PIXELS = 900
GUTTER_PIXELS = 180
"""Left of the plot: what each row is."""

NICE_SECONDS = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    43200,
    86400,
)
MOST_TICKS = 13
# Widths of Arial's letters in font sizes, rounded up; any other is as wide as its widest.
WIDTHS = {
    0.29: " .,:;'!|/ijltfI[]()",
    0.36: "r-",
    0.58: "abcdeghknopqsuvxyz0123456789_·LJ",
    0.75: "ABCDEFGHKNPQRSTUVXYZ",
}
WIDEST = 1.0
BOLD = 1.08
OTHER_FONT = 1.1
"""Where a browser has no Arial, its own letters are wider."""
LONGEST_LABEL = 26
LABEL_GAP = 4


@dataclass(frozen=True)
class TimeAxis:
    """A run's seconds from its beginning, to pixels of the plot and to words."""

    seconds: float
    """The whole axis."""
    speed: float
    """How many times as fast as AWS the lab's time passed."""

    def to_seconds(self, pixels: float) -> float:
        """A length in the plot as seconds."""
        return pixels * self.seconds / PLOT_PIXELS

    def to_pixels(self, seconds: float) -> float:
        """Seconds as a length in the plot."""
        return seconds * PLOT_PIXELS / self.seconds

    def moment(self, seconds: float) -> str:
        """A time from the beginning, in the lab and in AWS's time."""
        return f"{clock(seconds, 1)}{self._on_aws(clock(seconds * self.speed))}"

    def length(self, seconds: float) -> str:
        """A duration, in the lab and in AWS's time."""
        return f"{seconds:.1f} s{self._on_aws(f'{seconds * self.speed:.0f} s')}"

    def ticks(self) -> list[float]:
        """Round times for the axis."""
        step = nice_seconds(self.seconds / MOST_TICKS)
        return [step * number for number in range(int(self.seconds / step) + 1)]

    def _on_aws(self, words: str) -> str:
        return "" if self.speed == 1 else f" (AWS time {words})"


def clock(seconds: float, decimals: int = 0) -> str:
    """Seconds as m:ss, or h:mm:ss from an hour on."""
    rounded = round(seconds, decimals)
    minutes, rest = divmod(rounded, 60)
    width = 2 if decimals == 0 else 3 + decimals
    if minutes < 60:  # noqa: PLR2004 - an hour has 60 minutes
        return f"{minutes:.0f}:{rest:0{width}.{decimals}f}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:.0f}:{minutes:02.0f}:{rest:0{width}.{decimals}f}"


def nice_seconds(at_least: float) -> float:
    """The shortest round duration that is as long as that."""
    return next((nice for nice in NICE_SECONDS if nice >= at_least), at_least)


def label_pixels(text: str, size: float = 11, *, bold: bool = False) -> float:
    """A label's width: at least what it will be."""
    wide = {letter: width for width, letters in WIDTHS.items() for letter in letters}
    return sum(wide.get(letter, WIDEST) for letter in text) * size * OTHER_FONT * (BOLD if bold else 1)


def shortened(text: str, most: int = LONGEST_LABEL) -> str:
    """The text in one line, cut where it is longer; its whole stands where one points at it."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


@dataclass(frozen=True)
class Place:
    """Where a label's `align` end is, and from where to where it and its mark reach; all in pixels."""

    x: float
    align: Align
    began: float
    ended: float


def beside(began: float, ended: float, width: float) -> Place:
    """A label behind its mark; before it where the plot would end."""
    if ended + LABEL_GAP + width <= PLOT_PIXELS:
        return Place(ended + LABEL_GAP, "left", began, ended + width + 3 * LABEL_GAP)
    return Place(began - LABEL_GAP, "right", began - LABEL_GAP - width, ended)


def from_there(moment: float, width: float) -> Place:
    """A label that begins at a moment; where the plot would end, it ends there."""
    if moment + LABEL_GAP + width <= PLOT_PIXELS:
        return Place(moment + LABEL_GAP, "left", moment, moment + width + 2 * LABEL_GAP)
    return Place(PLOT_PIXELS, "right", PLOT_PIXELS - width, PLOT_PIXELS)


def lanes(places: Iterable[Place]) -> list[int]:
    """For each the first lane in which it lies behind all before it."""
    ends: list[float] = []
    chosen = []
    for place in places:
        lane = next((number for number, end in enumerate(ends) if end <= place.began), len(ends))
        ends[lane : lane + 1] = [place.ended]
        chosen.append(lane)
    return chosen
