// Reads proof files (a JSON list of texts) from stdin and answers with a list of "" (it holds) or why it is refused.
// Only the npm library and the hash that it brings along are used: nothing of ours.
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { keccak256 } from "ethereum-cryptography/keccak.js";

const hex = (bytes) => "0x" + Buffer.from(bytes).toString("hex");

function check(text) {
  const proof = JSON.parse(text);
  const { digest, ...rest } = proof;
  const canonical = (value) => JSON.stringify(value, Object.keys(value).sort());
  if (canonical(proof) !== text) return "it is not in canonical form";
  if (hex(keccak256(Buffer.from(canonical(rest)))) !== digest) return "a field differs from the digest";
  if (proof.receipt !== "rcp_" + proof.value[0] || proof.trade !== "trd_" + proof.value[1]) return "another receipt";
  return StandardMerkleTree.verify(proof.root, proof.leaf_encoding, proof.value, proof.proof) ? "" : "not under the root";
}

let text = "";
for await (const chunk of process.stdin) text += chunk;
const answers = JSON.parse(text).map((file) => {
  try {
    return check(file);
  } catch (error) {
    return String(error.message);
  }
});
process.stdout.write(JSON.stringify(answers));
