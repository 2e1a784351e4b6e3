/** What the pages' scripts know of wallets: EIP-1193 and EIP-6963, no more than they use. */
export interface Provider {
  request(call: { method: string; params?: unknown[] | object }): Promise<unknown>;
  on?(event: string, heard: (value: never) => void): void;
}
export interface ProviderInfo {
  uuid: string;
  name: string;
  icon: string;
  rdns: string;
}
export interface Announced {
  info: ProviderInfo;
  provider: Provider;
}
export interface TypedData {
  types: Record<string, { name: string; type: string }[]>;
  primaryType: string;
  domain: { name: string; version: string; chainId: number; verifyingContract: string };
  message: Record<string, string | number>;
}
