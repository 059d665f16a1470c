"""The fan-out to remote endpoints, for the CPU worker and for clients."""
