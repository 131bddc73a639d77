import type { Adapter, Payload } from "oidc-provider";

/**
 * Keeps what the provider stores of one model, in a Map.
 *
 * Nothing is ever evicted. The provider's own memory adapter keeps the last 1,000 records of all models
 * together: after some 1,200 rotations the reuse of an early refresh token goes unseen there.
 */
export function createRecords(): Adapter {
  const records = new Map<string, Payload>();

  return {
    upsert: async (id, payload) => {
      records.set(id, payload);
    },
    find: async (id) => records.get(id),
    findByUid: async (uid) => [...records.values()].find((payload) => payload.uid === uid),
    consume: async (id) => {
      records.set(id, { ...records.get(id), consumed: Math.floor(Date.now() / 1000) });
    },
    destroy: async (id) => {
      records.delete(id);
    },
    revokeByGrantId: async (grantId) => {
      for (const [id, payload] of records) if (payload.grantId === grantId) records.delete(id);
    },
  };
}
