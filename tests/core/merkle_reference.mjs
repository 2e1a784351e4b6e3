// Reads [{types, values, sorted, chosen}] from stdin and answers with what @openzeppelin/merkle-tree makes of each.
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const answers = JSON.parse(text).map(({ types, values, sorted, chosen }) => {
  const tree = StandardMerkleTree.of(values, types, { sortLeaves: sorted });
  const multi = tree.getMultiProof(chosen);
  const order = multi.leaves.map((leaf) => values.findIndex((value) => JSON.stringify(value) === JSON.stringify(leaf)));
  return {
    root: tree.root,
    leaves: values.map((value) => tree.leafHash(value)),
    proofs: values.map((_, index) => tree.getProof(index)),
    multiproof: multi.proof,
    flags: multi.proofFlags,
    order,
  };
});
process.stdout.write(JSON.stringify(answers));
