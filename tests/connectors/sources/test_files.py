"""Files and folders: what is listed, what is left out, what is reported instead of being taken for deleted."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import pytest

from nacre.connectors.sources import resolve
from nacre.connectors.sources.ignore import rules, verdict
from nacre.errors import SourceError, UsageError
from nacre.ingest.source import Item, Source, Unreachable


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}")


def listed(source: Source) -> list[str]:
    return [unquote(item.uri.rpartition("/root/")[2]) for item in source.items() if isinstance(item, Item)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def test_a_folder_lists_its_files_in_order_without_hidden_and_office_locks(root: Path) -> None:
    write(root, "b.md", "a/x.txt", "a/~$x.docx", ".git/config", ".hidden.md", "node_modules/lib.md", "中文 文件.md")
    source = resolve(root)
    assert source.scope == f"{root.as_uri()}/"
    assert listed(source) == ["a/x.txt", "b.md", "中文 文件.md"]
    assert listed(resolve(root, hidden=True)) == [".git/config", ".hidden.md", "a/x.txt", "b.md", "中文 文件.md"]


def test_content_stamp_and_time_come_with_an_item(root: Path) -> None:
    write(root, "a.md")
    first = next(iter(resolve(root / "a.md").items()))
    assert isinstance(first, Item) and first.read() == b"text of a.md" and first.uri == (root / "a.md").as_uri()
    os.utime(root / "a.md", ns=(1, 5_000_000_000))
    second = next(iter(resolve(str(root / "a.md")).items()))
    assert isinstance(second, Item) and second.stamp != first.stamp and second.modified == 5.0


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.md", ["a.md"]),
        ("**/*.md", ["a.md", "x/b.md", "x/y/c.md"]),
        ("x/*.md", ["x/b.md"]),
        ("x/**", ["x/b.md", "x/y/c.md"]),
        ("?.md", ["a.md"]),
        ("[ab].md", ["a.md"]),
        ("*.pdf", []),
    ],
)
def test_globs(root: Path, pattern: str, names: list[str]) -> None:
    write(root, "a.md", "a.txt", "x/b.md", "x/y/c.md")
    source = resolve(f"{root}/{pattern}")
    assert listed(source) == names
    assert source.scope.endswith(pattern) and not source.scope.endswith("/")


def test_ignore_files_nest_and_later_rules_win(root: Path) -> None:
    write(root, "a.md", "drafts/b.md", "x/a.md", "x/keep.log", "x/other.log", "y/drafts/c.md")
    (root / ".nacreignore").write_text("# notes\n*.log\n/drafts/\n")
    (root / "x" / ".nacreignore").write_text("!keep.log\na.md\n")
    assert listed(resolve(root)) == ["a.md", "x/keep.log", "y/drafts/c.md"]
    assert listed(resolve(root, ignore=["y/"])) == ["a.md", "x/keep.log"]


@pytest.mark.parametrize(
    ("pattern", "path", "folder", "out"),
    [
        ("*.log", "a/b/x.log", False, True),
        ("/*.log", "a/x.log", False, False),
        ("a/b", "a/b", False, True),
        ("a/b", "c/a/b", False, False),
        ("build/", "build", False, False),
        ("build/", "x/build", True, True),
        ("**/tmp", "a/b/tmp", True, True),
        ("a/**/z", "a/z", False, True),
        ("a/**", "a/b/c", False, True),
        ("a/**", "a", True, False),
        ("\\#x", "#x", False, True),
        ("x[!0-9]", "xa", False, True),
        ("x[!0-9]", "x1", False, False),
        ("name ", "name", False, True),
        ("a.b", "aXb", False, False),
        ("a\\*b", "a*b", False, True),
        ("a\\*b", "axb", False, False),
        ("\\!x", "!x", False, True),
        ("x[^0-9]", "x1", False, False),
        ("x[z-a]", "xq", False, False),
        ("**/b/**/d", "a/b/c/b/d", False, True),
        ("a/*/z", "a/b/c/z", False, False),
    ],
)
def test_patterns_mean_what_they_mean_to_git(pattern: str, path: str, folder: bool, out: bool) -> None:
    assert (verdict(rules([pattern]), path, folder) is True) is out


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("pattern", "path"),
    [("*a" * 30 + "b", "a" * 250), ("[!b]*" * 30 + "b", "a" * 250), ("**/a/" * 30 + "b", "a/" * 90 + "c")],
)
def test_no_pattern_takes_long(pattern: str, path: str) -> None:
    assert verdict(rules([pattern]), path, False) is None


def test_link_loops_end_and_links_to_other_places_are_followed_when_asked(root: Path, tmp_path: Path) -> None:
    write(root, "a/x.md")
    write(tmp_path, "elsewhere/y.md")
    (root / "a" / "up").symlink_to(root)
    (root / "twin").symlink_to(root / "a")
    (root / "other").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "self").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root / "loop")
    (root / "broken").symlink_to(root / "nowhere")
    items = list(resolve(root, follow_links=True).items())
    assert listed(resolve(root, follow_links=True)) == ["a/x.md", "other/y.md"]
    assert sorted(item.uri.rpartition("/")[2] for item in items if isinstance(item, Unreachable)) == ["broken", "loop"]


def test_links_that_lead_out_of_the_folder_are_reported_and_not_read(root: Path, tmp_path: Path) -> None:
    write(root, "a/x.md", "deep/down/z.md")
    write(tmp_path, "elsewhere/y.md", f"{root.name}-twin/t.md")
    (root / "file.md").symlink_to(tmp_path / "elsewhere" / "y.md")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "climbing").symlink_to("deep/../../elsewhere")
    (root / "twin").symlink_to(tmp_path / f"{root.name}-twin")  # its path begins like the root's
    (root / "chain.md").symlink_to(root / "file.md")
    (root / "inner.md").symlink_to("deep/down/z.md")
    found = list(resolve(root).items())
    assert listed(resolve(root)) == ["a/x.md", "deep/down/z.md", "inner.md"]
    left = {item.uri.removeprefix(root.as_uri() + "/"): item.reason for item in found if isinstance(item, Unreachable)}
    assert set(left) == {"file.md", "folder/", "climbing/", "twin/", "chain.md"}
    assert all("--follow-links" in reason for reason in left.values())
    assert [item.read() for item in found if isinstance(item, Item)][-1] == b"text of deep/down/z.md"
    (tmp_path / "named").symlink_to(root)  # what the user names is the folder, link or not
    assert len(listed(resolve(tmp_path / "named"))) == 3


@pytest.mark.parametrize("swapped", ["a/b", "a/b/x.md"])
def test_a_link_that_was_put_there_after_the_listing_is_not_followed(root: Path, tmp_path: Path, swapped: str) -> None:
    write(root, "a/b/x.md")
    write(tmp_path, "secret/x.md")
    (item,) = (item for item in resolve(root).items() if isinstance(item, Item))
    place = root / swapped
    place.rename(tmp_path / "away")
    place.symlink_to(tmp_path / "secret" / ("" if place.suffix == "" else "x.md"))
    with pytest.raises(SourceError, match="leads out"):
        item.read()


def test_a_folder_swapped_between_the_check_and_the_opening_is_not_entered(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "a/x.md")
    write(tmp_path, "secret/x.md")
    (item,) = (item for item in resolve(root).items() if isinstance(item, Item))
    real = os.path.realpath(root / "a" / "x.md")
    (root / "a").rename(tmp_path / "away")
    (root / "a").symlink_to(tmp_path / "secret")
    monkeypatch.setattr(os.path, "realpath", lambda path: real)  # what the check saw an instant before
    with pytest.raises(SourceError, match="cannot be opened"):
        item.read()


def test_rules_that_are_a_link_out_of_the_folder_or_endless_are_none(root: Path, tmp_path: Path) -> None:
    write(root, "a.md", "b/c.md")
    (tmp_path / "rules").write_text("*.md\n")
    (root / ".nacreignore").symlink_to(tmp_path / "rules")
    (root / "b" / ".nacreignore").symlink_to("/dev/zero")
    assert listed(resolve(root)) == ["a.md", "b/c.md"]


def test_pipes_are_no_documents_and_never_block(root: Path) -> None:
    write(root, "a.md")
    items = [item for item in resolve(root).items() if isinstance(item, Item)]
    os.mkfifo(root / "pipe.md")
    assert listed(resolve(root)) == ["a.md"]
    (root / "a.md").unlink()
    os.mkfifo(root / "a.md")
    with pytest.raises(SourceError, match="no regular file"):
        items[0].read()


def test_folders_as_deep_as_the_system_allows_are_walked_to_the_end(root: Path) -> None:
    folders = [root]
    for _ in range(1200):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    write(root, "z.md")
    (folders[-1] / "end.md").write_text("x")
    try:
        assert [path.rpartition("/")[2] for path in listed(resolve(root))] == ["end.md", "z.md"]
    finally:  # pytest cannot remove them
        (folders[-1] / "end.md").unlink()
        for folder in reversed(folders[1:]):
            folder.rmdir()


def test_a_file_that_goes_away_while_the_folder_is_listed_is_reported(root: Path) -> None:
    write(root, "a.md", "b.md")
    source = resolve(root)
    walked = source._walk()  # type: ignore[attr-defined]
    first = next(walked)
    first.unlink()
    assert isinstance(next(source._listed(first, None)), Unreachable)  # type: ignore[attr-defined]


def test_names_with_newlines_and_bytes_that_are_no_text(root: Path) -> None:
    write(root, "two\nlines.md")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe.md")).write_text("x")
    uris = [item.uri for item in resolve(root).items() if isinstance(item, Item)]
    assert [uri.rpartition("/")[2] for uri in uris] == ["two%0Alines.md", "%FF%FE.md"]
    assert [next(iter(resolve(uri).items())).read() for uri in uris] == [b"text of two\nlines.md", b"x"]  # type: ignore[union-attr]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_listed_is_reported(root: Path) -> None:
    write(root, "a.md", "closed/b.md")
    (root / "closed").chmod(0)
    try:
        found = [item for item in resolve(root).items() if isinstance(item, Unreachable)]
    finally:
        (root / "closed").chmod(0o755)
    assert [item.uri for item in found] == [f"{(root / 'closed').as_uri()}/"]


def test_a_missing_folder_is_an_error_and_not_an_empty_one(root: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened"):
        list(resolve(root / "gone").items())


def test_a_file_that_vanished_or_grew_too_big_is_its_own_error(root: Path) -> None:
    write(root, "a.md", "b.md")
    first, second = (item for item in resolve(root, max_bytes=5).items() if isinstance(item, Item))
    (root / "a.md").unlink()
    with pytest.raises(SourceError, match="cannot be opened"):
        first.read()
    with pytest.raises(SourceError, match="allowed"):
        second.read()


@pytest.mark.parametrize("spec", ["", "  ", 5, object()])
def test_what_is_no_source_is_refused(spec: object) -> None:
    with pytest.raises(UsageError):
        resolve(spec)


def test_a_wrong_option_is_a_usage_error(root: Path) -> None:
    with pytest.raises(UsageError, match="wrong option"):
        resolve(root, colour="red")


def test_a_file_whose_name_looks_like_a_scheme(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, "sql:notes.md")
    monkeypatch.chdir(root)
    assert listed(resolve("sql:notes.md")) == ["sql:notes.md"]


def test_a_knowledge_base_inside_a_folder_does_not_list_itself(root: Path) -> None:
    own = ["manifest.json", "catalog.sqlite", "catalog.sqlite-wal", "lock", "vectors/1/index.faiss", "words/x.store"]
    write(root, "a.md", *[f"kb/{name}" for name in own], "kb/notes.md", "app/manifest.json", "app/words/list.txt")
    assert listed(resolve(root)) == ["a.md", "app/manifest.json", "app/words/list.txt", "kb/notes.md"]
