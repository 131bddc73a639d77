/** The states that were seen, each by a hash of 64 bits, with the step that led to it first. */
export interface Seen {
  readonly size: number;
  /** Returns the number of this state; the numbers begin at 0. */
  add(key: string, parent: number, step: number): number;
  parentOf(state: number): number;
  stepTo(state: number): number;
  /** Which state follows when nothing gets in the way; −1: none. */
  next(state: number): number;
  setNext(state: number, next: number): void;
}

const CHUNK = 1 << 16;

export function createSeen(): Seen {
  let capacity = CHUNK;
  let low = new Uint32Array(capacity);
  let high = new Uint32Array(capacity);
  let parents = new Int32Array(capacity);
  let steps = new Uint8Array(capacity);
  let nexts = new Int32Array(capacity).fill(-1);
  let table = new Int32Array(capacity * 2).fill(-1);
  let size = 0;

  function grow(): void {
    capacity *= 2;
    const grown = <A extends Uint32Array | Int32Array | Uint8Array>(from: A, to: A): A => {
      to.set(from);
      return to;
    };
    low = grown(low, new Uint32Array(capacity));
    high = grown(high, new Uint32Array(capacity));
    parents = grown(parents, new Int32Array(capacity));
    steps = grown(steps, new Uint8Array(capacity));
    nexts = grown(nexts, new Int32Array(capacity).fill(-1));
    table = new Int32Array(capacity * 2).fill(-1);
    for (let state = 0; state < size; state++) table[placeOf(low[state] ?? 0, high[state] ?? 0)] = state;
  }

  function placeOf(one: number, other: number): number {
    const mask = table.length - 1;
    let place = (one ^ Math.imul(other, 0x9e3779b1)) & mask;
    for (;;) {
      const state = table[place] ?? -1;
      if (state < 0 || (low[state] === one && high[state] === other)) return place;
      place = (place + 1) & mask;
    }
  }

  return {
    get size() {
      return size;
    },
    add(key, parent, step) {
      const [one, other] = [hash(key, 0x811c9dc5), hash(key, 0x2545f491)];
      const place = placeOf(one, other);
      const known = table[place] ?? -1;
      if (known >= 0) return known;
      low[size] = one;
      high[size] = other;
      parents[size] = parent;
      steps[size] = step;
      table[place] = size++;
      if (size === capacity) grow();
      return size - 1;
    },
    parentOf: (state) => parents[state] ?? -1,
    stepTo: (state) => steps[state] ?? 0,
    next: (state) => nexts[state] ?? -1,
    setNext(state, next) {
      nexts[state] = next;
    },
  };
}

function hash(text: string, seed: number): number {
  let value = seed;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x85ebca6b);
    value ^= value >>> 13;
  }
  value = Math.imul(value ^ (value >>> 16), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
