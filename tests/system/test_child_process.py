"""Every process that we start begins clean: nothing of a hostile current folder runs in it, and no secret reaches it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nacre.errors import NacreError, UsageError
from nacre.system import child_process

ROOT = Path(__file__).parents[2]
MODULES = (
    "json", "resource", "numpy", "struct", "re", "signal", "site", "sitecustomize", "usercustomize", "encodings/__init__", "os", "ctypes",
    "typing", "socket", "argparse", "select", "runpy", "lxml/__init__", "openpyxl/__init__", "selectolax/__init__", "pypdfium2/__init__",
    "nacre/__init__", "nacre/errors", "nacre/confinement/__init__", "inside/__init__", "inside/launcher", "yaml", "faiss", "tantivy",
    "mcp/__init__", "mimetypes", "importlib/__init__", "asyncio/__init__", "logging/__init__", "pathlib", "dataclasses",
)  # fmt: skip
SAMPLE = ROOT / "tests/connectors/mcp/mcp_sample_server.py"
LATE_MODULES = f"import json, resource, runpy; runpy.run_path({str(SAMPLE)!r}, run_name='__main__')"
HTML = b"<html><head><title>Pearls</title></head><body><p>Nacre.</p></body></html>"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "somebody-ran"


@pytest.fixture
def hostile(tmp_path: Path, marker: Path) -> Path:
    """A folder whose every file, run or imported, leaves a mark."""
    folder = tmp_path / "hostile"
    code = f"with open({str(marker)!r}, 'a') as mark: mark.write(__file__ + '\\n')\n"
    for name in MODULES:
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
    (folder / "evil.pth").write_text(f"import os; os.close(os.open({str(marker)!r}, os.O_CREAT))\n")
    for name in ("python", "python3", "git", Path(sys.executable).name, "server"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (folder / name).chmod(0o755)
    return folder


def parse() -> None:
    from nacre.documents import ParserPool

    with ParserPool(workers=1) as pool:
        assert pool.parse(HTML, name="a.html").title == "Pearls"
        assert pool.parse(b"Subject: Pearls\n\nNacre.", name="a.eml").text
        assert pool.parse(b'[{"a": 1}, {"a": 2}]', name="a.json").text


def ingest() -> None:
    from nacre.server.ingestion.process import Ingestion

    here = Path(os.environ["TEST_BASE"])
    ingestion = Ingestion(here, here / "server")
    ingestion.wake()
    process = ingestion._process
    assert process is not None
    ingestion.stop()
    assert process.returncode == 0


def compute() -> None:
    from nacre.reasoning.sandbox import PythonInterpreter

    with PythonInterpreter() as python:
        assert python.run("import json, re\njson.dumps(6 * 7)").value == "42"


def ask_mcp_server() -> None:
    from nacre.connectors.mcp.tools import MCPServer

    # `-c` and `-m` put the folder that a Python stands in before all its modules
    with MCPServer([sys.executable, "-c", LATE_MODULES], timeout_s=30) as server:
        assert "add" in {tool.name for tool in server.tools()}


CHILDREN: dict[str, Callable[[], None]] = {
    "parser": parse, "ingestion": ingest, "sandbox": compute, "MCP server": ask_mcp_server
}  # fmt: skip


@pytest.fixture
def in_hostile_folder(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    from nacre import KnowledgeBase

    if "MCP server" in request.node.name:
        pytest.importorskip("mcp")
    KnowledgeBase.open(tmp_path / "kb", "none").close()
    monkeypatch.setenv("TEST_BASE", str(tmp_path / "kb"))
    monkeypatch.chdir(hostile)
    yield


@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_runs_nothing_of_the_current_folder(
    child: str, in_hostile_folder: None, hostile: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CHILDREN[child]()  # what this process loads late is loaded now: it is the child that is tested
    assert not marker.exists()
    for spelt in ("", ".", str(hostile)):
        monkeypatch.syspath_prepend(spelt)
    monkeypatch.setenv("PYTHONPATH", f":.:{hostile}:")
    monkeypatch.setenv("PYTHONSTARTUP", "json.py")
    monkeypatch.setenv("PYTHONHOME", ".")
    monkeypatch.setenv("PYTHONUSERBASE", str(hostile))
    monkeypatch.setenv("PATH", f".::{hostile}:{os.environ['PATH']}")
    monkeypatch.setenv("LD_LIBRARY_PATH", f".:{hostile}")
    CHILDREN[child]()
    assert not marker.exists(), marker.read_text()


@pytest.mark.parametrize("start", ["script", "-m", "-c"])
def test_nothing_runs_in_children_of_a_program_that_was_started_in_the_folder(
    start: str, hostile: Path, marker: Path
) -> None:
    """Python itself puts that folder first then, so the program must not need a module of those names afterwards."""
    shutil.rmtree(hostile / "nacre")
    for name in MODULES:  # but those that only a parser loads
        if name not in ("resource", "lxml/__init__", "sitecustomize") and not name.startswith("nacre"):
            (hostile / f"{name}.py").unlink(missing_ok=True)
    code = """
        from nacre.documents import ParserPool
        with ParserPool(workers=1) as pool:
            assert pool.parse(b"<p>Pearls</p>", name="a.html").text
    """
    (hostile / "program.py").write_text(textwrap.dedent(code))
    how = {"script": ["program.py"], "-m": ["-m", "program"], "-c": ["-c", textwrap.dedent(code)]}[start]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, *how], cwd=hostile, env=environment, check=True)
    assert not marker.exists(), marker.read_text()


def test_sync_by_command_runs_nothing_of_the_folder_it_reads(hostile: Path, marker: Path, tmp_path: Path) -> None:
    (hostile / "readme.md").write_text("# Pearls\n\nNacre lines the shell.\n")
    command = [str(Path(sys.executable).with_name("nacre")), "sync", ".", "--kb", str(tmp_path / "kb")]
    done = subprocess.run([*command, "--embedder", "none", "--json"], cwd=hostile, capture_output=True, text=True)
    assert json.loads(done.stdout)["added"] >= 1, done.stderr
    assert not marker.exists(), marker.read_text()


def environment_of(pid: int) -> bytes:
    while not (found := Path(f"/proc/{pid}/environ").read_bytes()):  # the kernel has not laid it out yet
        pass
    return found


def test_children_know_no_secret(in_hostile_folder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nacre.connectors.mcp.tools import MCPServer
    from nacre.documents import ParserPool
    from nacre.server.ingestion.process import Ingestion

    secrets = ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "NACRE_INTERPRETER_KEY", "TAVILY_API_KEY", "DATABASE_URL")
    for name in secrets:
        monkeypatch.setenv(name, "a-secret-of-the-parent")
    monkeypatch.setenv("LD_PRELOAD", "")
    seen = {}
    with ParserPool(workers=1) as pool:
        pool.missing_walls()
        seen["parser"] = environment_of(pool._idle[0].process.pid)
    ingestion = Ingestion(tmp_path / "kb", tmp_path / "kb" / "server")
    ingestion.wake()
    assert ingestion._process is not None
    seen["ingestion"] = environment_of(ingestion._process.pid)
    ingestion.stop()
    tell = f"import os; open({str(tmp_path / 'told')!r}, 'w').write(str(dict(os.environ)) + os.getcwd())"
    server = MCPServer([sys.executable, "-c", tell], timeout_s=20, env={"GIVEN": "by-name"})
    with server, pytest.raises(NacreError):
        server.tools()
    seen["MCP server"] = (tmp_path / "told").read_bytes()
    assert b"by-name" in seen["MCP server"] and seen["MCP server"].endswith(b"/")
    for child, environment in seen.items():
        assert b"PATH" in environment, child
        assert b"a-secret-of-the-parent" not in environment and b"LD_PRELOAD" not in environment, child


def test_ingestion_gets_the_key_of_its_embedder_and_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from nacre.server.ingestion import process

    monkeypatch.setenv("OPENAI_API_KEY", "one")
    monkeypatch.setenv("DASHSCOPE_API_KEY", "two")
    monkeypatch.setattr(process, "embedder_of", lambda folder: "dashscope:text-embedding-v4")
    environment = process.Ingestion(tmp_path, tmp_path)._environment()
    assert environment["DASHSCOPE_API_KEY"] == "two" and "OPENAI_API_KEY" not in environment


def test_a_child_finds_nacre_where_the_parent_found_it(tmp_path: Path) -> None:
    """A copy that was put on sys.path by a program: neither installed nor named in PYTHONPATH."""
    shutil.copytree(ROOT / "src/nacre", tmp_path / "libs" / "nacre", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "libs/nacre/documents/worker_main.py").open("a") as file:
        file.write("\nraise_walls = lambda *given: {'this': 'copy'}\n")
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path / "libs")!r})
        from nacre.documents import ParserPool
        with ParserPool(workers=1) as pool:
            print(pool.missing_walls(), pool.parse(b"<p>Pearls</p>", name="a.html").text)
    """
    shown = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=tmp_path)
    assert shown.stdout.split() == ["{'this':", "'copy'}", "Pearls"], shown.stderr


