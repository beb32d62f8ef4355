from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.support.recorded_run import SMALL, baseline, never_ran, ours
from trials.picture import page, png
from trials.picture.__main__ import main
from trials.picture.charts import chart
from trials.picture.recording import Phase, Push, Recording, Request, write
from trials.picture.words import headline

if TYPE_CHECKING:
    from pathlib import Path


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


class Elements(HTMLParser):
    """A page's elements with their attributes, and the text in each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        if self.cdata_elem == "style":
            self.styles.append(data)

    def json_of(self, name: str) -> Any:
        at = [attributes for tag, attributes in self.found if tag == "script"]
        [text] = [text for given, text in zip(at, self.scripts, strict=True) if given.get("id") == name]
        return json.loads(text)


@pytest.fixture(scope="module")
def small() -> str:
    return page([SMALL, replace(SMALL, title="a script", requests=SMALL.requests[:2])])


def test_page_says_the_figures_in_words(small: str) -> None:
    assert (
        "<h1>2 pushes in 1:00 minutes: 1 of 3 requests to app.example.com failed during deployments</h1>"
        in small
    )
    assert "then, on the same time axis, a script: 0 of 2 requests failed" in small
    assert "<td>pushlive</td><td>3</td><td>1</td><td>no answer within 2 s (1)</td>" in small
    assert "<td>pushlive</td><td>v1</td><td>0:02.0</td><td>8.5 s (AWS time 170 s)</td>" in small
    assert "<td>pushlive</td><td>v2</td><td>0:30.0</td><td>never</td>" in small


FIRST, SECOND = Phase("First push", 1000, 1020), Phase("A task is killed", 1020, 1060)
FIRST_DEPLOYMENT = SMALL.deployments[:1]
FAILS_AT = (1031, 1032, 1034)


@pytest.mark.parametrize(
    ("phases", "failing", "said"),
    [
        pytest.param([FIRST, SECOND], [], "0 of 60 requests to app.example.com failed", id="nothing-failed"),
        pytest.param(
            [FIRST, SECOND],
            FAILS_AT,
            "0 of 20 requests to app.example.com failed during deployments,"
            " 3 of 4 in 3.0 s of “A task is killed”",
            id="something-failed-while-nothing-was-deployed",
        ),
        pytest.param(
            [FIRST, SECOND],
            (1005, *FAILS_AT),
            "1 of 20 requests to app.example.com failed during deployments,"
            " 3 of 4 in 3.0 s of “A task is killed”",
            id="something-failed-in-both",
        ),
        pytest.param(
            [FIRST, replace(SECOND, began_at=1020, ended_at=1030)],
            (1005,),
            "1 of 20 requests to app.example.com failed during deployments",
            id="what-did-not-fail-is-not-named",
        ),
        pytest.param([SECOND], FAILS_AT, "3 of 60 requests to app.example.com failed", id="no-deployment"),
        pytest.param([], FAILS_AT, "3 of 60 requests to app.example.com failed", id="no-phases"),
    ],
)
def test_headline_says_what_failed_when(phases: list[Phase], failing: tuple[int, ...], said: str) -> None:
    requests = [Request(at, 0, "a", "", "v1", "refused" if at in failing else "") for at in range(1000, 1060)]
    run = replace(SMALL, phases=phases, deployments=FIRST_DEPLOYMENT, requests=requests)
    assert headline([run]) == f"2 pushes in 1:00 minutes: {said}"


def test_page_holds_the_figures_as_json(small: str) -> None:
    first, second = Elements(small).json_of("figures")
    assert first["requests"] == {"total": 3, "failed": 1, "failures": {"no answer within 2 s": 1}}
    assert second["requests"] == {"total": 2, "failed": 0, "failures": {}}
    assert [(push["version"], push["at"], push["first_answer_after"]) for push in first["pushes"]] == [
        ("v1", 2, 8.5),
        ("v2", 30, None),
    ]
    assert [task["address"] for task in first["tasks"]] == ["192.0.2.1", "192.0.2.2"]
    assert first["record"] == [{"at": 7, "addresses": ["192.0.2.1"]}, {"at": 50, "addresses": []}]


def test_drawing_names_each_push_deployment_task_and_failure(small: str) -> None:
    texts = [row["text"] for row in rows(Elements(small).json_of("drawing")) if "text" in row]
    for text in (
        "One push",
        "v1",
        "v2",
        "v1: live",
        "v2: rollback in progress",
        "v1 · 192.0.2.1",
        "v2 · 192.0.2.2",
        "1 failed",
        "1 of 3 requests failed: no answer within 2 s (1)",
        "0 of 2 requests failed",
    ):
        assert text in texts


def rows(drawing: dict[str, Any]) -> list[dict[str, Any]]:
    """Every row that a Vega-Lite specification draws."""
    return [row for values in drawing["datasets"].values() for row in values]


def test_a_hundred_thousand_requests_make_no_huge_page() -> None:
    many = [Request(1000 + n / 1700, 0.01, "a", "", f"v{n % 3}") for n in range(100_000)]
    drawing = chart([replace(SMALL, requests=many)]).to_dict()
    assert len(json.dumps(drawing)) < 400_000
    answered = [row["tip"]["requests"] for row in rows(drawing) if "answered by" in row.get("tip", {})]
    assert sum(int(words.split()[0].replace(",", "")) for words in answered) == 100_000


def test_page_loads_nothing_from_outside(small: str) -> None:
    elements = Elements(small)
    assert {tag for tag, _ in elements.found} & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    } == set()
    assert [given for _, given in elements.found if {"src", "href", "srcset", "action"} & given.keys()] == []
    assert "url(" not in "".join(elements.styles)
    assert "@import" not in "".join(elements.styles)
    [policy] = [given["content"] for _, given in elements.found if given.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    for script in elements.scripts:
        assert not re.search(r"(?:fetch|import|importScripts|open)\s*\(\s*[\"'`]\s*(?:https?:)?//", script)


def test_policy_admits_the_two_scripts_of_the_page_alone(small: str) -> None:
    elements = Elements(small)
    code = [
        text
        for given, text in zip(
            (g for tag, g in elements.found if tag == "script"), elements.scripts, strict=True
        )
        if given.get("type") != "application/json"
    ]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in code]
    [policy] = [given["content"] or "" for _, given in elements.found if given.get("http-equiv")]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests
    assert len(digests) == 2
    assert "unsafe-eval" not in policy


def test_hostile_text_stays_text() -> None:
    hostile = replace(
        SMALL,
        title=HOSTILE,
        host_name=HOSTILE,
        pushes=[Push(1001, HOSTILE)],
        tasks=[replace(SMALL.tasks[0], version=HOSTILE, address=HOSTILE)],
        requests=[Request(1002, 0.1, "a", HOSTILE, HOSTILE), Request(1003, 0.1, "a", "", "", HOSTILE)],
    )
    text = page([hostile])
    elements = Elements(text)
    assert [tag for tag, _ in elements.found].count("script") == 4
    assert "img" not in {tag for tag, _ in elements.found}
    assert "<script>alert" not in text
    [figures] = elements.json_of("figures")
    assert figures["pushes"][0]["version"] == HOSTILE


@pytest.mark.parametrize(
    "recording",
    [
        pytest.param(never_ran(), id="nothing-happened"),
        pytest.param(Recording("cut off", "app.example.com", 20, 1000), id="ended-before-it-began"),
        pytest.param(replace(SMALL, requests=[]), id="no-requests"),
        pytest.param(replace(SMALL, tasks=[], records=[]), id="no-task-ran"),
        pytest.param(replace(SMALL, speed=1), id="as-fast-as-aws"),
    ],
)
def test_what_did_not_happen_is_no_error(recording: Recording) -> None:
    drawn = png([recording])
    text = page([recording])
    assert drawn.startswith(b"\x89PNG")
    assert ("No task ran." in text) == (not recording.tasks)
    assert ("No request was made." in text) == (not recording.requests)
    assert ("AWS time" in text) == (recording.speed != 1 and bool(recording.requests or recording.tasks))


@pytest.mark.parametrize("recordings", [[ours()], [ours(), baseline()]], ids=["one", "two"])
def test_png_is_twice_the_pages_width_on_white(recordings: list[Recording]) -> None:
    with Image.open(BytesIO(png(recordings))) as image:
        assert image.format == "PNG"
        assert 2 * 1070 <= image.width <= 2 * 1140
        assert 1000 * len(recordings) < image.height < 1500 * len(recordings)
        opaque = image.convert("RGB")
    assert {opaque.getpixel((0, 0)), opaque.getpixel((opaque.width - 1, opaque.height - 1))} == {
        (255, 255, 255)
    }
    assert len(opaque.getcolors(1 << 24) or []) > 50


def test_command_draws_what_was_recorded(tmp_path: Path) -> None:
    write([SMALL], tmp_path / "run.json")
    main([str(tmp_path / name) for name in ("run.json", "run.html", "run.png")])
    [figures] = Elements((tmp_path / "run.html").read_text()).json_of("figures")
    assert figures["requests"]["total"] == 3
    with Image.open(tmp_path / "run.png") as image:
        assert image.format == "PNG"
