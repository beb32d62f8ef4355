"""What a container's environment is, with a file of settings in S3 and secrets in Parameter Store."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from lab.ecs.task_settings import SettingsError, TaskSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAMETERS = "arn:aws:ssm:us-east-1:000000000000:parameter"


class Aws:
    """S3 and Parameter Store, which answer each expected call once."""

    def __init__(self) -> None:
        keys = {"aws_access_key_id": "-", "aws_secret_access_key": "-", "region_name": "us-east-1"}
        clients = [boto3.client(name, **keys) for name in ("ssm", "s3")]  # type: ignore[call-overload]
        self.ssm, self.s3 = (Stubber(client) for client in clients)
        self.settings = TaskSettings(*clients)

    def has_file(self, bucket: str, key: str, text: str) -> None:
        content = text.encode()
        body = StreamingBody(io.BytesIO(content), len(content))
        self.s3.add_response("get_object", {"Body": body}, {"Bucket": bucket, "Key": key})

    def has_parameters(self, asked: list[str], **values: str) -> None:
        there = [{"Name": name, "Value": values[name]} for name in asked if name in values]
        missing = [name for name in asked if name not in values]
        answer = {"Parameters": there, **({"InvalidParameters": missing} if missing else {})}
        self.ssm.add_response("get_parameters", answer, {"Names": asked, "WithDecryption": True})


@pytest.fixture
def aws() -> Iterator[Aws]:
    made = Aws()
    with made.ssm, made.s3:
        yield made
        made.ssm.assert_no_pending_responses()
        made.s3.assert_no_pending_responses()


def file(arn: str) -> dict[str, str]:
    return {"type": "s3", "value": arn}


def secret(name: str, value_from: str) -> dict[str, str]:
    return {"name": name, "valueFrom": value_from}


def test_without_settings_nobody_is_asked(aws: Aws) -> None:
    assert aws.settings.read({"environment": [{"name": "PORT", "value": 8080}]}) == {"PORT": "8080"}


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        pytest.param("A=1\nB=2\n", {"A": "1", "B": "2"}, id="one-a-line"),
        pytest.param("# A=1\n\nB=2", {"B": "2"}, id="comments-and-empty-lines"),
        pytest.param("A=x=y # z\n", {"A": "x=y # z"}, id="all-behind-the-first-equals-sign"),
        pytest.param('A="x y" \n', {"A": '"x y" '}, id="quotes-and-spaces-are-part-of-it"),
        pytest.param("A=\nB=2\n", {"B": "2"}, id="fargate-leaves-out-what-has-no-value"),
    ],
)
def test_a_file_is_read_as_ecs_reads_it(aws: Aws, text: str, variables: dict[str, str]) -> None:
    aws.has_file("settings", "live/app.env", text)
    assert aws.settings.read({"environmentFiles": [file("arn:aws:s3:::settings/live/app.env")]}) == variables


def test_the_definition_counts_more_than_a_file_and_a_file_more_than_the_next(aws: Aws) -> None:
    aws.has_file("b", "2.env", "A=2\nB=2\nC=2\n")
    aws.has_file("b", "1.env", "A=1\nB=1\n")
    container: dict[str, Any] = {
        "environment": [{"name": "A", "value": "0"}],
        "environmentFiles": [file("arn:aws:s3:::b/1.env"), file("arn:aws:s3:::b/2.env")],
    }
    assert aws.settings.read(container) == {"A": "0", "B": "1", "C": "2"}


def test_secrets_are_asked_for_at_once_by_arn_or_name(aws: Aws) -> None:
    aws.has_parameters(["/shop/A", "/shop/B"], **{"/shop/A": "a", "/shop/B": "two\nlines"})
    secrets = [secret("A", f"{PARAMETERS}/shop/A"), secret("B", "/shop/B"), secret("A_AGAIN", "/shop/A")]
    assert aws.settings.read({"secrets": secrets}) == {"A": "a", "B": "two\nlines", "A_AGAIN": "a"}


def test_a_missing_parameter_is_named_in_the_words_of_ecs(aws: Aws) -> None:
    aws.has_parameters(["/shop/A", "/shop/B"], **{"/shop/A": "very secret"})
    with pytest.raises(SettingsError) as caught:
        aws.settings.read({"secrets": [secret(name, f"{PARAMETERS}/shop/{name}") for name in ("A", "B")]})
    assert str(caught.value) == (
        "unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve "
        "secrets from ssm: service call has been retried 1 time(s): invalid ssm parameters: /shop/B"
    )


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchBucket"])
def test_a_missing_file_is_an_error_in_the_words_of_ecs(aws: Aws, code: str) -> None:
    aws.s3.add_client_error("get_object", code)
    with pytest.raises(SettingsError, match=r"^failed to download env files: .* 403, api error Forbidden"):
        aws.settings.read({"environmentFiles": [file("arn:aws:s3:::b/1.env")]})