def test_module_folders_of_pythonpath_are_taken_when_absolute_and_not_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "libs", "site-packages", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "here" / "below").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    folders = [str(tmp_path / name) for name in ("libs", "here", "linked", "gone")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*folders, "", ".", "below"]))
    monkeypatch.setattr(
        sys, "path", [*folders, "", ".", "below", str(tmp_path / "site-packages"), str(tmp_path / "elsewhere")]
    )
    taken = json.loads(child_process.module("x")[-2])
    assert taken == [str(tmp_path / "libs"), str(tmp_path / "site-packages")]


@pytest.mark.parametrize("flag", ["-P", "-s", "-B"])
def test_our_modules_start_with_safe_flags(flag: str) -> None:
    assert flag in child_process.module("x")


def test_programs_come_from_the_search_path_and_never_from_the_current_folder(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    shutil.copy(hostile / "git", tmp_path / "bin" / "git")
    monkeypatch.chdir(hostile)
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "./", str(hostile), "../hostile", str(tmp_path / "bin")]))
    assert child_process.program(["git"]) == [str(tmp_path / "bin" / "git")]
    assert child_process.program(["./git", "./a", "..", "b/c", "s.py", "-x.py", "@org/json"]) == [
        str(hostile / "git"), str(hostile / "a"), str(tmp_path), "b/c", str(hostile / "s.py"), "-x.py", "@org/json",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"\./server"):
        child_process.program(["server"])
    monkeypatch.setenv("NACRE_LANG", "zh")
    with pytest.raises(UsageError, match="没有程序"):
        child_process.program(["server"])


