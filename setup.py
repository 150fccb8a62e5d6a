"""Four folders, one wheel, and the message catalogues compiled. Everything else stands in pyproject.toml."""

from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

ROOTS = {"nacre": "src/nacre", "nacre.connectors": "connectors", "nacre.prompts": "prompts", "nacre.eval": "eval"}


class BuildWithCatalogues(build_py):
    """Also for an editable installation: the catalogues are compiled where they stand."""

    def run(self) -> None:
        for catalogue in Path(__file__).parent.glob("src/nacre/locale/*/LC_MESSAGES/*.po"):
            with catalogue.open("rb") as source, catalogue.with_suffix(".mo").open("wb") as target:
                write_mo(target, read_po(source))
        super().run()


setup(
    cmdclass={"build_py": BuildWithCatalogues},
    package_dir=ROOTS,
    packages=[
        name
        for root, folder in ROOTS.items()
        for name in (root, *(f"{root}.{sub}" for sub in find_namespace_packages(folder)))
    ],
)
