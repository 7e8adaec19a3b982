# The server and its tools. docker-compose.yml says how they run together.

FROM node:22-bookworm-slim AS web
WORKDIR /build
COPY scripts/web scripts/
COPY web web
RUN scripts/web build

FROM python:3.12-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/gridmap
COPY requirements/runtime.txt requirements/
RUN /opt/gridmap/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY gridmap gridmap
COPY --from=web /build/gridmap/api/static/web gridmap/api/static/web
RUN /opt/gridmap/bin/pip install --no-cache-dir --no-index --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin gridmap \
    && install --directory --owner=10001 --group=10001 --mode=0700 /photos
COPY --from=build /opt/gridmap /opt/gridmap
ENV PATH=/opt/gridmap/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    GRIDMAP_PHOTOS=file:///photos
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=4)"]
CMD ["gridmap", "serve"]
