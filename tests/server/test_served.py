"""Stacks that a server offers: built by the one `build`, for its knowledge base and whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.errors import StackError
from nacre.server.auth.keys import User
from nacre.server.knowledge_bases import KnowledgeBasePool
from nacre.server.served import Served
from nacre.server.settings import Settings

HR, STRANGER = User("1", "hr", ("hr",)), User("2", "stranger", ())


def served(folder: Path, tmp_path: Path, *layers: object) -> Served:
    settings = Settings.model_validate({"kb": folder, "stacks": {"mine": {"layers": list(layers)}}})
    return Served(
        settings, KnowledgeBasePool(folder, tmp_path / "data"), ScriptedChatModel(lambda messages, n: "It is so [1].")
    )


@pytest.mark.parametrize("mine", [{"kb": "elsewhere"}, {"principals": ["hr"]}], ids=str)
def test_a_stack_that_says_what_is_the_servers_to_say_is_told_by_name(folder, tmp_path, mine) -> None:
    with pytest.raises(StackError, match=r"'mine'.*rag sets"):
        served(folder, tmp_path, "retry", {"use": "rag", **mine})


def test_every_asker_searches_as_himself_and_all_share_the_leaf(folder, tmp_path) -> None:
    stacks = served(folder, tmp_path, "retry", {"use": "rag", "k": 3})
    models = [stacks.model("mine", asker) for asker in (HR, STRANGER)]
    assert [bool(model.invoke("What are salaries?").response_metadata["nacre"]["hits"]) for model in models] == [
        True,
        False,
    ]
    asked = models[1].invoke("What are salaries?", principals=["hr"])
    assert not asked.response_metadata["nacre"]["hits"]
    assert models[0].inner.inner is models[1].inner.inner
    assert models[0].inner.retriever.metadata == {"data_source": "main"} and models[0].inner.retriever.k == 3


def test_a_server_offers_layers_that_are_not_ours(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "examples" / "custom_layer")
    model = served(folder, tmp_path, {"use": "my_layers:SecondOpinion", "doubt": "Really?"}, "rag").model("mine", HR)
    assert model.invoke("When does the workshop open?").response_metadata["nacre"]["sure"] is False
