/** Makes a name that tells nothing of `text`, and is the same everywhere (FNV-0). Two may share one. */
export function hash(text: string): number {
  let hashed = 0;
  for (const character of text) hashed = Math.imul(hashed ^ (character.codePointAt(0) as number), 0x01000193);
  return hashed;
}
