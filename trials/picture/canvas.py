"""What is drawn of a run's upper part so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trials.picture.marks import QUIET, Mark, Text

if TYPE_CHECKING:
    from trials.picture.measures import Place, TimeAxis
    from trials.picture.recording import Recording

LANE_HEIGHT = 19
GAP = 7


@dataclass
class Canvas:
    """The marks so far, from the top down to `bottom` (pixels)."""

    recording: Recording
    axis: TimeAxis
    colours: dict[str, str]
    failed: list[tuple[float, float, int]]
    """From when to when requests failed."""
    marks: list[Mark] = field(default_factory=list)
    bottom: float = 0

    def since(self, at: float) -> float:
        """Seconds from the recording's beginning; what was there before is drawn from then on."""
        return max(0.0, at - self.recording.began_at)

    def caption(self, words: str, y: float) -> Text:
        """What a row is, left of the plot."""
        return Text(self.axis.to_seconds(-8), y, words, QUIET, align="right")

    def row(self, words: str, lanes_below: int) -> None:
        """Name the lanes that were just drawn, and go on below them."""
        self.marks.append(self.caption(words, self.bottom + LANE_HEIGHT / 2))
        self.bottom += LANE_HEIGHT * lanes_below + GAP

    def label(self, place: Place, y: float, words: str, *, bold: bool = False) -> Text:
        """A label at its place."""
        return Text(self.axis.to_seconds(place.x), y, words, align=place.align, bold=bold, halo=True)
