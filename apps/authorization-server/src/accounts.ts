/** What the provider wants to know of an account. */
export interface Account {
  readonly accountId: string;
  claims(): { readonly sub: string };
}

/** Says whether `name` names a test account: every short lower-case name does (alice, bob, tab-2). */
export function isAccountName(name: string): boolean {
  return /^[a-z][a-z0-9-]{0,31}$/.test(name);
}

/** Finds the account of that name; undefined where it cannot be one. */
export function findAccount(_context: unknown, name: string): Account | undefined {
  return isAccountName(name) ? { accountId: name, claims: () => ({ sub: name }) } : undefined;
}
