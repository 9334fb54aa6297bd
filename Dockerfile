# syntax=docker/dockerfile:1

# The first stage builds the styles and scripts of the pages; the libraries come from the lock file.
FROM node:22-bookworm-slim AS front

WORKDIR /opt/audiatur
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY app/web/static/src app/web/static/src
RUN npm run build

# The second makes the environment; what only it needs does not reach the third.
FROM python:3.12-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /opt/audiatur
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

COPY requirements.lock ./
RUN pip install --require-hashes --requirement requirements.lock

COPY LICENSE README.md alembic.ini pyproject.toml ./
COPY app app
COPY migrations migrations
COPY storage storage
COPY --from=front /opt/audiatur/app/web/static/built app/web/static/built
# Installed in place, since migrations and alembic.ini stand beside the packages. The lock file is
# one for developers and servers; a server keeps none of the tools that build and test.
RUN pip install --no-deps --no-build-isolation --editable . \
    && pip uninstall --yes \
        aiosmtpd atheris bagit bandit boto3-stubs hypothesis import-linter jsonschema mutmut mypy playwright \
        pytest pytest-randomly pytest-xdist ruff schemathesis securesystemslib setuptools tuspy uv zipstream-ng \
    && python -m compileall -q app storage migrations

FROM python:3.12-slim-bookworm

# ffmpeg, bubblewrap and sox decode what is uploaded; pango and a font with Cyrillic letters lay out
# what is printed; tesseract reads the text in screenshots. Their versions are those of Debian's security
# archive on the day of the build; a pinned one would go without its next fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap ffmpeg fonts-dejavu-core \
        libharfbuzz-subset0 libpango-1.0-0 libpangoft2-1.0-0 libsox-fmt-base sox \
        tesseract-ocr tesseract-ocr-rus \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 audiatur \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin \
        audiatur \
    && install --directory --owner=10001 --group=10001 --mode=0700 \
        /data /keys /keys/archive /keys/release

COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/audiatur /opt/audiatur

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    AUDIATUR_DATA=/data
WORKDIR /opt/audiatur
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8020 8021
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8020/healthz', timeout=4).close()"]
ENTRYPOINT ["audiatur"]
CMD ["serve", "--host", "0.0.0.0", "--data", "/data"]
