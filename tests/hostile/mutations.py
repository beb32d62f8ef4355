"""The events of events/ and tests/cases/, damaged in every way that JSON allows.

HOSTILE_PROFILE chooses how many are tried: quick, the same ones every time, or thorough, others every time.
"""

from __future__ import annotations

import copy
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from trials.in_memory.region import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
Way = tuple[str | int, ...]

DEEPEST = 8
ROOT = Path(__file__).parents[2]
EVENTS = sorted(path for folder in ("events", "tests/cases") for path in (ROOT / folder).glob("*.json"))

settings.register_profile("quick", max_examples=1, derandomize=True, database=None)
settings.register_profile("thorough", max_examples=20, derandomize=False)


def fuzzed(examples: int) -> settings:
    """So many examples, or twenty times as many."""
    profile = settings.get_profile(os.environ.get("HOSTILE_PROFILE", "quick"))
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        profile,
        max_examples=examples * profile.max_examples,
        deadline=None,
        suppress_health_check=checks,
    )


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# The events are of several places, made up or AWS's: here all are of the test's region.
HERE = {
    r"us-(east-1|west-2)": REGION,
    r"111122223333|123456789012": ACCOUNT,
    r"cluster/[\w-]+": "cluster/lab",
    r"service/[\w-]+/[\w-]+": "service/lab/app",
    r"service:[\w-]+": "service:app",
    r"hello\.example\.com": "app.example.com",
    r'"(repository-name|ServiceName)": "(?!other)[^"]+"': r'"\1": "app"',
}


def event(path: Path) -> Json:
    """An event, as one of the test's region: its account, region, cluster, and its service `app`."""
    text = _read(path)
    for theirs, ours in HERE.items():
        text = re.sub(theirs, ours, text)
    read: Json = json.loads(text)
    return read


def paths(value: Any, here: Way = ()) -> Iterator[Way]:
    """The ways to everything in `value`, not into what was nested by a damage."""
    if len(here) == DEEPEST:
        return
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*here, key)
        yield from paths(inner, (*here, key))


def _nested(depth: int, kind: type) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value] if kind is list else {"detail": value}
    return value


TEXTS = [
    "", " ", "*", "?", ".", "..", "/", "%", "\\", "\x00", "\n", "\r\n\r\n", "\x1b[2J", "\u202e", "\ud800",
    "\U0001f6a2", "\uff41\uff50\uff50", "\u0430pp", "app*", "app.", "*.example.com", "example.com",
    "evilexample.com", r"\052.example.com", "${jndi:ldap://x}", "{0}", "%s", "../../etc/passwd",
    "'; DROP TABLE services; --", "<script>", "null", "-1", "a" * 300, "a" * 100_000, "\u00e9" * 3000,
    "arn:aws:ecs:*:*:cluster/*", "arn:aws:iam::123456789012:root", "service:*", "service:",
    "service:app\napp", "999999999999", "eu-west-2", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999Z", "2099-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-11-20",
]  # fmt: skip
OTHERS: list[Any] = [
    None, True, False, 0, -1, 7, 2**63, 10**30, 10**5000, -0.0, 1e308, [], {}, [[]], [None], [""], {"": ""},
    ["app"], {"app": "app"},
]  # fmt: skip
DEEP = st.builds(_nested, st.sampled_from([2, 50, 500]), st.sampled_from([list, dict]))
VALUES = st.sampled_from(TEXTS) | st.sampled_from(OTHERS).map(copy.deepcopy) | DEEP | st.text(max_size=40)


HOW = ["replace", "replace", "replace", "delete", "rename", "wrap", "add", "append", "prepend", "case"]


def _damage(draw: st.DrawFn, mutated: Json) -> None:
    way = draw(st.sampled_from(sorted(paths(mutated), key=repr)))
    parent: Any = mutated
    for key in way[:-1]:
        parent = parent[key]
    key = way[-1]
    value = parent[key]
    how = draw(st.sampled_from(HOW))
    if how == "delete":
        del parent[key]
    elif how == "rename" and isinstance(parent, dict):
        parent[draw(st.sampled_from(TEXTS)) or "KEY"] = parent.pop(key)
    elif how == "wrap":
        parent[key] = [value]
    elif how == "add" and isinstance(parent, dict):
        parent[draw(st.sampled_from(TEXTS))] = draw(VALUES)
    elif how in ("append", "prepend") and isinstance(value, str):
        text = draw(st.sampled_from(TEXTS))
        parent[key] = value + text if how == "append" else text + value
    elif how == "case" and isinstance(value, str):
        parent[key] = value.swapcase()
    else:
        parent[key] = draw(VALUES)


@st.composite
def mutated_events(draw: st.DrawFn, names: tuple[str, ...] = ()) -> tuple[Json, Json]:
    """An event and the same with one to three things in it changed."""
    chosen = [path for path in EVENTS if not names or path.stem in names]
    original = event(draw(st.sampled_from(chosen)))
    mutated = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        if mutated:
            _damage(draw, mutated)
    return original, mutated
