"""A local RunPod for unmodified SDK workers: a development tool, bound to loopback."""
