// Compile the example jobs to examples/build/*.wasm and compare their SHA-256 with examples/SHA256SUMS.
//
// `npm run build:examples` fails when a byte differs: buyers and sellers pin jobs by hash, so the compiler is pinned too.
// `node examples/build.mjs --write` writes the sums after a wanted change.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import asc from "assemblyscript/asc";

const JOBS = ["nbody", "mandelbrot", "option"];
// `--use abort=` removes the import that the job contract refuses; the stub runtime never frees, which suits short jobs.
const OPTIONS = ["-O3", "--converge", "--noAssert", "--runtime", "stub", "--use", "abort="];

const folder = dirname(fileURLToPath(import.meta.url));
process.chdir(folder); // File names in the compiler's messages and bytes do not depend on the caller's folder.
mkdirSync("build", { recursive: true });

const lines = [];
for (const job of JOBS) {
  const binary = `build/${job}.wasm`;
  const { error, stderr } = await asc.main([`${job}.ts`, "-o", binary, ...OPTIONS]);
  if (error) {
    process.stderr.write(stderr.toString());
    process.exit(1);
  }
  lines.push(`${createHash("sha256").update(readFileSync(binary)).digest("hex")}  ${binary}`);
}

const sums = lines.join("\n") + "\n";
const file = join(folder, "SHA256SUMS");
if (process.argv.includes("--write")) {
  writeFileSync(file, sums);
} else if (readFileSync(file, "utf8") !== sums) {
  process.stderr.write(
    `The example jobs differ from examples/SHA256SUMS:\n${sums}` +
      "Use the pinned compiler (npm ci), or run `node examples/build.mjs --write` if the change is wanted.\n",
  );
  process.exit(1);
}
