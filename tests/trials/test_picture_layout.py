from __future__ import annotations

from dataclasses import asdict, replace
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from tests.support.recorded_run import SMALL, baseline, crowded, never_ran, ours
from trials.picture.charts import colour_of_versions
from trials.picture.findings import bucket_seconds, buckets, duration, failed_spans, first_answer, holds
from trials.picture.legend import legend
from trials.picture.marks import FAILURE, Bar, Text
from trials.picture.measures import GUTTER_PIXELS, PLOT_PIXELS, Place, TimeAxis, clock, label_pixels, lanes
from trials.picture.recording import Deployment, Phase, Push, Recording, RecordState, Request, TaskLife
from trials.picture.requests import request_marks
from trials.picture.schedule import schedule

if TYPE_CHECKING:
    from trials.picture.marks import Mark


def test_a_tasks_life_is_drawn_in_its_parts() -> None:
    life = [
        (bar.began, bar.ended, bar.tip["now it"], bar.tip["for"])
        for bar in upper(SMALL)
        if isinstance(bar, Bar) and bar.tip.get("task")
    ]
    assert life == [
        (3, 5, "is placed, its image is pulled", "2.0 s (AWS time 40 s)"),
        (5, 6, "runs, and does not answer yet", "1.0 s (AWS time 20 s)"),
        (6, 40, "answers", "34.0 s (AWS time 680 s)"),
        (40, 43, "after SIGTERM", "3.0 s (AWS time 60 s)"),
        (31, 33, "is placed, its image is pulled", "2.0 s (AWS time 40 s)"),
        (33, 60, "runs, and does not answer yet", "27.0 s (AWS time 540 s)"),
    ]


def test_what_began_before_there_was_an_image_has_a_name() -> None:
    waiting = replace(
        SMALL,
        deployments=[Deployment("d-0", "", 1001, 1002, "SUCCESSFUL")],
        tasks=[TaskLife("t-0", "", "", 1001, stopping_at=1002, stopped_at=1003)],
    )
    marks = upper(waiting)
    texts = [mark.text for mark in marks if isinstance(mark, Text)]
    assert texts.count("waits for the first push") == 2
    tips = [mark.tip for mark in marks if isinstance(mark, Bar)]
    assert {tip.get("of", tip.get("version")) for tip in tips if "deployment" in tip or "task" in tip} == {
        "waits for the first push"
    }


def test_a_title_is_not_cut() -> None:
    titles = ["The first push starts the service", "The event of a push is lost"]
    phases = [Phase(title, 1000 + 30 * n, 1030 + 30 * n) for n, title in enumerate(titles)]
    texts = [mark.text for mark in upper(replace(SMALL, phases=phases)) if isinstance(mark, Text)]
    assert set(titles) <= set(texts)


def test_only_a_deployment_that_is_rolled_back_is_dashed() -> None:
    bars = [bar for bar in upper(ours()) if isinstance(bar, Bar) and "deployment" in bar.tip]
    assert {bar.tip["of"]: bar.dashed for bar in bars} == {
        "v1": False,
        "v2": False,
        "broken": True,
        "v3-slow": False,
    }


def test_red_is_only_where_requests_failed() -> None:
    red = [mark for mark in lower(SMALL) if FAILURE in asdict(mark).values()]
    assert [mark.tip["failed"] for mark in red if isinstance(mark, Bar)] == ["1 of 1"]
    assert [mark.text for mark in red if isinstance(mark, Text)] == ["1 failed"]
    answered = replace(SMALL, requests=SMALL.requests[:2])
    assert [mark for mark in upper(answered) + lower(answered) if FAILURE in asdict(mark).values()] == []
    assert FAILURE not in colour_of_versions([crowded()]).values()