# ---------------------------------------------------------------------------------------- nobody else starts one

STARTERS = {
    "subprocess": {"Popen", "run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"},
    "os": {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "startfile"}
    | {f"{kind}{how}" for kind in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell", "subprocess"},
    "anyio": {"open_process", "run_process"},
    "concurrent.futures": {"ProcessPoolExecutor"},
}
NEVER = {"multiprocessing", "pty", "pexpect", "concurrent.futures.process", "asyncio.subprocess", "webbrowser"}
# The door itself; and, behind it, processes that copy themselves inside the sandbox.
ALLOWED = {
    ("nacre/system/child_process.py", "subprocess.Popen"),
    ("nacre/documents/converter_main.py", "subprocess.run"),  # LibreOffice, by a child that has raised its walls
} | {
    (f"nacre/{file}.py", "os.fork")
    for file in (
        "system/confinement/namespaces",
        "reasoning/sandbox/inside/launcher",
        "reasoning/sandbox/inside/zygote",
    )
}


def starters(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in NEVER)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {f"{module}.{name}" for module, found in STARTERS.items() for name in found} | NEVER
            yield from names & known
            yield from {node.module} & NEVER
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = ast.unparse(node.func)
            module, _, called = name.rpartition(".")
            if called in STARTERS.get(module, ()) or called in ("subprocess_exec", "subprocess_shell"):
                yield name


def test_no_other_place_of_the_product_starts_a_process() -> None:
    found = set()
    for folder, name in (
        ("src/nacre", "nacre"),
        ("connectors", "connectors"),
        ("eval", "eval"),
        ("prompts", "prompts"),
    ):
        for file in (ROOT / folder).rglob("*.py"):
            where = f"{name}/{file.relative_to(ROOT / folder)}"
            found |= {(where, how) for how in starters(file.read_text("utf-8"))}
    assert found == ALLOWED


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess\nsubprocess.run(['ls'])", "from subprocess import Popen", "import os\nos.execv('/x', [])",
        "import multiprocessing", "from multiprocessing import Pool", "from concurrent.futures import ProcessPoolExecutor",
        "import asyncio\nasyncio.create_subprocess_exec('ls')", "from os import system", "loop.subprocess_exec(x)",
    ],
)  # fmt: skip
def test_the_search_sees_every_way_to_start_one(code: str) -> None:
    assert list(starters(code))


def test_the_one_library_that_starts_programs_for_us_is_told_folder_and_environment() -> None:
    found = []
    for file in (*(ROOT / "src").rglob("*.py"), *(ROOT / "connectors").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("StdioServerParameters"):
                found.append((file.name, {keyword.arg for keyword in node.keywords}))
    assert [name for name, _ in found] == ["connection.py"] and {"command", "env", "cwd"} <= found[0][1]
