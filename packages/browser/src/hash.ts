/** Makes a name that tells nothing of `text`, and is the same everywhere (FNV-1a). Two may share one. */
export function hash(text: string): number {
  let hashed = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hashed = Math.imul(hashed ^ text.charCodeAt(index), 0x01000193);
  return hashed >>> 0;
}
