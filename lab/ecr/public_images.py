"""The image that others publish and our tasks use: busybox, in which the drain sidecar runs.

A task that is a plain process needs no image for that, only the two programs that the drain sidecar calls.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from lab.ecr.oci import Image, build_image

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
[SIDECAR_IMAGE] = set(re.findall(r"Image: (public\.ecr\.aws/\S+)", TEMPLATE.read_text()))
DIGEST = f"sha256:{hashlib.sha256(SIDECAR_IMAGE.encode()).hexdigest()}"

# As busybox has them, for what template.yaml calls: `nc -z -w 2 HOST PORT` and `wget -q -O - URL`.
NC = b"""#!/usr/bin/env bash
exec 3<>"/dev/tcp/$4/$5"
"""
WGET = b"""#!/usr/bin/env bash
url=${*: -1}
address=${url#http://}
path=/${address#*/}
address=${address%%/*}
exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || exit 1
printf 'GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n' "$path" "$address" >&3
sed '1,/^\\r*$/d' <&3
"""


def digest_of(image: str) -> str | None:
    """The digest that the lab gives a public image, by tag or digest; None if it has no such image."""
    return DIGEST if image in {SIDECAR_IMAGE, f"{SIDECAR_IMAGE.partition(':')[0]}@{DIGEST}"} else None


def stand_in() -> Image:
    """What the drain sidecar needs of busybox, for tasks that are plain processes."""
    programs = {"bin/nc": NC, "bin/wget": WGET}
    return build_image(programs, command=["sh"], environment={"PATH": "/bin"})
