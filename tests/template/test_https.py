"""HTTPS by CloudFront: promises that only the templates can keep."""

from __future__ import annotations

import re
import runpy
from typing import TYPE_CHECKING

import pytest

from lab.template import HOST_NAME, HTTPS, NAMED, ORIGIN, ROOT, SERVICE, Json, Stack, fill

if TYPE_CHECKING:
    from collections.abc import Callable

# CloudFront guide, "Use managed cache policies", "Use managed origin request policies", "Use managed response
# headers policies".
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
USE_ORIGIN_CACHE_CONTROL_HEADERS_QUERY_STRINGS = "4cc15a8a-d715-48a4-82b8-cc0b614638fe"
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
SECURITY_HEADERS_POLICY = "67f7725c-6f97-4210-82d7-5512b31e9d03"

# The guide, "How CloudFront processes HTTP 4xx and 5xx status codes from your origin": these are always kept.
ALWAYS_KEPT = {404, 414, 500, 501, 502, 503, 504}

CLOUDFRONT_S_ZONE = "Z2FDTNDATAQYW2"
"""Template reference, AliasTarget, HostedZoneId."""


def config(stack: Stack) -> Json:
    [distribution] = stack.of_type("AWS::CloudFront::Distribution").values()
    found: Json = distribution["DistributionConfig"]
    return found


def behavior(stack: Stack) -> Json:
    found: Json = config(stack)["DefaultCacheBehavior"]
    return found


def origin(stack: Stack) -> Json:
    [found] = config(stack)["Origins"]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def with_(templates: dict[str, Json]) -> Callable[..., Stack]:
    """https.yaml with these parameters."""
    return lambda **given: Stack(templates[HTTPS], {**NAMED, **ORIGIN, **given})


@pytest.fixture
def nameless_https_stack(shapes: dict[str, Stack]) -> Stack:
    return shapes["https-without-host-name"]


def test_the_app_gets_each_request_as_the_visitor_sent_it(https_stack: Stack) -> None:
    """Any method; and by AllViewer each header, cookie and query string, Host among them."""
    every = behavior(https_stack)
    methods = {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}
    assert set(every["AllowedMethods"]) == methods
    assert every["OriginRequestPolicyId"] == ALL_VIEWER
    assert "CacheBehaviors" not in config(https_stack), "one behavior is for all paths"


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ({}, USE_ORIGIN_CACHE_CONTROL_HEADERS_QUERY_STRINGS),
        ({"Caching": "false"}, CACHING_DISABLED),
        ({"Caching": "true"}, USE_ORIGIN_CACHE_CONTROL_HEADERS_QUERY_STRINGS),
    ],
    ids=["by-default", "false", "true"],
)
def test_edges_keep_what_the_app_lets_them_keep_or_nothing_at_all(
    with_: Callable[..., Stack], given: dict[str, str], policy: str
) -> None:
    every = behavior(with_(**given))
    assert every["CachePolicyId"] == policy
    assert set(every["CachedMethods"]) == {"GET", "HEAD"}
    assert every["Compress"] is True


def test_no_edge_repeats_an_error(https_stack: Stack) -> None:
    seconds = {
        each["ErrorCode"]: each["ErrorCachingMinTTL"] for each in config(https_stack)["CustomErrorResponses"]
    }
    assert set(seconds) >= ALWAYS_KEPT
    # The codes that it takes here (the guide, "Generate custom error responses").
    assert set(seconds) <= {400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}
    assert set(seconds.values()) == {0}
    assert all(
        set(each) == {"ErrorCode", "ErrorCachingMinTTL"}
        for each in config(https_stack)["CustomErrorResponses"]
    )


def test_visitors_come_by_https_over_any_version_of_http_and_ip(https_stack: Stack) -> None:
    assert behavior(https_stack)["ViewerProtocolPolicy"] == "redirect-to-https"
    distribution = config(https_stack)
    assert (distribution["HttpVersion"], distribution["IPV6Enabled"]) == ("http2and3", True)
    assert distribution["Enabled"] is True


def test_edge_rides_over_an_address_of_a_task_that_is_gone(https_stack: Stack) -> None:
    """It tries again, and a visitor waits for less than the ten seconds of an impatient client."""
    found = origin(https_stack)
    assert 2 <= found["ConnectionAttempts"] <= 3  # template reference, Origin: 1 to 3
    assert 1 <= found["ConnectionTimeout"] <= 10
    assert found["ConnectionAttempts"] * found["ConnectionTimeout"] < 10


def test_edge_lets_an_idle_connection_go_before_the_app_does(https_stack: Stack) -> None:
    hello_app = runpy.run_path(str(ROOT / "hello_app" / "app.py"))
    kept = origin(https_stack)["CustomOriginConfig"]["OriginKeepaliveTimeout"]
    assert 1 <= kept < hello_app["TIMEOUT_SECONDS"]


