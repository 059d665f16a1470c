# The orchestrator: a CPU worker that asks the two GPU endpoints. It holds no engine and no weights.
# BuildKit, buildah and podman build it: docs/images.md says how.

ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /build
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
COPY docker/locks/build.txt ./
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r build.txt
COPY docker/steps/environment.py docker/steps/smoke_orchestrator.py docker/locks/orchestrator.txt ./
RUN --mount=type=cache,target=/root/.cache/uv \
    python3 environment.py orchestrator.txt smoke_orchestrator.py

FROM ${BASE_IMAGE} AS code
COPY pyproject.toml docker/steps/code.py /build/
COPY handlers /build/handlers
COPY orchestrator /build/orchestrator
RUN python3 /build/code.py /build handlers orchestrator

FROM ${BASE_IMAGE} AS environment
COPY --from=build /layers/packages/ /
COPY --from=build /usr/bin/tini /usr/bin/tini
# group 0, so that what a host gives to root's group can be read and written
RUN useradd --uid 10001 --gid 0 --no-log-init --create-home parley \
    && rm -rf /usr/local/lib/python3.11/site-packages/* /usr/local/bin/pip*
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RUNPOD_LOG_LEVEL=INFO \
    RUNPOD_MIN_MEMORY_GB=0.5
WORKDIR /app
USER 10001
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["python", "-m", "orchestrator.handler"]
LABEL org.opencontainers.image.title="parley-orchestrator" \
      org.opencontainers.image.description="Who said what, when: the CPU worker that asks both endpoints"

FROM environment AS thin
COPY --from=code /layers/code/ /
# last: buildah takes a step from its cache, whatever its arguments are now
ARG SOURCE=unknown
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"
