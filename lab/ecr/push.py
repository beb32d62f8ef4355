"""`python -m lab.ecr.push IMAGE [VERSION]`: hello_app to the lab's registry, where there is no Docker.

IMAGE is what the stack's output `Step3Push` names, such as 127.0.0.1:4566/hello:latest.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from lab.ecr.oci import hello_app_image
from lab.ecr.registry import RegistryError, push_image

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE = re.compile(r"(?P<host>127\.[\d.]+:\d+)/(?P<repository>[^:@]+):(?P<tag>[^:@/]+)")


def main(arguments: Sequence[str]) -> str | int:
    """Return 0, or what is wrong."""
    image = IMAGE.fullmatch(arguments[0]) if len(arguments) in (1, 2) else None
    if image is None:
        return (
            "usage: python -m lab.ecr.push 127.0.0.1:PORT/REPOSITORY:TAG [VERSION] (see the output Step3Push)"
        )
    version = arguments[1] if len(arguments) == 2 else "1"  # noqa: PLR2004 - the image and it
    try:
        digest = push_image(image["host"], image["repository"], image["tag"], hello_app_image(version))
    except (HTTPError, RegistryError) as error:
        return (
            f"{arguments[0]} was not pushed: {error}. Is the lab running (make lab), and the stack deployed?"
        )
    sys.stdout.write(f"pushed hello_app, version {version}, as {arguments[0]}, {digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