@pytest.mark.parametrize(
    ("states", "created", "expected"),
    [
        pytest.param([(5, ["A"]), (9, [])], [2], [("A", 0, 5, 9)], id="until-it-is-taken-out"),
        pytest.param([(5, ["A"])], [2], [("A", 0, 5, 60)], id="until-the-end"),
        pytest.param([(5, ["A"]), (6, ["A"]), (9, [])], [2], [("A", 0, 5, 9)], id="read-twice-is-one-span"),
        pytest.param([(5, ["A"]), (9, [])], [], [("A", None, 5, 9)], id="no-task-had-it"),
        pytest.param(
            [(5, ["A"]), (9, [])], [7], [("A", None, 5, 7), ("A", 0, 7, 9)], id="before-the-task-was"
        ),
        pytest.param(
            [(5, ["A"]), (30, [])],
            [2, 20],
            [("A", 0, 5, 20), ("A", 1, 20, 30)],
            id="address-given-to-a-later-task",
        ),
    ],
)
def test_name_held(
    states: list[tuple[float, list[str]]],
    created: list[float],
    expected: list[tuple[str, int | None, float, float]],
) -> None:
    tasks = [TaskLife(f"t-{at}", "A", "v1", 1000 + at) for at in created]
    records = [RecordState(1000 + at, tuple(addresses)) for at, addresses in states]
    found = holds(Recording("", "", 1, 1000, 1060, tasks=tasks, records=records))
    assert [
        (hold.address, tasks.index(hold.task) if hold.task else None, hold.began, hold.ended)
        for hold in found
    ] == expected


def test_an_address_that_no_task_had_has_a_row_of_its_own() -> None:
    strange = replace(SMALL, records=[RecordState(1007, ("203.0.113.9",))])
    assert "no task · 203.0.113.9" in [mark.text for mark in upper(strange) if isinstance(mark, Text)]


def test_every_request_is_in_one_bucket() -> None:
    recording = baseline()
    found = buckets(recording, bucket_seconds(duration(recording)))
    assert sum(bucket.total for bucket in found) == len(recording.requests)
    assert sum(bucket.failed for bucket in found) == sum(1 for each in recording.requests if each.failure)


def test_answers_stand_on_failures_and_on_each_other() -> None:
    requests = [
        Request(1000, 0, "a", "", version, "" if version else "refused") for version in ("v1", "v2", "", "")
    ]
    bars = [bar for bar in lower(replace(SMALL, requests=requests)) if isinstance(bar, Bar)]
    per_second = 1 / bucket_seconds(60)
    assert [(bar.y, bar.y2) for bar in bars] == [
        (0, 2 * per_second),
        (2 * per_second, 3 * per_second),
        (3 * per_second, 4 * per_second),
    ]
    assert [bar.fill for bar in bars] == [
        FAILURE,
        *(colour_of_versions([SMALL])[version] for version in ("v1", "v2")),
    ]


def test_what_was_there_before_the_beginning_is_drawn_from_then_on() -> None:
    early = replace(
        SMALL,
        tasks=[replace(SMALL.tasks[0], created_at=900, running_at=901, answering_at=902)],
        records=[RecordState(903, ("192.0.2.1",))],
        requests=[Request(999, 0.1, "a", "", "v1")],
    )
    bars = [bar for bar in upper(early) + lower(early) if isinstance(bar, Bar)]
    assert [bar.began for bar in bars if {"task", "name", "answered by"} & bar.tip.keys()] == [0, 40, 0, 0]


def test_failures_near_to_each_other_are_one_span() -> None:
    at = (1000.5, 1001.2, 1005.5, 1030)
    recording = replace(SMALL, requests=[Request(each, 0, "a", "", "", "refused") for each in at])
    found = buckets(recording, 1)
    assert failed_spans(found, 1, 4) == [(0, 6, 3), (30, 31, 1)]
    assert failed_spans(found, 1, 1) == [(0, 2, 2), (5, 6, 1), (30, 31, 1)]


