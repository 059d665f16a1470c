#!/usr/bin/env bash
# Makes a base image without any registry, from Debian's packages: docker/local_base.sh [NAME]
#
# It stands in for python:3.11-slim-bookworm where that cannot be pulled, as in CI. It brings this
# machine's certificate authorities, for machines that reach the world through one of their own.
# Needs root, buildah and mmdebstrap, and half a minute the first time. It stays as it is, for all
# clones on this machine, until it is removed: podman rmi NAME.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:-localhost/parley-base:bookworm}
authorities=/etc/ssl/certs/ca-certificates.crt

# what stands on the same image stays cached
made_of=$({
    cat docker/local_base.sh
    cat "$authorities" 2>/dev/null || true
} | sha256sum | cut -c1-16)
label=parley.made-of
format="{{index .OCIv1.Config.Labels \"$label\"}}"
if [[ "$(buildah inspect --type image --format "$format" "$name" 2>/dev/null)" = "$made_of" ]]; then
    echo "$name"
    exit
fi
tree=build/images/base-$made_of.tar
if [[ ! -s "$tree" ]]; then
    new=build/images/base-$made_of.new.tar # its ending tells that it is to be a file
    rm -rf build/images
    mkdir -p build/images
    # either file may be missing
    mirror=$({
        sed -n 's/^URIs: *//p; s/^deb *\(\[[^]]*\] *\)\{0,1\}\(http[^ ]*\).*/\2/p' \
            /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true
    } | head -n 1)
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
        bookworm "$new" "${mirror:-http://deb.debian.org/debian}"
    mv "$new" "$tree"
fi
export BUILDAH_ISOLATION=chroot
container=$(buildah from scratch)
trap 'buildah rm "$container" >/dev/null' EXIT
buildah add --quiet "$container" "$tree" / >/dev/null
if [[ -s "$authorities" ]]; then
    buildah copy --quiet "$container" "$authorities" "$authorities" >/dev/null
fi
buildah run "$container" -- ln -sf python3 /usr/bin/python
buildah config --label "$label=$made_of" --cmd python3 --env LANG=C.UTF-8 \
    --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    --env SSL_CERT_FILE="$authorities" --env PIP_CERT="$authorities" --env PIP_DEFAULT_TIMEOUT=180 \
    --env UV_NATIVE_TLS=1 --env UV_HTTP_TIMEOUT=180 "$container"
buildah commit --quiet "$container" "$name" >/dev/null
echo "$name"
