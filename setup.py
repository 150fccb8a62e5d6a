"""Four folders, one wheel. Everything else about the package stands in pyproject.toml."""

from setuptools import find_namespace_packages, setup

ROOTS = {"nacre": "src/nacre", "nacre.connectors": "connectors", "nacre.prompts": "prompts", "nacre.eval": "eval"}
setup(
    package_dir=ROOTS,
    packages=[
        name
        for root, folder in ROOTS.items()
        for name in (root, *(f"{root}.{sub}" for sub in find_namespace_packages(folder)))
    ],
)