def test_first_answer_is_the_first_to_arrive_after_the_push() -> None:
    requests = [
        Request(1001, 9, "a", "", "v1"),
        Request(1003, 1, "a", "", "v1"),
        Request(1000, 1, "a", "", "v1"),
    ]
    assert first_answer(replace(SMALL, requests=requests), "v1", 1002) == 2


def upper(recording: Recording) -> list[Mark]:
    return schedule(recording, TimeAxis(duration(recording), 20), colour_of_versions([recording]), []).marks


def lower(recording: Recording) -> list[Mark]:
    axis = TimeAxis(duration(recording), 20)
    seconds = bucket_seconds(axis.seconds)
    return request_marks(buckets(recording, seconds), seconds, axis, colour_of_versions([recording]))


def boxes(marks: list[Mark], axis: TimeAxis) -> list[tuple[str, float, float, float]]:
    """Each text with its ends and its height, in pixels."""
    found = []
    for mark in marks:
        if isinstance(mark, Text):
            width = label_pixels(mark.text, mark.size, bold=mark.bold)
            before = {"left": 0, "center": width / 2, "right": width}[mark.align]
            began = axis.to_pixels(mark.x) - before
            found.append((mark.text, began, began + width, mark.y))
    return found


CASES = {
    "a-usual-run": ours(),
    "a-baseline": baseline(),
    "twelve-minutes-forty-tasks": crowded(),
    "two-minutes-forty-tasks": crowded(minutes=2),
    "one-task": crowded(pushes=1, tasks=1),
    "nothing": never_ran(),
    "long-names": replace(
        SMALL,
        title="t" * 300,
        host_name="h" * 250,
        pushes=[Push(1059, "v" * 200), Push(1059.5, "w" * 200)],
        phases=[Phase("p" * 200, 1055, 1060)],
        deployments=[Deployment("d", "v" * 200, 1058, None, "IN_PROGRESS")],
        tasks=[replace(SMALL.tasks[0], version="2" * 200, address="255.255.255.255")],
    ),
}


@pytest.mark.parametrize("recording", CASES.values(), ids=CASES.keys())
def test_no_label_lies_on_another_or_leaves_the_picture(recording: Recording) -> None:
    axis = TimeAxis(duration(recording), 20)
    for marks, line in ((upper(recording), 10), (lower(recording), 0.01)):
        found = boxes(marks, axis)
        for one, other in combinations(found, 2):
            same_line = abs(one[3] - other[3]) < line
            assert not (same_line and one[1] < other[2] and other[1] < one[2]), (one, other)
        assert [box for box in found if box[1] < -GUTTER_PIXELS - 1 or box[2] > PLOT_PIXELS + 1] == []


def test_no_label_of_the_key_lies_on_another() -> None:
    marks, _ = legend()
    found = boxes(marks, TimeAxis(PLOT_PIXELS, 1))
    assert len(found) == 9
    for one, other in combinations(found, 2):
        assert one[3] != other[3] or one[2] < other[1] or other[2] < one[1], (one, other)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([(0, 2), (2, 4)], [0, 0], id="one-after-the-other"),
        pytest.param([(0, 3), (2, 4), (3, 5)], [0, 1, 0], id="a-free-lane-is-used-again"),
        pytest.param([(0, 9), (1, 9), (2, 9)], [0, 1, 2], id="all-at-once"),
        pytest.param([(5, 9), (1, 4)], [0, 1], id="one-that-begins-earlier-gets-its-own"),
    ],
)
def test_lanes(spans: list[tuple[float, float]], expected: list[int]) -> None:
    assert lanes(Place(0, "left", began, ended) for began, ended in spans) == expected


@pytest.mark.parametrize(
    ("seconds", "decimals", "expected"),
    [
        (0, 0, "0:00"),
        (59.96, 1, "1:00.0"),
        (65.25, 1, "1:05.2"),
        (3599.7, 0, "1:00:00"),
        (7265, 0, "2:01:05"),
    ],
)
def test_clock(seconds: float, decimals: int, expected: str) -> None:
    assert clock(seconds, decimals) == expected
