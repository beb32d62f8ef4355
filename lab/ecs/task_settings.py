"""What a container reads from its environment, with its settings in S3 and its secrets in Parameter Store.

ECS guide: "Pass environment variables to an Amazon ECS container", "Pass Systems Manager parameters through
Amazon ECS environment variables".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Json = dict[str, Any]


class SettingsError(Exception):
    """A setting or a secret is not there; the text is what ECS says behind ResourceInitializationError."""


class TaskSettings:
    """Reads them whenever a container is started, so that its values are those of that moment."""

    def __init__(self, ssm: Any, s3: Any) -> None:  # noqa: ANN401 - clients
        self._ssm = ssm
        self._s3 = s3

    def read(self, container: Mapping[str, Any]) -> dict[str, str]:
        """Return the environment of a container definition.

        What the definition says itself counts more than a file, and a file more than those behind it.

        Raises:
            SettingsError: a file or a parameter is not there.
        """
        environment: dict[str, str] = {}
        for file in reversed(container.get("environmentFiles", ())):
            environment |= self._in_file(file["value"])
        environment |= {pair["name"]: str(pair["value"]) for pair in container.get("environment", ())}
        return environment | self._secrets(container.get("secrets", ()))

    def _in_file(self, arn: str) -> dict[str, str]:
        bucket, _, key = arn.partition(":::")[2].partition("/")
        try:
            lines = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines()
        except ClientError as error:
            # S3's answer also where there is no such object, for a role that may not list the bucket (S3 API
            # reference, HeadObject, Permissions).
            raise SettingsError(
                "failed to download env files: service call has been retried 1 time(s): operation error S3: "
                "HeadObject, https response error StatusCode: 403, api error Forbidden: Forbidden"
            ) from error
        pairs = [line.partition("=") for line in lines if not line.startswith("#")]
        # Fargate leaves out a variable without a value (containers-roadmap issue 2466).
        return {name: value for name, _, value in pairs if value}

    def _secrets(self, secrets: Any) -> dict[str, str]:  # noqa: ANN401 - a list of JSON objects
        if not secrets:
            return {}
        # A parameter's name is /shop/KEY where its ARN ends with :parameter/shop/KEY.
        names = {each["name"]: each["valueFrom"].rpartition(":parameter")[2] for each in secrets}
        found = self._ssm.get_parameters(Names=sorted(set(names.values())), WithDecryption=True)
        if missing := found.get("InvalidParameters"):
            # As seen in HHS/simpler-grants-gov, pull request 4330.
            raise SettingsError(
                "unable to pull secrets or registry auth: execution resource retrieval failed: unable to "
                "retrieve secrets from ssm: service call has been retried 1 time(s): invalid ssm parameters: "
                + ", ".join(missing)
            )
        values = {each["Name"]: each["Value"] for each in found["Parameters"]}
        return {name: values[parameter] for name, parameter in names.items()}
