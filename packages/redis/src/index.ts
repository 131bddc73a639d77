export type { IoredisClient, NodeRedisClient, RedisClient, RedisConnection } from "./client.ts";
export type { RedisStoreOptions } from "./options.ts";
export type { EncryptionKey } from "./seal.ts";
export { redisStore } from "./store.ts";
