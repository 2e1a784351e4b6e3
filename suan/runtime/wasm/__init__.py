"""The runner of WebAssembly jobs: check, instrument, run in a child process."""
