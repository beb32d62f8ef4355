"""The templates as CloudFormation gets them: transformed, and with values for its parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Json = dict[str, Any]

ROOT = Path(__file__).parents[1]
NO_VALUE = {"Ref": "AWS::NoValue"}
IN_SUB = re.compile(r"\$\{([^!}][^}]*)\}")
PARTITION, ACCOUNT, REGION = "aws", "123456789012", "us-east-1"
HOSTED_ZONE_ID, HOST_NAME = "Z0123456789ABCDEFGHIJ", "hello.example.com"
NAMED = {"HostedZoneId": HOSTED_ZONE_ID, "HostName": HOST_NAME}
ORIGIN = {"OriginName": f"origin-{HOST_NAME}"}

SERVICE, PUSHLIVE, HTTPS = "template.yaml", "pushlive.yaml", "https.yaml"
CLUSTER = {"ClusterName": "shop", "Repositories": "shop-*"}
# What makes each shape: a template, and its parameters.
SHAPES: dict[str, tuple[str, dict[str, str]]] = {
    "service": (SERVICE, NAMED),
    "service-for-https": (SERVICE, {**NAMED, "Https": "true"}),
    "service-without-host-name": (SERVICE, {}),
    "pushlive": (PUSHLIVE, {**CLUSTER, "HostedZoneId": HOSTED_ZONE_ID, "HostNames": "*.example.com"}),
    "pushlive-without-host-names": (PUSHLIVE, CLUSTER),
    "https": (HTTPS, {**NAMED, **ORIGIN, "OriginSecret": "0123456789abcdef", "SecurityHeaders": "true"}),
    "https-without-host-name": (HTTPS, ORIGIN),
}


class NoManagedPolicies:
    """The transform asks for AWS's managed policies by name; the template names none."""

    def load(self) -> dict[str, str]:
        """Name to ARN; none."""
        return {}


def written_template(name: str) -> Json:
    """A template as it stands in its file."""
    template: Json = yaml_parse((ROOT / name).read_text(encoding="utf-8"))
    return template


def transformed_template(name: str) -> Json:
    """A template after the SAM transform."""
    template = written_template(name)
    for resource in template["Resources"].values():
        # `sam package` puts the artefacts' addresses here before CloudFormation sees them.
        for code in ("CodeUri", "ContentUri", "Location"):
            if code in resource.get("Properties", {}):
                resource["Properties"][code] = "s3://bucket/key"
    result: Json = transform(template, {}, NoManagedPolicies())
    return result


def nodes(value: Any) -> Iterator[Any]:
    """`value` and everything in it."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def names_in(value: Any) -> set[str]:
    """The parameters, resources and pseudo parameters that `value` refers to."""
    names = set()
    for node in nodes(value):
        if not isinstance(node, dict):
            continue
        own: set[str] = set()
        if isinstance(node.get("Ref"), str):
            names.add(node["Ref"])
        if "Fn::GetAtt" in node:
            names.add(node["Fn::GetAtt"][0].partition(".")[0])
        if "Fn::Sub" in node:
            text = node["Fn::Sub"]
            if isinstance(text, list):
                text, own = text[0], set(text[1])
            names |= {name.split(".")[0] for name in IN_SUB.findall(text) if name not in own}
    return names


OF_LISTS: dict[str, Callable[..., Any]] = {
    "Fn::Join": lambda delimiter, parts: delimiter.join(map(str, parts)),
    "Fn::Select": lambda index, parts: parts[int(index)],
    "Fn::Split": lambda delimiter, text: text.split(delimiter),
}


def fill(value: Any, names: Mapping[str, Any]) -> Any:
    """`value` with what its references stand for: `Cluster`, `Cluster.Arn`, `AWS::Region`."""
    match value:
        case {"Ref": name}:
            return names[name]
        case {"Fn::GetAtt": [name, attribute]}:
            return names[f"{name}.{attribute}"]
        case {"Fn::Sub": str(text) | [str(text), {}]}:
            own = value["Fn::Sub"][1] if isinstance(value["Fn::Sub"], list) else {}
            filled = {**names, **fill(own, names)} if own else names
            return IN_SUB.sub(lambda found: str(filled[found[1]]), text)
        case dict():
            filled = {key: fill(inner, names) for key, inner in value.items()}
            name = next(iter(filled), "")
            return OF_LISTS[name](*filled[name]) if name in OF_LISTS else filled
        case list():
            return [fill(inner, names) for inner in value]
    return value


@dataclass(frozen=True)
class Stack:
    """The transformed template with the parameters `given`, the others by their defaults.

    `AWS::Region` may be given too.
    """

    template: Json
    given: Mapping[str, str]

    @cached_property
    def parameters(self) -> Json:
        """Each parameter's value: what was given, or its default."""
        defaults = {name: each.get("Default") for name, each in self.template["Parameters"].items()}
        return {**defaults, **self.given}

    @cached_property
    def _names(self) -> Json:
        return {"AWS::Region": REGION, **self.parameters}

    @cached_property
    def resources(self) -> Json:
        """Those whose condition holds, decided."""
        return self._existing("Resources")

    @cached_property
    def outputs(self) -> Json:
        """The outputs whose conditions hold."""
        return self._existing("Outputs")

    def rule_allows(self, rule: str) -> bool:
        """Whether a rule of the template lets these parameters pass."""
        checked = self.template["Rules"][rule]
        applies = "RuleCondition" not in checked or self.true(checked["RuleCondition"])
        return not applies or all(self.true(assertion["Assert"]) for assertion in checked["Assertions"])

    def true(self, condition: Any) -> bool:
        """Whether a condition, given by its name or its function, holds."""
        match condition:
            case str(name) | {"Condition": str(name)}:
                return self.true(self.template["Conditions"][name])
            case {"Fn::And": list(parts)}:
                return all(map(self.true, parts))
            case {"Fn::Or": list(parts)}:
                return any(map(self.true, parts))
            case {"Fn::Not": [part]}:
                return not self.true(part)
            case {"Fn::Equals": [left, right]}:
                return bool(fill(left, self._names) == fill(right, self._names))
            case {"Fn::Contains": [values, value]}:
                return bool(fill(value, self._names) in values)
        raise ValueError(f"not a condition: {condition}")

    def decide(self, value: Any) -> Any:
        """`value` with each Fn::If decided, and without what AWS::NoValue leaves out."""
        match value:
            case {"Fn::If": [condition, yes, no]}:
                return self.decide(yes if self.true(condition) else no)
            case dict():
                decided = {key: self.decide(inner) for key, inner in value.items()}
                return {key: inner for key, inner in decided.items() if inner != NO_VALUE}
            case list():
                return [inner for each in value if (inner := self.decide(each)) != NO_VALUE]
        return value

    def _existing(self, section: str) -> Json:
        return {
            name: self.decide(each)
            for name, each in self.template.get(section, {}).items()
            if "Condition" not in each or self.true(each["Condition"])
        }

    def of_type(self, resource_type: str) -> Json:
        """The properties of each resource of a type."""
        return {
            name: each.get("Properties", {})
            for name, each in self.resources.items()
            if each["Type"] == resource_type
        }
