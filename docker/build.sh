#!/usr/bin/env bash
# Builds images on this machine: docker/build.sh NAME[:TARGET]...
#
# NAME is orchestrator, transcription, diarization or single; TARGET thin (if left out), baked, or
# baked-diarizer. Each becomes REGISTRY/parley-NAME:TAG, with -TARGET after the tag unless thin.
# docker builds them where its daemon runs, else buildah or podman. Without BASE_IMAGE, the last
# two stand on a base that is made here and needs no registry (docker/local_base.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

registry=${REGISTRY:-localhost}
tag=${TAG:-dev}
base=${BASE_IMAGE:-}
if docker info >/dev/null 2>&1; then
    build=(docker build)
    base=${base:-python:3.11-slim-bookworm}
elif command -v buildah >/dev/null || command -v podman >/dev/null; then
    build=(buildah bud --layers)
    command -v buildah >/dev/null || build=(podman build --layers)
    # needs no more rights than root has in most containers
    build+=(--isolation chroot --pull-never)
    base=${base:-$(docker/local_base.sh)}
else
    echo "There is nothing here that builds images. Install docker, buildah or podman." >&2
    exit 1
fi
options=(--network host --build-arg "BASE_IMAGE=$base")
options+=(--build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
for name in VERSION SOURCE TRANSCRIBER_MODEL DIARIZER_MODEL HF_ENDPOINT; do
    [[ -z "${!name:-}" ]] || options+=(--build-arg "$name=${!name}")
done
if [[ -n "${HF_TOKEN:-}" ]]; then
    options+=(--secret "id=HF_TOKEN,env=HF_TOKEN")
fi
for wanted in "$@"; do
    name=${wanted%%:*}
    target=${wanted#"$name"}
    target=${target#:}
    target=${target:-thin}
    suffix=""
    [[ "$target" = thin ]] || suffix=-$target
    image=$registry/parley-$name:$tag$suffix
    "${build[@]}" "${options[@]}" --target "$target" --tag "$image" \
        --file "docker/$name.Dockerfile" .
    echo "$image"
done
