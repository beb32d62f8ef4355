"""The least that the calls can cost in Python: signed by hand, over http.client, and nothing is parsed.

The certificates are read once. The signature is AWS's version 4 (IAM guide, "Create a signed AWS API
request").
"""

import hashlib
import hmac
import http.client
import json
import os
import ssl
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

HTTP_OK = 200


def handler(event: object, context: object) -> None:  # noqa: ARG001 - Lambda passes them
    """Make the calls."""
    requests = json.loads(Path(__file__).with_name("requests.json").read_text(encoding="utf-8"))
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    certificates = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    connections: dict[str, http.client.HTTPSConnection] = {}
    for request in requests:
        service, body = request["service"], request["body"].encode()
        if service not in connections:
            connections[service] = http.client.HTTPSConnection(
                endpoint.netloc, timeout=10, context=certificates
            )
        headers = {"Host": endpoint.netloc, **request["headers"]}
        _sign(service, request["method"], request["path"], headers, body)
        connections[service].request(request["method"], request["path"], body, headers)
        answer = connections[service].getresponse()
        content = answer.read()
        if answer.status != HTTP_OK:
            raise RuntimeError(f"{service} answered {answer.status}: {content!r:.200}")
    print(json.dumps({"level": "INFO", "message": "done", "calls": len(requests)}))


def _sign(service: str, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    region = os.environ["AWS_REGION"]
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers["X-Amz-Date"] = now
    headers["X-Amz-Security-Token"] = os.environ["AWS_SESSION_TOKEN"]
    scope = f"{now[:8]}/{region}/{service}/aws4_request"
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    names = ";".join(sorted(lower))
    where, _, query = path.partition("?")
    canonical = "\n".join(
        [
            method,
            quote(where, safe="/-_.~%"),
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{lower[name]}" for name in sorted(lower)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in (now[:8], region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
