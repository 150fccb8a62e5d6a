"""Tokens of an identity provider: real signatures, keys published over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

jwt = pytest.importorskip("jwt")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: E402

from nacre.errors import UsageError  # noqa: E402
from nacre.server.auth.oidc import Oidc  # noqa: E402
from nacre.server.settings import OidcSettings  # noqa: E402

KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
ISSUER = "https://login.example.org"


@pytest.fixture
def jwks() -> Iterator[ThreadingHTTPServer]:
    public = {
        **json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())),
        "kid": "k1",
        "use": "sig",
        "alg": "RS256",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.asked += 1
            body = json.dumps({"keys": [public]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def settings(jwks) -> dict[str, object]:
    return {"issuer": ISSUER, "audience": "nacre", "jwks_url": f"http://127.0.0.1:{jwks.server_port}/keys"}


def token(key=KEY, kid: str = "k1", algorithm: str = "RS256", **changed: object) -> str:
    claims = {
        "iss": ISSUER,
        "aud": "nacre",
        "sub": "anna",
        "exp": time.time() + 600,
        "groups": ["hr", "*", 3],
        **changed,
    }
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None}, key, algorithm, headers={"kid": kid}
    )


def test_groups_of_a_token_are_the_principals_of_its_bearer(serve, jwks):
    server = serve(lambda messages, n: "Ninety [1]." if "pearls a year" in str(messages) else "?", oidc=settings(jwks))
    assert httpx.get(f"{server.url}/v1/models").status_code == 401  # there are no keys, and yet the door is closed
    me = httpx.get(f"{server.url}/v1/me", headers={"authorization": f"Bearer {token()}"}).json()
    assert me == {"object": "asker", "name": "anna", "principals": ["hr"], "read_only": True, "traces": False}
    for groups, sees in ((["hr"], True), (["sales"], False), (None, False), ("hr", False)):
        headers = {"authorization": f"Bearer {token(groups=groups)}"}
        found = httpx.post(
            f"{server.url}/v1/vector_stores/main/search", json={"query": "salary of the director"}, headers=headers
        )
        assert found.status_code == 200 and ("pearls a year" in found.text) is sees
    key = server.state.keys.add("machine")  # keys go on beside it
    assert httpx.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {key}"}).status_code == 200


def test_tokens_that_are_not_right_here_and_now_are_refused(jwks):
    oidc = Oidc(OidcSettings.model_validate(settings(jwks)))
    assert oidc.find(token()).principals == ("hr",)
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, _ = token().split(".")
    forged = {
        "another key": token(OTHER),
        "another issuer": token(iss="https://evil.example"),
        "another audience": token(aud="other"),
        "expired": token(exp=time.time() - 3600),
        "not yet": token(nbf=time.time() + 3600),
        "without end": token(exp=None),
        "without subject": token(sub=None),
        "no signature": f"{head}.{body}.",
        "alg none": jwt.encode(
            {"iss": ISSUER, "aud": "nacre", "sub": "x", "exp": time.time() + 60}, None, "none", headers={"kid": "k1"}
        ),
        "no token": "a.b.c",
    }
    # The public key as a shared secret: PyJWT itself refuses to sign so, so it is done by hand.
    import base64
    import hashlib
    import hmac

    def packed(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = f"{packed(json.dumps({'alg': 'HS256', 'kid': 'k1'}).encode())}.{body}"
    forged["confused algorithm"] = f"{signed}.{packed(hmac.new(pem, signed.encode(), hashlib.sha256).digest())}"
    for what, one in forged.items():
        assert oidc.find(one) is None, what


def test_invented_key_numbers_do_not_hammer_the_issuer(jwks):
    oidc = Oidc(OidcSettings.model_validate(settings(jwks)))
    for n in range(20):
        assert oidc.find(token(OTHER, kid=f"invented-{n}")) is None
    assert jwks.asked == 1


def test_keys_over_plain_http_are_refused():
    with pytest.raises(UsageError, match="https"):
        Oidc(OidcSettings(issuer=ISSUER, audience="nacre", jwks_url="http://login.example.org/keys"))
