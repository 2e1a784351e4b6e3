"""What runs jobs starts often, so it loads an engine and the meter, and nothing that signs, encodes or speaks."""

import subprocess
import sys

from operations.run import layout


def test_the_child_process_loads_neither_signatures_nor_the_contracts_tongue() -> None:
    heavy = {"eth_abi", "eth_hash", "coincurve", "httpx", "suan.core.signing", "suan.core.contract"}
    code = "import sys, suan.runtime.wasm.worker; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=layout.PROJECT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "wasmtime" in loaded
    assert not heavy & set(loaded)
