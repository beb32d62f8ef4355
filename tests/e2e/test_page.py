from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.support.browser import Browser
from tests.support.recorded_run import baseline, ours
from trials.picture import page

if TYPE_CHECKING:
    from pathlib import Path

# A person's mouse, over each part of the picture in turn; what is shown there is kept at the page's end.
POINTS_AT_EVERYTHING = """
<script>
const shown = new Set();
const kept = document.body.appendChild(document.createElement("pre"));
const drawn = setInterval(() => {
  const parts = document.querySelectorAll("#picture svg path");
  if (!parts.length) return;
  clearInterval(drawn);
  for (const part of parts) {
    const box = part.getBoundingClientRect();
    const at = {bubbles: true, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2};
    part.dispatchEvent(new PointerEvent("pointermove", at));
    const tip = document.getElementById("vg-tooltip-element");
    if (tip && tip.classList.contains("visible")) {
      const cells = [...tip.querySelectorAll("td")].map(cell => cell.textContent);
      shown.add(cells.length ? cells.join(" | ") : tip.textContent);
    }
    part.dispatchEvent(new PointerEvent("pointerout", at));
  }
  kept.textContent = [...shown].join("\\n");
}, 100);
</script>
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return Browser(tmp_path_factory.mktemp("chromium"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "run.html"
    file.write_text(page([ours(), baseline()]))
    return file


def test_page_shows_the_run_without_a_network(browser: Browser, path: Path) -> None:
    dom = browser.opens(path, "--dump-dom")
    assert browser.console == []
    _, _, picture = dom.partition('<div id="picture"')
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", picture.partition("<h2>")[0])
    for run in (ours(), baseline()):
        failed = sum(1 for request in run.requests if request.failure)
        assert f"{failed:,} of {len(run.requests):,} requests failed" in {
            text.partition(":")[0] for text in texts
        }
        assert {push.version for push in run.pushes} <= set(texts)
        assert {f"{task.version} · {task.address}" for task in run.tasks} <= set(texts)


def test_page_is_not_blank(browser: Browser, path: Path, tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    browser.opens(path, f"--screenshot={shot}", "--window-size=1200,1400")
    assert browser.console == []
    with Image.open(shot) as image:
        colours = {colour: count for count, colour in image.convert("RGB").getcolors(1 << 24) or []}
    assert colours[213, 94, 0] > 1000  # failed requests
    assert colours[0, 114, 178] > 1000  # the first version's


def test_pointing_at_a_part_shows_its_times(browser: Browser, path: Path, tmp_path: Path) -> None:
    """The page's own policy forbids the test's script: here it is taken out."""
    before, _, after = path.read_text().rpartition("</body>")
    pointed = tmp_path / "pointed.html"
    pointed.write_text(re.sub("<meta http-equiv[^>]*>", "", before, count=1) + POINTS_AT_EVERYTHING + after)
    shown = browser.opens(pointed, "--dump-dom").rpartition("<pre>")[2]
    assert browser.console == []
    assert "push of | v2 | at | 0:24.0 (AWS time 8:00) | digest | sha256:222222222222" in shown
    assert "deployment | deployment-3 | of | broken | status | ROLLBACK_SUCCESSFUL" in shown
    assert "pointed to | 127.0.3.11 | from | 0:27.7 (AWS time 9:14) | for | 54.4 s (AWS time 1088 s)" in shown
    assert "now it | after SIGTERM | from | 0:29.4 (AWS time 9:48)" in shown
    assert "undefined" not in shown
    assert "[object" not in shown


def test_policy_keeps_another_script_from_running(browser: Browser, path: Path, tmp_path: Path) -> None:
    before, _, after = path.read_text().rpartition("</body>")
    injected = tmp_path / "injected.html"
    injected.write_text(before + "<script>document.title = 'taken over'</script>" + after)
    assert "<title>taken over</title>" not in browser.opens(injected, "--dump-dom")
    assert any("Content Security Policy" in line for line in browser.console)
