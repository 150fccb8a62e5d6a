"""OpenID Connect: bearer tokens of the organisation's own login, whose groups are principals."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from nacre.connectors.safe_http import fetch
from nacre.errors import SourceError, UsageError
from nacre.extras import need
from nacre.server.auth.keys import OWN, User
from nacre.server.settings import OidcSettings
from nacre.text.language import tr

# Only algorithms whose key can check and not sign: a public key must never be taken for a shared secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_FETCH_EVERY_S = 30.0


class Oidc:
    """Reads tokens that one issuer has signed."""

    def __init__(self, settings: OidcSettings) -> None:
        need("cryptography", extra="oidc")
        self._jwt = need("jwt", extra="oidc")
        url = settings.jwks_url
        if not url.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
            raise UsageError(tr("oidc.jwks_url is {url}: keys must come over https.", url=url))
        self._settings = settings
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._fetched = float("-inf")

    def find(self, token: str) -> User | None:
        """Who a valid token stands for. It may ask the issuer for its keys: not for the event loop."""
        try:
            header = self._jwt.get_unverified_header(token)
            if header.get("alg") not in _ALGORITHMS:
                return None
            key = self._key(str(header.get("kid", "")))
            if key is None:
                return None
            claims = self._jwt.decode(
                token, key, algorithms=[header["alg"]], audience=self._settings.audience, issuer=self._settings.issuer,
                options={"require": ["exp", "iss", "aud", "sub"]}, leeway=30,
            )  # fmt: skip
        except (self._jwt.PyJWTError, SourceError, ValueError, RecursionError):
            return None
        groups = claims.get(self._settings.groups_claim)
        named = (
            tuple(
                group
                for group in groups
                if isinstance(group, str) and group.strip() and group != "*" and not group.startswith(OWN)
            )
            if isinstance(groups, list)
            else ()
        )
        # The issuer stands in the id so that a subject can never be taken for a key.
        return User(
            f"oidc:{claims['iss']}:{claims['sub']}",
            str(claims.get("email") or claims["sub"]),
            named or None,
            read_only=self._settings.read_only,
            write_main=self._settings.write_main,
        )

    def _key(self, number: str) -> Any:
        """The issuer's key of that number; strangers with invented numbers do not make us ask again and again."""
        with self._lock:
            if number not in self._keys and time.monotonic() - self._fetched > _FETCH_EVERY_S:
                self._fetched = time.monotonic()
                self._keys = self._asked()
            return self._keys.get(number)

    def _asked(self) -> dict[str, Any]:
        """The issuer's keys for signing, by their numbers; a redirect might lead away from https."""
        answer = fetch(self._settings.jwks_url, allow_private=True, timeout_s=10, max_bytes=1 << 20, redirects=0)
        keys = self._jwt.PyJWKSet.from_dict(json.loads(answer.body)).keys
        return {str(key.key_id): key.key for key in keys if key.key_id and key.public_key_use in ("sig", None)}
