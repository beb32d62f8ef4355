"""The built functions, started as Lambda starts them, handle each event, and by their own code alone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from lab.lambda_runtime.emulator import running
from lab.template import PUSHLIVE, ROOT, written_template
from layer_build import runtime_python
from tests.lambda_runtime.expectations import (
    DUE_ROWS,
    FUNCTIONS,
    GIVEN,
    LIVE,
    RIGHT,
    RIGHT_ROWS,
    Change,
    expected_answers,
)
from tests.lambda_runtime.origins import Interpreter, by_origin
from trials.bench.live_state import EVENTS, LiveState, read_event

if TYPE_CHECKING:
    from pathlib import Path

    from lab.lambda_runtime.emulator import Answer, BuiltFunction, Emulator, Runtime
    from tests.lambda_runtime.conftest import CloudFormation

LAMBDAS_PYTHON = written_template(PUSHLIVE)["Globals"]["Function"]["Runtime"]


def test_each_function_is_asked_with_each_event() -> None:
    rows = {(each.values[0], each.values[1]) for each in (*RIGHT_ROWS, *DUE_ROWS)}
    assert rows == {(function, path.stem) for function in FUNCTIONS for path in EVENTS.glob("*.json")}


@pytest.mark.parametrize(("function", "event", "says"), RIGHT_ROWS)
def test_an_event_changes_nothing_where_all_is_right(
    emulators: dict[str, Emulator],
    live: LiveState,
    cloudformation: CloudFormation,
    function: str,
    event: str,
    says: str,
) -> None:
    live.put_right()
    before = live.seen()
    answer = emulators[function].invoke(read_event(event, cloudformation.url, live.zone_id))
    assert answer.text == "null", answer.output
    assert_said(answer, (says,))
    assert counted(answer) == []
    assert live.seen() == before
    assert cloudformation.answers == expected_answers(function, event, live)


@pytest.mark.parametrize(("function", "event", "given", "change"), DUE_ROWS)
def test_an_event_brings_about_what_is_due(
    emulators: dict[str, Emulator],
    live: LiveState,
    cloudformation: CloudFormation,
    function: str,
    event: str,
    given: str,
    change: Change,
) -> None:
    live.put_right()
    GIVEN[given](live)
    before = live.seen()
    answer = emulators[function].invoke(read_event(event, cloudformation.url, live.zone_id))
    assert answer.text == "null", answer.output
    assert_said(answer, change.says)
    assert counted(answer) == [change.counts]
    assert live.seen() == before | change.after(live, before)
    assert cloudformation.answers == expected_answers(function, event, live)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_damaged_event_is_an_error_that_names_the_key(
    emulators: dict[str, Emulator], function: str
) -> None:
    answer = emulators[function].invoke({"id": "damaged", "detail-type": "ECR Image Action"})
    assert '"errorType": "EventError"' in answer.text
    assert "key source is missing" in answer.text


@pytest.mark.parametrize(
    ("function", "says"), [("RedeployService", LIVE), ("UpdateRecord", RIGHT)], ids=FUNCTIONS
)
def test_the_first_event_of_a_new_process_is_handled(
    runtime: Runtime,
    functions: dict[str, BuiltFunction],
    live: LiveState,
    tmp_path: Path,
    function: str,
    says: str,
) -> None:
    live.put_right()
    with running(runtime, functions[function], live.environment, tmp_path / "log") as emulator:
        answer = emulator.invoke(read_event("schedule"))
    assert answer.text == "null", answer.output
    assert_said(answer, (says,))


def test_the_runtimes_environment_holds_what_its_lock_names_and_nothing_else(
    interpreter: Interpreter,
) -> None:
    lock = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8").splitlines()
    assert interpreter.distributions == {line.partition("==")[0] for line in lock if "==" in line}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_all_code_is_the_built_artefacts_the_standard_librarys_or_the_runtimes(
    emulators: dict[str, Emulator], live: LiveState, interpreter: Interpreter, function: str
) -> None:
    """All that was loaded for the events that the tests above sent to this process, and for this one."""
    emulator = emulators[function]
    live.put_right()
    emulator.invoke(read_event("schedule"))
    found = by_origin(emulator.loaded(), emulator.function, interpreter)
    assert found.pop("elsewhere", set()) == set()
    assert set(found) == {"function", "layer", "standard library", "runtime"}
    assert found["function"] == {"app"}
    assert {"pushlive", "aws_lambda_powertools", "boto3", "botocore", "urllib3"} <= found["layer"]
    assert "awslambdaric" in found["runtime"]


def test_code_from_elsewhere_would_be_found(
    runtime: Runtime,
    functions: dict[str, BuiltFunction],
    interpreter: Interpreter,
    live: LiveState,
    tmp_path: Path,
) -> None:
    function = functions["RedeployService"]
    checkout, site_packages = ROOT / "layers" / "pushlive", tmp_path / "site-packages"
    shutil.copytree(function.layer / "python" / "botocore", site_packages / "botocore")
    first = [checkout, site_packages]
    with running(runtime, function, live.environment, tmp_path / "log", before_the_layer=first) as emulator:
        assert emulator.invoke(read_event("image_deleted")).text == "null"
        found = by_origin(emulator.loaded(), function, interpreter)
    for intruder in (checkout / "pushlive", site_packages / "botocore"):
        assert any(path.startswith(f"{intruder}/") for path in found["elsewhere"])
        assert intruder.name not in found["layer"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_compiled_at_a_start_where_lambdas_python_has_built(
    emulators: dict[str, Emulator], interpreter: Interpreter, function: str
) -> None:
    """Elsewhere the artefacts hold no compiled files, and the functions run with another Python."""
    emulator = emulators[function]
    emulator.invoke(read_event("schedule"))
    artefacts = (emulator.function.folder, emulator.function.layer)
    loaded = {path.suffix for path in emulator.loaded() if any(map(path.is_relative_to, artefacts))}
    if runtime_python():
        assert interpreter.name == LAMBDAS_PYTHON, (
            "make .venv-runtime anew: Lambda's own Python is here by now"
        )
        assert loaded == {".pyc"}
    else:
        assert loaded == {".py"}


def assert_said(answer: Answer, expected: tuple[str, ...]) -> None:
    said = [f"{line['message']}: {line.get('reason')}" for line in answer.lines if "message" in line]
    assert len(said) == len(expected), said
    for line, beginning in zip(said, expected, strict=True):
        assert line.startswith(beginning), said


def counted(answer: Answer) -> list[str]:
    """The metrics that the function wrote, each of them once (CloudWatch guide, "embedded metric format")."""
    return [
        metric["Name"]
        for line in answer.lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in directive["Metrics"]
        if line[metric["Name"]] == [1.0]
    ]
