"""A whole third-party source: `tiny:a,b,c` lists three documents. Installed, it would be found by its entry point."""

from collections.abc import Iterator

from nacre.ingest.source import Item


class Feed:
    """Documents named in the specification itself."""

    def __init__(self, spec: str, greeting: str = "hello") -> None:
        self.names = spec.partition(":")[2].split(",")
        self.greeting = greeting

    @property
    def scope(self) -> str:
        return "tiny:"

    def items(self) -> Iterator[Item]:
        for name in self.names:
            yield Item(uri=f"tiny:{name}", read=lambda name=name: f"{self.greeting} {name}")
