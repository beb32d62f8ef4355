"""checkov's findings in the transformed templates are those that docs/security.md gives a reason for."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from lab.template import HTTPS, REGION, ROOT, SHAPES, Stack, transformed_template
from tests.permissions.policies import stack

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]
Finding = tuple[str, str]
"""Check and resource, such as CKV_AWS_27 and DeadLetters."""

DOCUMENT = ROOT / "docs" / "security.md"
ROW = re.compile(r"^\| (CKV\w+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def decided(found: Stack) -> Json:
    """The template with its conditions decided: checkov sees through no Fn::If."""
    return {**found.template, "Resources": found.resources}


def shapes() -> dict[str, Json]:
    """The stacks that are checked: the service alone, with HTTPS in front, and that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        https = transformed_template(HTTPS)
    service = stack()
    return {
        "service": decided(service),
        "service-for-https": decided(Stack(service.template, {**service.given, "Https": "true"})),
        **{shape: decided(Stack(https, given)) for shape, (name, given) in SHAPES.items() if name == HTTPS},
    }


def made_worse(template: Json) -> Json:
    """The template with what checkov must see; in SAM's own form it would miss a part of it."""
    worse = copy.deepcopy(template)
    resources = {name: each.get("Properties", {}) for name, each in worse["Resources"].items()}
    [policy] = resources["RedeployServiceRole"]["Policies"]
    policy["PolicyDocument"]["Statement"][0].update(Action="*", Resource="*")
    resources["Repository"]["RepositoryPolicyText"] = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}],
    }
    resources["Repository"]["ImageScanningConfiguration"]["ScanOnPush"] = False
    resources["TaskSecurityGroup"]["SecurityGroupIngress"][0].update(
        FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    [*_, secrets] = resources["TaskExecutionRole"]["Policies"]
    secrets["PolicyDocument"]["Statement"][0].update(Action="ssm:*", Resource="*")
    resources["TaskExecutionRole"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = {"AWS": "*"}
    return worse


def https_made_worse(template: Json) -> Json:
    """The same of HTTPS."""
    worse = copy.deepcopy(template)
    config = worse["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = "allow-all"
    config["ViewerCertificate"]["MinimumProtocolVersion"] = "TLSv1"
    return worse


MUST_SEE = {
    ("CKV_AWS_63", "RedeployServiceRole"),  # any action
    ("CKV_AWS_32", "Repository"),  # anybody may push
    ("CKV_AWS_163", "Repository"),  # images are not scanned
    ("CKV_AWS_24", "TaskSecurityGroup"),  # port 22 for everybody
    ("CKV_AWS_60", "TaskExecutionRole"),  # anybody may take it on
    ("CKV_AWS_108", "TaskExecutionRole"),  # any secret
    ("CKV_AWS_34", "Distribution"),  # http is served as well
    ("CKV_AWS_174", "Distribution"),  # with versions of TLS that are broken
}


@pytest.fixture(scope="session")
def reports(checkov_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[Finding]]:
    """Template to findings, from one run of checkov, offline."""
    folder = tmp_path_factory.mktemp("checkov")
    templates = shapes()
    templates["worse"] = made_worse(templates["service"])
    templates["worse-https"] = https_made_worse(templates["https"])
    for name, written in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(written), encoding="utf-8")
    # Without AWS's and checkov's own variables: it must reach for nothing.
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    command = [
        *(str(checkov_environment / "python"), "-m", "checkov.main"),
        *("--framework", "cloudformation", "--skip-download", "--quiet", "--output", "json"),
        *("--directory", str(folder)),
    ]
    done = subprocess.run(  # noqa: S603 - no shell, our own words
        command, cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    report: Json = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] >= sum(len(each["Resources"]) for each in templates.values())
    found: dict[str, set[Finding]] = {}
    for failed in report["results"]["failed_checks"]:
        findings = found.setdefault(failed["file_path"].strip("/").removesuffix(".json"), set())
        findings.add((failed["check_id"], failed["resource"].rpartition(".")[2]))
    return found


@pytest.fixture(scope="session")
def found(reports: dict[str, set[Finding]]) -> set[Finding]:
    return {finding for name, each in reports.items() if not name.startswith("worse") for finding in each}


@pytest.fixture(scope="session")
def reasons() -> dict[Finding, str]:
    """The document's table; a row may name several resources."""
    rows = ROW.findall(DOCUMENT.read_text(encoding="utf-8"))
    return {
        (check, resource.strip("` ")): reason.strip()
        for check, resources, reason in rows
        for resource in resources.split(",")
    }


def test_each_finding_has_a_reason(found: set[Finding], reasons: dict[Finding, str]) -> None:
    assert found - reasons.keys() == set(), "fix them, or say why not in docs/security.md"


def test_each_reason_has_a_finding(found: set[Finding], reasons: dict[Finding, str]) -> None:
    assert reasons.keys() - found == set(), "checkov does not find these any more: remove their rows"


def test_each_reason_says_something(reasons: dict[Finding, str]) -> None:
    assert [finding for finding, reason in reasons.items() if len(reason.split()) < 5] == []


def test_checkov_sees_what_it_should(reports: dict[str, set[Finding]]) -> None:
    assert MUST_SEE & (reports["service"] | reports["https"]) == set()
    assert MUST_SEE - (reports["worse"] | reports["worse-https"]) == set()
