"""The key of a provider, before it is asked; a missing key and a missing package are told together."""

from __future__ import annotations

from typing import Any

from nacre.connectors.models.provider import Provider
from nacre.extras import keyless, need
from nacre.text.language import tr


def key_of(provider: Provider, given: Any, base_url: str, package: str, model: str) -> Any:
    """The key that was given or that the environment holds; "none" for servers that need none.

    Args:
        base_url: where the provider is asked; only its own address needs a key.
        package: what must be installed to ask it.
        model: the whole name, for the error.
    """
    key = given or provider.key()
    if not key and provider.needs_key and base_url == provider.base_url:
        variable = provider.keys[0]
        told = tr("{title} needs a key. Set it: export {variable}=…", title=provider.title, variable=variable)
        raise keyless(told, package, extra="openai", model=model, variable=variable)
    need(package, extra="openai")
    return key or "none"
