# docker buildx bake -f docker/docker-bake.hcl, from the root of the repository: docs/images.md.

variable "REGISTRY" {
  default = "localhost"
}

variable "TAG" {
  default = "dev"
}

# Pin it by digest where images are published: python:3.11-slim-bookworm@sha256:...
variable "BASE_IMAGE" {
  default = "python:3.11-slim-bookworm"
}

# gzip is what every puller takes; zstd unpacks about ten times as fast where the platform takes it.
variable "COMPRESSION" {
  default = "gzip"
}

variable "PUSH" {
  default = "false"
}

variable "SOURCE" {
  default = "unknown"
}

variable "REVISION" {
  default = "unknown"
}

variable "VERSION" {
  default = "0.1.0"
}

variable "TRANSCRIBER_MODEL" {
  default = "nvidia/parakeet-tdt-0.6b-v2"
}

variable "DIARIZER_MODEL" {
  default = "pyannote/speaker-diarization-community-1"
}

group "default" {
  targets = ["orchestrator", "transcription", "diarization", "single"]
}

group "baked" {
  targets = ["transcription-baked", "diarization-baked", "single-baked-diarizer", "single-baked"]
}

target "_image" {
  context   = "."
  platforms = ["linux/amd64"]
  target    = "thin"
  args = {
    BASE_IMAGE = BASE_IMAGE
    SOURCE     = SOURCE
    REVISION   = REVISION
    VERSION    = VERSION
  }
  # an index with attestations beside the image is more than some pullers expect; the bill of
  # materials is in the image
  attest = ["type=provenance,disabled=true"]
  output = ["type=image,push=${PUSH},compression=${COMPRESSION},force-compression=true,oci-mediatypes=true"]
}

target "_baked" {
  inherits = ["_image"]
  target   = "baked"
  args = {
    TRANSCRIBER_MODEL = TRANSCRIBER_MODEL
    DIARIZER_MODEL    = DIARIZER_MODEL
  }
  # models of pyannote are gated: the token of this environment, which stays out of the image
  secret = ["id=HF_TOKEN,env=HF_TOKEN"]
}

target "orchestrator" {
  inherits   = ["_image"]
  dockerfile = "docker/orchestrator.Dockerfile"
  tags       = ["${REGISTRY}/parley-orchestrator:${TAG}"]
}

target "transcription" {
  inherits   = ["_image"]
  dockerfile = "docker/transcription.Dockerfile"
  tags       = ["${REGISTRY}/parley-transcription:${TAG}"]
}

target "transcription-baked" {
  inherits   = ["_baked"]
  dockerfile = "docker/transcription.Dockerfile"
  tags       = ["${REGISTRY}/parley-transcription:${TAG}-baked"]
}

target "diarization" {
  inherits   = ["_image"]
  dockerfile = "docker/diarization.Dockerfile"
  tags       = ["${REGISTRY}/parley-diarization:${TAG}"]
}

target "diarization-baked" {
  inherits   = ["_baked"]
  dockerfile = "docker/diarization.Dockerfile"
  tags       = ["${REGISTRY}/parley-diarization:${TAG}-baked"]
}

target "single" {
  inherits   = ["_image"]
  dockerfile = "docker/single.Dockerfile"
  tags       = ["${REGISTRY}/parley-single:${TAG}"]
}

# Parakeet from the Model Store, which holds one model for an endpoint; the other one in the image.
target "single-baked-diarizer" {
  inherits   = ["_baked"]
  target     = "baked-diarizer"
  dockerfile = "docker/single.Dockerfile"
  tags       = ["${REGISTRY}/parley-single:${TAG}-baked-diarizer"]
}

target "single-baked" {
  inherits   = ["_baked"]
  dockerfile = "docker/single.Dockerfile"
  tags       = ["${REGISTRY}/parley-single:${TAG}-baked"]
}