def test_edge_asks_the_service_s_own_name_and_port(https_stack: Stack) -> None:
    found = origin(https_stack)
    assert found["DomainName"] == {"Ref": "OriginName"}
    custom = found["CustomOriginConfig"]
    assert custom["HTTPPort"] == {"Ref": "OriginPort"}
    # The task has no certificate, and pushlive keeps an A record.
    assert (custom["OriginProtocolPolicy"], custom["IpAddressType"]) == ("http-only", "ipv4")
    assert behavior(https_stack)["TargetOriginId"] == found["Id"]


def test_name_of_one_s_own_has_a_certificate_and_records_for_both_versions_of_ip(https_stack: Stack) -> None:
    [certificate] = https_stack.of_type("AWS::CertificateManager::Certificate").values()
    [validation] = certificate["DomainValidationOptions"]
    assert (certificate["DomainName"], certificate["ValidationMethod"]) == ({"Ref": "HostName"}, "DNS")
    assert validation == {"DomainName": {"Ref": "HostName"}, "HostedZoneId": {"Ref": "HostedZoneId"}}
    assert config(https_stack)["Aliases"] == [{"Ref": "HostName"}]
    viewer = config(https_stack)["ViewerCertificate"]
    assert viewer == {
        "AcmCertificateArn": {"Ref": "Certificate"},
        "SslSupportMethod": "sni-only",  # "vip" costs 600 USD a month
        "MinimumProtocolVersion": "TLSv1.2_2021",
    }
    records = https_stack.of_type("AWS::Route53::RecordSet").values()
    assert sorted(each["Type"] for each in records) == ["A", "AAAA"]
    target = {"HostedZoneId": CLOUDFRONT_S_ZONE, "DNSName": {"Fn::GetAtt": ["Distribution", "DomainName"]}}
    for record in records:
        assert (record["Name"], record["AliasTarget"]) == ({"Ref": "HostName"}, target)


def test_without_one_it_is_a_name_of_cloudfront(nameless_https_stack: Stack) -> None:
    assert set(nameless_https_stack.resources) == {"Distribution"}
    assert "Aliases" not in config(nameless_https_stack)
    assert config(nameless_https_stack)["ViewerCertificate"] == {"CloudFrontDefaultCertificate": True}


@pytest.mark.parametrize(
    ("shape", "url"),
    [("https", f"https://{HOST_NAME}/"), ("https-without-host-name", "https://d1.cloudfront.net/")],
)
def test_first_output_is_the_page_s_address(shapes: dict[str, Stack], shape: str, url: str) -> None:
    stack = shapes[shape]
    names = {**stack.parameters, "Distribution": "E1", "Distribution.DomainName": "d1.cloudfront.net"}
    assert fill(stack.outputs["Step1Url"]["Value"], names) == url
    assert fill(stack.outputs["Step2Headers"]["Value"], names) == f"curl --head {url}"


def test_secret_is_sent_only_where_there_is_one(with_: Callable[..., Stack]) -> None:
    """And is shown to nobody who reads the stack."""
    sent = origin(with_(OriginSecret="0123456789abcdef"))["OriginCustomHeaders"]
    assert sent == [{"HeaderName": "X-Origin-Secret", "HeaderValue": {"Ref": "OriginSecret"}}]
    assert "OriginCustomHeaders" not in origin(with_())
    stack = with_()
    assert stack.template["Parameters"]["OriginSecret"]["NoEcho"] is True
    assert "OriginSecret" not in str(stack.template["Outputs"])


def test_security_headers_and_a_web_acl_are_choices(with_: Callable[..., Stack]) -> None:
    assert "ResponseHeadersPolicyId" not in behavior(with_())
    assert behavior(with_(SecurityHeaders="true"))["ResponseHeadersPolicyId"] == SECURITY_HEADERS_POLICY
    assert "WebACLId" not in config(with_())
    arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/shop/a1b2"
    assert config(with_(WebAclArn=arn))["WebACLId"] == {"Ref": "WebAclArn"}


