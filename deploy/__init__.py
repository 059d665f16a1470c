"""From a clone to working endpoints on RunPod, and back to nothing."""
