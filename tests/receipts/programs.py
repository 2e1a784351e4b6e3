"""Small jobs as text, assembled by wasmtime, so that tests need no compiler."""

import wasmtime

_WASI = """
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1)
"""
_PRINT = """
  (func $print (param $at i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
"""


def assemble(body: str) -> bytes:
    """A module with WASI's imports, one page of memory and `$print(at, length)`."""
    return bytes(wasmtime.wat2wasm(f"(module {_WASI} {_PRINT} {body})"))


def additions(count: int) -> bytes:
    """Adds `count` numbers in FP64, then prints the sum's eight bytes and eight bytes of the run's seed."""
    return assemble(f"""
      (func (export "_start") (local $i i32) (local $sum f64)
        (loop $again
          (local.set $sum (f64.add (local.get $sum) (f64.const 0.5)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $i) (i32.const {count}))))
        (f64.store (i32.const 64) (local.get $sum))
        (drop (call $random (i32.const 72) (i32.const 8)))
        (call $print (i32.const 64) (i32.const 16)))""")


def trapping() -> bytes:
    """Prints four bytes, then divides by zero."""
    return assemble("""
      (data (i32.const 64) "half")
      (func (export "_start")
        (call $print (i32.const 64) (i32.const 4))
        (drop (i32.div_u (i32.const 1) (i32.load (i32.const 128)))))""")


def endless() -> bytes:
    """Prints four bytes, then adds in FP64 for ever: it ends at its ceiling or at the wall clock."""
    return assemble("""
      (data (i32.const 64) "loop")
      (func (export "_start") (local $sum f64)
        (call $print (i32.const 64) (i32.const 4))
        (loop $again
          (local.set $sum (f64.add (local.get $sum) (f64.const 1)))
          (br $again)))""")


def exiting(code: int) -> bytes:
    """Prints four bytes and leaves with an exit code."""
    return assemble(f"""
      (data (i32.const 64) "done")
      (func (export "_start")
        (call $print (i32.const 64) (i32.const 4))
        (call $exit (i32.const {code})))""")