@pytest.mark.parametrize(
    ("given", "broken"),
    [
        pytest.param({}, set(), id="all-right"),
        pytest.param({"AWS::Region": "eu-west-1"}, {"InVirginia"}, id="another-region"),
        pytest.param({"HostedZoneId": ""}, {"HostNameNeedsItsZone"}, id="name-without-zone"),
        pytest.param({"HostName": ""}, {"HostNameNeedsItsZone"}, id="zone-without-name"),
        pytest.param({"OriginName": HOST_NAME}, {"NamesDiffer"}, id="one-name-for-both"),
    ],
)
def test_answers_that_cannot_work_are_refused(
    with_: Callable[..., Stack], given: dict[str, str], broken: set[str]
) -> None:
    stack = with_(**given)
    assert {rule for rule in stack.template["Rules"] if not stack.rule_allows(rule)} == broken


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        # The guide, "Origin settings", HTTP port: 80, 443, 1024 to 65535.
        ("OriginPort", "79", False),
        ("OriginPort", "80", True),
        ("OriginPort", "443", True),
        ("OriginPort", "444", False),
        ("OriginPort", "1023", False),
        ("OriginPort", "1024", True),
        ("OriginPort", "8080", True),
        ("OriginPort", "65535", True),
        ("OriginPort", "65536", False),
        ("OriginPort", "08080", False),
        ("OriginName", "origin-app.example.com", True),
        ("OriginName", "http://origin-app.example.com", False),
        ("OriginName", "203.0.113.7", False),
        ("OriginName", f"{'a.' * 58}example.comm", True),  # 128
        ("OriginName", f"{'a.' * 59}example.com", False),
        ("HostName", f"{'a.' * 26}example.comm", True),  # 64
        ("HostName", f"{'a.' * 27}example.com", False),  # ACM: a certificate's first name
        ("OriginSecret", "0123456789abcdef", True),
        ("OriginSecret", "0123456789abcde", False),
        ("OriginSecret", "0123456789 abcdef", False),
        ("WebAclArn", "arn:aws:wafv2:us-east-1:123456789012:global/webacl/shop/a1b2", True),
        ("WebAclArn", "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/shop/a1b2", False),
    ],
)
def test_answer_is_checked_before_anything_is_made(
    templates: dict[str, Json], name: str, value: str, *, allowed: bool
) -> None:
    parameter = templates[HTTPS]["Parameters"][name]
    fits = len(value) <= parameter.get("MaxLength", 4096)
    assert bool(fits and re.fullmatch(parameter["AllowedPattern"], value)) is allowed


def test_each_port_that_cloudfront_takes_is_allowed(templates: dict[str, Json]) -> None:
    allowed = re.compile(templates[HTTPS]["Parameters"]["OriginPort"]["AllowedPattern"])
    ports = {port for port in range(70_000) if allowed.fullmatch(str(port))}
    assert ports == {80, 443, *range(1024, 65536)}


def ingress(stack: Stack) -> Json:
    [group] = stack.of_type("AWS::EC2::SecurityGroup").values()
    [rule] = group["SecurityGroupIngress"]
    assert isinstance(rule, dict)
    return rule


@pytest.mark.parametrize(
    ("shape", "admitted"),
    [
        ("service", {"CidrIp": {"Ref": "AllowedCidr"}}),
        ("service-for-https", {"SourcePrefixListId": {"Ref": "CloudFrontAddresses"}}),
    ],
)
def test_the_container_port_is_open_for_cloudfront_or_for_allowed_cidr_and_never_for_both(
    shapes: dict[str, Stack], shape: str, admitted: Json
) -> None:
    rule = ingress(shapes[shape])
    sources = {"CidrIp", "CidrIpv6", "SourcePrefixListId", "SourceSecurityGroupId"}
    assert {name: value for name, value in rule.items() if name in sources} == admitted
    port = {"Ref": "ContainerPort"}
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", port, port)
    assert ("CloudFrontAddresses" in shapes[shape].resources) is (shape == "service-for-https")


@pytest.mark.parametrize(
    ("given", "broken"),
    [({}, {"HttpsNeedsAHostName"}), (NAMED, set())],
    ids=["no-host-name", "with-host-name"],
)
def test_cloudfront_needs_a_name_to_ask(
    templates: dict[str, Json], given: dict[str, str], broken: set[str]
) -> None:
    stack = Stack(templates[SERVICE], {**given, "Https": "true"})
    assert {rule for rule in stack.template["Rules"] if not stack.rule_allows(rule)} == broken


def test_service_s_next_command_sets_https_up(shapes: dict[str, Stack], templates: dict[str, Json]) -> None:
    """With parameters that https.yaml has, and the service's own name as the origin's."""
    stack = shapes["service-for-https"]
    shown = fill(stack.outputs["Step4Https"]["Value"], stack.parameters)
    command, _, overrides = shown.partition(" --parameter-overrides ")
    assert command == "sam deploy --config-env https"
    given = dict(each.split("=") for each in overrides.split())
    assert set(given) <= set(templates[HTTPS]["Parameters"])
    assert (given["OriginName"], given["OriginPort"]) == (HOST_NAME, "8080")
    assert "Step4Url" not in stack.outputs
