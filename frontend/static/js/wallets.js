/** Wallets of the visitor: found by EIP-6963, asked by EIP-1193. No wallet is taken from window.ethereum. */

/** @typedef {import("./types").Announced} Announced */
/** @typedef {import("./types").Provider} Provider */

const REMEMBERED = "suan.wallet";
const ANSWER_MS_MAX = 60_000;
/** @type {Map<string, Announced>} */
const known = new Map();

/** A reason that a visitor can act on. */
export class WalletProblem extends Error {}

/** @param {(wallet: Announced) => void} found is told of every wallet once, also of those that come late */
export function listen(found) {
  for (const wallet of known.values()) found(wallet);
  window.addEventListener("eip6963:announceProvider", (event) => {
    const detail = /** @type {CustomEvent<Announced>} */ (event).detail;
    if (!detail?.info?.rdns || !detail.provider || known.has(detail.info.uuid)) return;
    known.set(detail.info.uuid, detail);
    found(detail);
  });
  window.dispatchEvent(new Event("eip6963:requestProvider"));
}

/** @param {Announced} wallet */
export function remember(wallet) {
  try {
    localStorage.setItem(REMEMBERED, wallet.info.rdns);
  } catch {
    // Private windows may forbid it; then the wallet is chosen by its account.
  }
}

/** @returns {string | null} */
export function remembered() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}

/**
 * The wallet that holds an account: the one that signed in, else the first that has the account.
 * @param {string} address
 * @returns {Promise<Announced>}
 */
export async function holderOf(address) {
  await new Promise((done) => setTimeout(done, known.size ? 0 : 300));
  const wallets = [...known.values()].sort((one, other) => rank(one) - rank(other));
  if (wallets.length === 0) throw new WalletProblem("No wallet has announced itself to this page. Unlock it and load the page again.");
  for (const wallet of wallets) {
    const accounts = await ask(wallet.provider, "eth_requestAccounts");
    if (Array.isArray(accounts) && accounts.some((account) => String(account).toLowerCase() === address)) return wallet;
  }
  throw new WalletProblem(`Your wallet does not show the account ${address}, with which you are signed in. Choose it in the wallet.`);
}

/** @param {Announced} wallet */
function rank(wallet) {
  return wallet.info.rdns === remembered() ? 0 : 1;
}

/**
 * Bring the wallet to a chain; a chain that it does not know must be added by hand, since only the owner knows its node.
 * @param {Provider} provider
 * @param {number} chainId
 */
export async function useChain(provider, chainId) {
  const wanted = `0x${chainId.toString(16)}`;
  const current = String(await ask(provider, "eth_chainId"));
  if (Number.parseInt(current, 16) === chainId) return;
  try {
    await ask(provider, "wallet_switchEthereumChain", [{ chainId: wanted }]);
  } catch (error) {
    if (codeOf(error) === 4902) {
      throw new WalletProblem(`Your wallet does not know chain ${chainId}. Add it there with the address of its node, then try again.`);
    }
    throw error;
  }
}

/**
 * @param {Provider} provider
 * @param {string} method
 * @param {unknown[]} [params]
 * @returns {Promise<unknown>}
 */
export async function ask(provider, method, params = []) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(
      () => refuse(new WalletProblem("Your wallet has not answered for a minute. Open it, or try again.")),
      ANSWER_MS_MAX,
    );
  });
  try {
    return await Promise.race([provider.request({ method, params }), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {unknown} error @returns {number | undefined} */
export function codeOf(error) {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "number" ? code : undefined;
}

/** What an error of a wallet means for the visitor. @param {unknown} error @returns {string} */
export function wordsOf(error) {
  if (error instanceof WalletProblem) return error.message;
  switch (codeOf(error)) {
    case 4001:
      return "You declined in the wallet. Nothing was changed; you can try again.";
    case 4100:
      return "The wallet does not allow this page to use that account. Connect it in the wallet, then try again.";
    case 4200:
      return "The wallet cannot do what this page asks for. Use another wallet.";
    case 4900:
      return "The wallet is not connected to any chain. Check its network, then try again.";
    case 4901:
      return "The wallet is not connected to this market's chain. Choose it in the wallet, then try again.";
    case -32002:
      return "The wallet is already asking you something: open it and answer there.";
    default:
      return `The wallet answered with an error: ${error instanceof Error ? error.message : String(error)}`;
  }
}
