import fc from "fast-check";
import { quotation } from "./secrets.ts";

/** How to make a value that may resist being read. Plain, so that it prints, shrinks and replays. */
export type Recipe =
  | { readonly is: "data"; readonly data: unknown }
  | { readonly is: "large"; readonly text: string; readonly times: number }
  | { readonly is: Shape; readonly members: readonly Member[] };

type Shape = (typeof SHAPES)[number];

export interface Member {
  readonly name: string;
  readonly how: (typeof WAYS)[number];
  readonly value: Recipe;
}

const SHAPES = [
  "plain",
  "frozen",
  "bare",
  "inherited",
  "proxy",
  "revoked",
  "array",
  "error",
  "type error",
  "response",
] as const;
// Mostly honest: what resists everywhere is not read far.
const WAYS = [
  ...(["value", "value", "value", "value", "value", "getter"] as const),
  ...(["itself", "throws", "throws a TypeError", "throws null", "throws itself"] as const),
] as const;

/** Values that are nearly something: an object with some of these names, and under them some of these values. */
export function recipes(names: readonly string[], values: readonly unknown[]): fc.Arbitrary<Recipe> {
  const name = fc.constantFrom(...names, "__proto__", "constructor", "prototype", "toJSON", "toString");
  const data = fc.oneof(
    { arbitrary: fc.constantFrom(...values), weight: 6 },
    { arbitrary: fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null)), weight: 2 },
    { arbitrary: fc.constantFrom(...odd), weight: 1 },
  );
  return fc.letrec<{ recipe: Recipe; member: Member }>((tie) => ({
    recipe: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { arbitrary: data.map((data): Recipe => ({ is: "data", data })), weight: 3 },
      {
        arbitrary: fc.record({
          is: fc.oneof({ arbitrary: fc.constant("plain" as const), weight: 9 }, fc.constantFrom(...SHAPES)),
          members: fc.array(tie("member"), { maxLength: 6 }),
        }),
        weight: 2,
      },
      {
        arbitrary: fc.record({
          is: fc.constant("large" as const),
          text: fc.constantFrom("a", "\u00e9", '"', "\\", " ", "\ud800", "{"),
          times: fc.constantFrom(1, 4_096, 65_536),
        }),
        weight: 1,
      },
    ),
    member: fc.record({ name, how: fc.constantFrom(...WAYS), value: tie("recipe") }),
  })).recipe;
}

const odd = [
  undefined,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -0,
  2 ** 53,
  1n,
  Symbol("odd"),
  new Date(8.64e15),
  new Date(Number.NaN),
  "\ud800",
  "\u0000",
  "\ufeff",
];

/** Makes the value. */
export function prepare(recipe: Recipe): unknown {
  if (recipe.is === "data") return recipe.data;
  if (recipe.is === "large") return (recipe as { text: string; times: number }).text.repeat(recipe.times);
  const { is, members } = recipe as { is: Shape; members: readonly Member[] };
  const made = bodyOf(is);
  for (const member of members) define(made, member);
  switch (is) {
    case "frozen":
      return Object.freeze(made);
    case "inherited":
      return Object.create(made);
    case "proxy":
      return new Proxy(made, {});
    case "revoked":
      return revoked(made);
    default:
      return made;
  }
}

function bodyOf(shape: Shape): object {
  switch (shape) {
    case "bare":
      return Object.create(null);
    case "array":
      return [];
    case "error":
      return new Error(`refused ${quotation}`);
    case "type error":
      return new TypeError(`illegal ${quotation}`);
    case "response":
      return new Response(`{"error":"invalid_grant","hint":${JSON.stringify(quotation)}}`, { status: 400 });
    default:
      return {};
  }
}

function define(target: object, { name, how, value }: Member): void {
  const made = prepare(value);
  const get = () => {
    if (how === "throws") throw new Error(`cannot tell ${quotation}`);
    if (how === "throws a TypeError") throw new TypeError(`cannot tell ${quotation}`);
    if (how === "throws null") throw null;
    if (how === "throws itself") throw target;
    return made;
  };
  const isValue = how === "value" || how === "itself";
  const held = isValue ? { value: how === "itself" ? target : made, writable: true } : { get };
  try {
    Object.defineProperty(target, name, { ...held, enumerable: true, configurable: true });
  } catch {
    // The length of an array, for instance.
  }
}

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}
