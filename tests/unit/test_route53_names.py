"""Host names: which a tag may ask for in a zone, and how Route 53 spells them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushlive.config import ConfigError
from pushlive.route53 import HOST_NAME, LABEL, host_name, owner_name

ZONE = "example.com"
LABEL_63 = "a" * 63
# 4 x 60 characters with their dots, then the zone: exactly as long as a name may be.
# The longest one whose ownership TXT, _pushlive.NAME, has the 253 characters that DNS allows.
NAME_243 = ".".join(["b" * 60, "b" * 60, "b" * 60, "b" * 48, ZONE])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("app.example.com", "app.example.com", id="name-in-the-zone"),
        pytest.param("a.b.c.example.com", "a.b.c.example.com", id="name-deep-in-the-zone"),
        pytest.param("app.example.com.", "app.example.com", id="dot-at-the-end-goes"),
        pytest.param("App.EXAMPLE.com", "app.example.com", id="upper-case-becomes-lower-case"),
        pytest.param("my-app-2.example.com", "my-app-2.example.com", id="hyphen-and-digit"),
        pytest.param("7.example.com", "7.example.com", id="digit-alone"),
        pytest.param("xn--bcher-kva.example.com", "xn--bcher-kva.example.com", id="unicode-as-punycode"),
        pytest.param(f"{LABEL_63}.example.com", f"{LABEL_63}.example.com", id="label-of-63"),
        pytest.param(NAME_243, NAME_243, id="name-of-243"),
    ],
)
def test_good_name(text: str, name: str) -> None:
    assert host_name(text, ZONE) == name


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="dot"),
        pytest.param("app", id="label-without-zone"),
        pytest.param("*.example.com", id="wildcard"),
        pytest.param("app.*.example.com", id="wildcard-within"),
        pytest.param("bücher.example.com", id="unicode"),
        pytest.param("аpp.example.com", id="letter-that-only-looks-latin"),  # noqa: RUF001 - Cyrillic
        pytest.param("app．example.com", id="full-width-dot"),  # noqa: RUF001 - that is the case
        pytest.param("\u212aelvin.example.com", id="kelvin-sign-whose-lower-case-is-k"),
        pytest.param("-app.example.com", id="hyphen-first"),
        pytest.param("app-.example.com", id="hyphen-last"),
        pytest.param("my_app.example.com", id="underscore"),
        pytest.param("_pushlive.app.example.com", id="ownership-txt-of-another-name"),
        pytest.param("app..example.com", id="empty-label"),
        pytest.param(".app.example.com", id="dot-first"),
        pytest.param("app.example.com..", id="two-dots-at-the-end"),
        pytest.param("app.example.com:8080", id="with-port"),
        pytest.param("http://app.example.com", id="url"),
        pytest.param("app.example.com/", id="with-path"),
        pytest.param("a app.example.com", id="space-within"),
        pytest.param(" app.example.com", id="space-first"),
        pytest.param("app.example.com\n", id="line-end"),
        pytest.param("app.example.com\x00", id="nul"),
        pytest.param(r"\052.example.com", id="route-53-escape"),
        pytest.param(f"a{LABEL_63}.example.com", id="label-of-64"),
        pytest.param(f"b{NAME_243}", id="name-of-244"),
        pytest.param("a." * 5000 + "example.com", id="very-long"),
    ],
)
def test_what_is_no_host_name_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"pushlive:hostname is .* not a host name: give one such as app\.example\.com"
    ):
        host_name(text, ZONE)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("app.example.org", id="another-zone"),
        pytest.param("notexample.com", id="zone-that-ends-with-the-same-letters"),
        pytest.param("app.notexample.com", id="name-in-a-zone-that-ends-with-the-same-letters"),
        pytest.param("example.com.evil.org", id="zone-that-begins-with-ours"),
        pytest.param("app-example.com", id="hyphen-for-the-dot"),
        pytest.param("com.example", id="zone-reversed"),
    ],
)
def test_name_outside_the_zone_is_an_error_that_names_the_zone(text: str) -> None:
    with pytest.raises(ConfigError, match=r"the hosted zone is example\.com"):
        host_name(text, ZONE)


@pytest.mark.parametrize("text", ["example.com", "Example.COM", "example.com."])
def test_zone_itself_is_an_error_that_says_so(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"the hosted zone itself: give a name in it, such as app\.example\.com"
    ):
        host_name(text, ZONE)


def test_name_in_the_parent_of_the_zone_is_outside() -> None:
    with pytest.raises(ConfigError, match="the hosted zone is"):
        host_name("example.com", "dev.example.com")


def test_error_text_stays_short() -> None:
    with pytest.raises(ConfigError) as raised:
        host_name("x" * 100_000, ZONE)
    assert len(str(raised.value)) < 300


def test_ownership_lies_beside_the_name() -> None:
    assert owner_name("app.example.com") == "_pushlive.app.example.com"


def test_ownership_is_no_host_name_so_no_service_can_ask_for_it() -> None:
    assert not HOST_NAME.fullmatch(owner_name("app.example.com"))


@given(st.text(max_size=60).map(lambda text: f"{text}.{ZONE}") | st.text(max_size=300))
def test_any_text_gives_a_name_in_the_zone_or_a_config_error(text: str) -> None:
    try:
        name = host_name(text, ZONE)
    except ConfigError:
        return
    assert name.endswith(f".{ZONE}")
    assert name.isascii()
    assert name == name.lower()
    assert len(name) <= 243
    assert all(0 < len(label) <= 63 for label in name.split("."))


LABELS = st.from_regex(LABEL, fullmatch=True).filter(lambda label: label.isascii())


@given(st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, ZONE])))
def test_name_that_is_right_stays_as_it_is(name: str) -> None:
    assert host_name(name, ZONE) == name
    assert host_name(name + ".", ZONE) == name
    assert host_name(name.upper(), ZONE) == name
