"""The AWS clients of a function, made at their first use and kept while the function is warm."""

from __future__ import annotations

from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.httpsession import create_urllib3_context
from botocore.utils import parse_timestamp

if TYPE_CHECKING:
    from ssl import SSLContext

# "standard" waits for throttled calls, and knows Route 53's PriorRequestNotComplete
# (boto3 guide, "Retries"). The short time-outs leave room for a second try within the function's own.
CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 6},
    connect_timeout=3,
    read_timeout=10,
    user_agent_extra="pushlive",
)


@cache
def client(service_name: str) -> Any:  # noqa: ANN401 - each caller says which client it is
    """Return the client of an AWS service, such as `ecs`."""
    _handle_events_of(service_name, _session())
    made = _session().create_client(service_name, config=CONFIG)
    return asking_once(_reading_certificates_once(made))


@cache
def _session() -> botocore.session.Session:
    """Return what all clients share: botocore's own, for boto3's would load much that is not used."""
    session = in_utc(botocore.session.Session(include_builtin_handlers=False))
    _handle_events_of("*", session)
    return session


def in_utc(session: botocore.session.Session) -> botocore.session.Session:
    """Return `session`, whose clients give times in UTC; botocore's own give them in the machine's zone."""
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=lambda value: parse_timestamp(value).astimezone(UTC))
    return session


def _handle_events_of(service_name: str, session: botocore.session.Session) -> None:
    """Register botocore's own handlers of a service's events; `*` stands for those of every service.

    A session by itself registers all, most of them for services that are not called: a tenth of what a cold
    start takes besides imports.
    """
    events = session.get_component("event_emitter")
    register = {REGISTER_FIRST: events.register_first, REGISTER_LAST: events.register_last}
    for event, handler, *place in BUILTIN_HANDLERS:
        kind, _, rest = event.partition(".")
        if (rest.partition(".")[0] or "*") == service_name and kind != "docs":
            (register[place[0]] if place else events.register)(event, handler)


def _reading_certificates_once(client: Any) -> Any:  # noqa: ANN401 - of any service
    """Return `client`, which no longer reads for each new connection by which certificates to check AWS's.

    Reading them takes as long as ten calls.
    """
    connections = client._endpoint.http_session  # noqa: SLF001
    prepare = connections._setup_ssl_cert  # noqa: SLF001

    def prepare_once(pool: Any, url: str, verify: object) -> None:  # noqa: ANN401 - urllib3's, of one host
        prepare(pool, url, verify)
        if pool.ca_certs:
            pool.conn_kw["ssl_context"] = _checking_by(pool.ca_certs)
            pool.ca_certs = None

    connections._setup_ssl_cert = prepare_once  # noqa: SLF001
    return client


@cache
def _checking_by(certificates: str) -> SSLContext:
    context: SSLContext = create_urllib3_context()
    context.load_verify_locations(certificates)
    return context


def asking_once(client: Any) -> Any:  # noqa: ANN401 - of any service
    """Return `client`, which no longer repeats some requests that may have been carried out.

    UpdateService takes no client token, so a repetition starts a second deployment; and a claim that is given
    back twice may be another run's by then. What AWS refused, by throttling for example, is repeated as any
    other call.
    """
    for request in ("ecs.UpdateService", "logs.DeleteLogStream"):
        client.meta.events.register(f"needs-retry.{request}", _raise_if_the_outcome_is_unknown)
    return client


def _raise_if_the_outcome_is_unknown(
    response: tuple[Any, Any] | None,
    operation: Any,  # noqa: ANN401 - botocore's own, without types
    caught_exception: Exception | None,
    **_: object,
) -> None:
    # Sent, and no answer came. What could not even be sent is another error.
    if isinstance(caught_exception, HTTPClientError):
        raise caught_exception
    if response is not None and response[0].status_code >= 500:  # noqa: PLR2004 - HTTP's server errors
        raise ClientError(response[1], operation.name)
