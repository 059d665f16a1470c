# The transcription endpoint: Parakeet in a GPU worker.
# BuildKit, buildah and podman build it: docs/images.md says how.

ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /build
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
COPY docker/locks/build.txt ./
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r build.txt
COPY docker/steps/environment.py docker/steps/smoke_transcription.py docker/locks/transcription.txt ./
RUN --mount=type=cache,target=/root/.cache/uv \
    python3 environment.py transcription.txt smoke_transcription.py

FROM ${BASE_IMAGE} AS code
COPY pyproject.toml docker/steps/code.py /build/
COPY handlers /build/handlers
COPY orchestrator /build/orchestrator
COPY parley /build/parley
RUN python3 /build/code.py /build handlers orchestrator parley

FROM ${BASE_IMAGE} AS environment
COPY --from=build /layers/cuda/ /
COPY --from=build /layers/cudnn/ /
COPY --from=build /layers/torch/ /
COPY --from=build /layers/packages/ /
COPY --from=build /usr/bin/tini /usr/bin/tini
# group 0, so that what a host gives to root's group can be read and written
RUN useradd --uid 10001 --gid 0 --no-log-init --create-home parley \
    && rm -rf /usr/local/lib/python3.11/site-packages/* /usr/local/bin/pip*
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    RUNPOD_LOG_LEVEL=INFO
WORKDIR /app
USER 10001
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["python", "-m", "handlers.transcription"]
LABEL org.opencontainers.image.title="parley-transcription" \
      org.opencontainers.image.description="What was said, when: Parakeet in a GPU worker"

FROM environment AS thin
COPY --from=code /layers/code/ /
# last: buildah takes a step from its cache, whatever its arguments are now
ARG SOURCE=unknown
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"

# The weights, fetched by the worker's own code and held against their checksums. A gated model needs
# a token: --secret id=HF_TOKEN,env=HF_TOKEN. It is in no layer, argument or variable of the image.
FROM thin AS weights
COPY docker/steps/weights.py /build/
ARG HF_ENDPOINT=https://huggingface.co
ARG TRANSCRIBER_MODEL=nvidia/parakeet-tdt-0.6b-v2
RUN --mount=type=secret,id=HF_TOKEN,uid=10001 \
    PARLEY_TRANSCRIBER_MODEL="$TRANSCRIBER_MODEL" \
    HF_ENDPOINT="$HF_ENDPOINT" \
    python /build/weights.py transcriber

FROM environment AS baked
COPY --from=weights --chown=0:0 /home/parley/weights/ /
COPY --from=code /layers/code/ /
# last: buildah takes a step from its cache, whatever its arguments are now
ARG SOURCE=unknown
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"

# what is built where no target is named
FROM thin
