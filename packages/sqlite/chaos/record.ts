import { DatabaseSync } from "node:sqlite";

/** What a data file holds, seen from outside: whether SQLite finds it sound, and the records. */
export interface Kept {
  readonly isSound: boolean;
  readonly records: readonly { readonly generation: number; readonly accessToken: unknown }[];
}

/** Looks into a data file that no other process uses. */
export function keptIn(file: string): Kept {
  const database = new DatabaseSync(file, { readOnly: false });
  try {
    const isSound = database.prepare("PRAGMA integrity_check").get()?.integrity_check === "ok";
    const rows = database.prepare("SELECT generation, tokens FROM session ORDER BY name").all();
    const records = rows.map(({ generation, tokens }) => ({
      generation: Number(generation),
      accessToken: JSON.parse(String(tokens)).accessToken,
    }));
    return { isSound, records };
  } finally {
    database.close();
  }
}
