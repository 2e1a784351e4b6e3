// What a job sees of the world: standard input, its run index, the seed of its run, standard output.
// Everything else is refused by the job contract (docs/job-contract.md).

@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(descriptor: u32, vectors: usize, count: usize, size: usize): u32;
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(descriptor: u32, vectors: usize, count: usize, size: usize): u32;
@external("wasi_snapshot_preview1", "args_sizes_get")
declare function args_sizes_get(count: usize, size: usize): u32;
@external("wasi_snapshot_preview1", "args_get")
declare function args_get(pointers: usize, text: usize): u32;
@external("wasi_snapshot_preview1", "random_get")
declare function random_get(at: usize, size: usize): u32;

const VECTOR = memory.data(8, 4);
const ANSWER = memory.data(8, 4);
const INPUT_BYTES_MAX: usize = 4096;
const INPUT = memory.data(4096, 8);
const POINTERS = memory.data(64, 4);
const ARGUMENTS = memory.data(256, 1);

/** Standard input as whitespace-separated fields. At most INPUT_BYTES_MAX bytes are read. */
export function readFields(): string[] {
  let filled: usize = 0;
  while (filled < INPUT_BYTES_MAX) {
    store<u32>(VECTOR, <u32>(INPUT + filled));
    store<u32>(VECTOR, <u32>(INPUT_BYTES_MAX - filled), 4);
    if (fd_read(0, VECTOR, 1, ANSWER) != 0) unreachable();
    const got = load<u32>(ANSWER);
    if (got == 0) break;
    filled += got;
  }
  const fields: string[] = [];
  let start: usize = 0;
  for (let at: usize = 0; at <= filled; at++) {
    const ends = at == filled || load<u8>(INPUT + at) <= 0x20;
    if (!ends) continue;
    if (at > start) fields.push(String.UTF8.decodeUnsafe(INPUT + start, at - start));
    start = at + 1;
  }
  return fields;
}

/** The second argument: which run of the bid this is, counted from 0. */
export function runIndex(): u32 {
  if (args_sizes_get(ANSWER, ANSWER + 4) != 0) unreachable();
  if (load<u32>(ANSWER) != 2 || load<u32>(ANSWER, 4) > 256) unreachable();
  if (args_get(POINTERS, ARGUMENTS) != 0) unreachable();
  let at = <usize>load<u32>(POINTERS, 4);
  let index: u32 = 0;
  while (load<u8>(at) != 0) index = index * 10 + (load<u8>(at++) - 0x30);
  return index;
}

/** Eight bytes of the run's seed. */
export function seedWord(): u64 {
  if (random_get(ANSWER, 8) != 0) unreachable();
  return load<u64>(ANSWER);
}

/** Write bytes to standard output. */
export function writeBytes(at: usize, size: usize): void {
  let written: usize = 0;
  while (written < size) {
    store<u32>(VECTOR, <u32>(at + written));
    store<u32>(VECTOR, <u32>(size - written), 4);
    if (fd_write(1, VECTOR, 1, ANSWER) != 0) unreachable();
    written += load<u32>(ANSWER);
  }
}

/** Write text to standard output. */
export function writeText(text: string): void {
  const bytes = String.UTF8.encode(text);
  writeBytes(changetype<usize>(bytes), bytes.byteLength);
}

/** A number of the input, or the value that stands in for it. */
export function numberAt(fields: string[], position: i32, otherwise: f64): f64 {
  return position < fields.length ? F64.parseFloat(fields[position]) : otherwise;
}
