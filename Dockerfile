# One image for every process of Gridcommand: worker, console, and the commands.
# What is installed is what the lock files say, with their hashes.

FROM node:22.17.1-bookworm-slim AS browser
WORKDIR /app
COPY .npmrc package.json package-lock.json ./
RUN npm ci --omit=dev

FROM python:3.11.13-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /app/.venv
COPY requirements.lock /app/
RUN /app/.venv/bin/pip install --require-hashes --only-binary :all: -r /app/requirements.lock
COPY pyproject.toml README.md LICENSE /app/
COPY models /app/models
COPY playbooks /app/playbooks
COPY dispatch /app/dispatch
COPY streams /app/streams
COPY web_console /app/web_console
COPY gridcommand /app/gridcommand
# Editable, for packs, plans and pages are read from the checkout.
RUN /app/.venv/bin/pip install --no-deps --no-build-isolation --editable /app \
    && /app/.venv/bin/python -m compileall -q /app/models /app/playbooks /app/dispatch \
        /app/streams /app/web_console /app/gridcommand

FROM python:3.11.13-slim-bookworm
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gridcommand \
    && install --directory --owner gridcommand --group gridcommand /data /backup
COPY --from=packages /app /app
COPY --from=browser /app/node_modules /app/node_modules
COPY cities /app/cities
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GRIDCOMMAND_DATA_DIR=/data
WORKDIR /data
USER gridcommand
VOLUME /data
ENTRYPOINT ["gridcommand"]
CMD ["--help"]
