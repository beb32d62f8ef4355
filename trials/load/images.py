"""The images of the load: one keeps serving after SIGTERM, one dies at once; slow and broken ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.ecr.oci import HELLO_APP, build_image

if TYPE_CHECKING:
    from lab.ecr.oci import Image

PORT = 8080
SOURCES = Path(__file__).parent / "image"
BROKEN = b"raise SystemExit('broken on purpose')\n"

HELLO = "hello_app"
DIES = "dies on SIGTERM"
NAMES = (HELLO, DIES)
# Each image has a tag of its own in the stack's repository; the stack's own service runs `latest`.
TAGS = {HELLO: "latest", DIES: "dies-on-sigterm"}


def image(name: str, version: str, *, start_seconds: float = 0) -> Image:
    """Return an image that says `version`; it listens `start_seconds` after its start."""
    program = HELLO_APP / "app.py" if name == HELLO else SOURCES / "dies_on_sigterm.py"
    first = "starts_slowly.py" if start_seconds and name == HELLO else "app.py"
    return build_image(
        {
            "app/app.py": program.read_bytes(),
            "app/starts_slowly.py": (SOURCES / "starts_slowly.py").read_bytes(),
        },
        command=["python3", f"/app/{first}"],
        environment={
            "VERSION": version,
            "PYTHONUNBUFFERED": "1",
            "PORT": str(PORT),
            "START_SECONDS": str(start_seconds),
        },
        port=PORT,
    )


def broken_image(name: str) -> Image:
    """Return an image whose program ends at once; one for each name, so that their digests differ."""
    return build_image(
        {"app/app.py": BROKEN},
        command=["python3", "/app/app.py"],
        environment={"BROKEN": name},
        port=PORT,
    )
