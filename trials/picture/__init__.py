"""The picture of a run: one HTML page that needs nothing else, and a PNG of the same."""

from trials.picture.page import page, png

__all__ = ["page", "png"]
