"""Weights of a local model: from a folder, a GGUF file or a model hub, with an adapter on top; and of what adapters
stand on.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nacre.connectors.embeddings.cache import file_hash, kept
from nacre.connectors.models.adapters import Prompt, adapt, weights_hash
from nacre.errors import MissingExtraError, MissingKeyError, ModelError, ModelUnavailableError, UnknownProviderError
from nacre.extras import need
from nacre.text.language import tr

KINDS = ("transformers", "hf", "huggingface")
"""What stands before the colon in the name of a local model."""
_HUB_TIMEOUT_S = 8.0


@dataclass(frozen=True)
class Weights:
    """A loaded model and its tokeniser; its window in tokens (None where it does not say), what makes the arguments of
    `generate` for adapters that put something before the ids, and the processor of texts with images where it sees.
    """

    model: Any
    tokenizer: Any
    window: int | None
    prompt: Prompt | None = None
    processor: Any = None


def load_weights(
    name: str, *, adapter: str | None, device: str | None, dtype: str | None, revision: str | None
) -> Weights:
    """Load a model; `device` and `dtype` as of `TransformersChatModel`. Code that comes with a model is never run, and
    weights are read from safetensors or GGUF only: a pickle may run code too.
    """
    torch, transformers = need("torch", extra="local"), need("transformers", extra="local")
    where, options = _locate(name, revision)
    device = device or ("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    precision = dtype or ("float32" if device == "cpu" else "auto")
    with _quiet(transformers), _explained(name):
        processor = _processor(transformers, where, options)
        kind = transformers.AutoModelForImageTextToText if processor else transformers.AutoModelForCausalLM
        tokenizer = getattr(processor, "tokenizer", None) or transformers.AutoTokenizer.from_pretrained(
            where, trust_remote_code=False, **options
        )
        model = kind.from_pretrained(
            where,
            trust_remote_code=False,
            use_safetensors=None if "gguf_file" in options else True,
            dtype=precision,
            device_map=device,
            **options,
        )
        model, virtual, prompt = (model, 0, None) if adapter is None else adapt(model, adapter, name)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    window = window - virtual if isinstance(window, int) else None
    return Weights(model.eval(), tokenizer, window, prompt, processor)


def _processor(transformers: Any, where: str, options: dict[str, Any]) -> Any:
    """What prepares texts with images for a model that sees; None for one that does not."""
    if "gguf_file" in options:
        return None
    config = transformers.AutoConfig.from_pretrained(where, trust_remote_code=False, **options)
    known = transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    if config.model_type not in known or getattr(config, "vision_config", None) is None:
        return None
    return transformers.AutoProcessor.from_pretrained(where, trust_remote_code=False, **options)


def sees(name: str) -> bool:
    """Whether a model folder holds a model that sees, by its configuration alone."""
    try:
        return '"vision_config"' in (Path(name).expanduser() / "config.json").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """The tokeniser of a model alone, without its weights."""
    transformers = need("transformers", extra="local")
    where, options = _locate(name, revision)
    with _quiet(transformers), _explained(name):
        return transformers.AutoTokenizer.from_pretrained(where, trust_remote_code=False, **options)


def _locate(name: str, revision: str | None) -> tuple[str, dict[str, Any]]:
    """What to give to `from_pretrained`, and the options with it."""
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf":
        need("gguf", extra="local")
        if not path.is_file():
            raise _nothing_there(name)
        return str(path.parent), {"gguf_file": path.name, "local_files_only": True}
    if path.is_dir():
        if not (path / "config.json").is_file():
            told = tr(
                "{name} is no model folder: it has no config.json. Name the folder that holds "
                "config.json, the tokeniser and model.safetensors.",
                name=name,
            )
            raise ModelError(told, model=name)
        return str(path), {"local_files_only": True}
    if path.exists() or name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise _nothing_there(name)
    options: dict[str, Any] = {"revision": revision} if revision else {}
    hub = need("huggingface_hub", extra="local")
    if isinstance(hub.try_to_load_from_cache(name, "config.json", revision=revision), str):
        return name, {**options, "local_files_only": True}  # fetched before: nothing is asked of the network
    _ask_hub(hub, name, revision)
    return name, options


def _ask_hub(hub: Any, name: str, revision: str | None) -> None:
    """Ask the hub, once and briefly; transformers would try for minutes before it gave up."""
    try:
        hub.HfApi().model_info(name, revision=revision, timeout=_HUB_TIMEOUT_S)
    except hub.errors.GatedRepoError as error:
        told = tr("The hub wants a token for {name}. Accept its licence there and set it: export HF_TOKEN=…", name=name)
        raise MissingKeyError(told, model=name, variable="HF_TOKEN") from error
    except (
        hub.errors.RepositoryNotFoundError,
        hub.errors.RevisionNotFoundError,
        hub.errors.HFValidationError,
    ) as error:
        raise _nothing_there(name) from error
    except Exception as error:
        endpoint = hub.constants.ENDPOINT
        told = tr(
            "{name!r} is no folder here, and the model hub {endpoint} cannot be reached ({name__}). "
            "Name a folder or a .gguf file, set HF_ENDPOINT to a mirror, or fetch the model "
            "elsewhere and set HF_HUB_OFFLINE=1.",
            name=name,
            endpoint=endpoint,
            name__=type(error).__name__,
        )
        raise ModelUnavailableError(told, model=name, uri=endpoint) from error


def _nothing_there(name: str) -> UnknownProviderError:
    return UnknownProviderError(
        tr("There is no model {name!r}: no such folder, .gguf file or id on the model hub. Check the path.", name=name),
        model=name,
    )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars and no notes about the insides of libraries: they would run through a program's own output."""
    logging = transformers.utils.logging
    gguf: Any = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
    shown, bar = logging.is_progress_bar_enabled(), gguf.tqdm
    logging.disable_progress_bar()
    gguf.tqdm = partial(bar, disable=True)  # this one does not ask the setting
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft's use of transformers
            yield
    finally:
        gguf.tqdm = bar
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Say in one line what transformers could not do with the files."""
    try:
        yield
    except (ModelError, MissingExtraError):
        raise
    except ImportError as error:
        told = tr(
            "{name} needs a package that is not installed ({error}). Install: {line}",
            name=name,
            error=_first_line(error),
            line=_install_line(error),
        )
        raise MissingExtraError(told, package=str(error.name or ""), install=_install_line(error)) from error
    except Exception as error:
        if "trust_remote_code" in str(error):
            told = tr(
                "{name} brings code of its own, which is not run. Use its version for transformers, "
                "often named -hf: zai-org/glm-4-9b-chat-hf.",
                name=name,
            )
            raise ModelError(told, model=name) from error
        raise ModelError(
            tr("{name} cannot be loaded: {error} Check that the files are whole.", name=name, error=_first_line(error)),
            model=name,
        ) from error


def _install_line(error: ImportError) -> str:
    extras = "local,vision" if re.search(r"(?i)torchvision|PIL\b|pillow", str(error)) else "local"
    return f"pip install 'nacre-ai[{extras}]'"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@dataclass(frozen=True)
class Base:
    """A base model on this machine: as `load_model` takes it, the folder of safetensors that trainers read, a SHA-256
    over its weights.
    """

    spec: str
    place: str
    hash: str


def local_base(spec: str) -> Base:
    """The base model of a name; a GGUF file is unpacked into the cache, once."""
    kind, _, rest = spec.strip().partition(":")
    name = rest.strip() if kind.lower() in KINDS else spec.strip()
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf" and path.is_file():
        digest = file_hash(path)
        place = kept(f"unpacked/{digest[:32]}", lambda draft: _unpack(path, draft))
        return Base(f"transformers:{path.absolute()}", str(place), digest)
    if path.is_dir():
        name = str(path.absolute())  # a card is read from anywhere
    return Base(f"transformers:{name}", name, base_hash(name))


def _unpack(gguf: Path, folder: Path) -> None:
    """Float32 weights of a GGUF file as a folder: transformers neither trains nor saves what it read from one."""
    weights = load_weights(str(gguf), adapter=None, device="cpu", dtype="float32", revision=None)
    model: Any = weights.model
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    weights.tokenizer.save_pretrained(folder)


def base_hash(name: str) -> str:
    """The hash of a base model's weights, which must be here."""
    found = weights_hash(name)
    if found is None:
        told = tr(
            "The base model {name} is not here, or not in safetensors. Name its folder or .gguf file, or fetch it "
            "first.",
            name=name,
        )
        raise ModelError(told, model=name)
    return found
