"""`python -m trials.picture RECORDINGS.json OUT.html [OUT.png]` draws what recording.py wrote."""

from __future__ import annotations

import argparse
from pathlib import Path

from trials.picture.page import page, png
from trials.picture.recording import read


def main(arguments: list[str] | None = None) -> None:
    """Write the page, and the PNG where a path is given for it."""
    parser = argparse.ArgumentParser(prog="python -m trials.picture", description=__doc__)
    parser.add_argument("recordings", type=Path, metavar="RECORDINGS.json")
    parser.add_argument("page", type=Path, metavar="OUT.html")
    parser.add_argument("png", type=Path, nargs="?", metavar="OUT.png")
    given = parser.parse_args(arguments)
    recordings = read(given.recordings)
    given.page.write_text(page(recordings))
    if given.png:
        given.png.write_bytes(png(recordings))


if __name__ == "__main__":
    main()
