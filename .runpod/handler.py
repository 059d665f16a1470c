"""Where RunPod's Hub looks for the handler; it starts the single endpoint."""  # noqa: INP001  a script

import runpy

if __name__ == "__main__":
    runpy.run_module("handlers.single", run_name="__main__")
