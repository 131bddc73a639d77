// What a hostile key or a careless copy would write to.
const WATCHED = {
  Object: Object.prototype,
  Array: Array.prototype,
  Function: Function.prototype,
  String: String.prototype,
  Error: Error.prototype,
  Promise: Promise.prototype,
  Response: Response.prototype,
  Headers: Headers.prototype,
};

type Name = keyof typeof WATCHED;
type Shape = ReadonlyMap<PropertyKey, PropertyDescriptor | undefined>;

/** What the prototypes of the platform look like now. */
export function prototypes(): ReadonlyMap<Name, Shape> {
  return new Map((Object.keys(WATCHED) as Name[]).map((name) => [name, shapeOf(WATCHED[name])]));
}

/** Names every member that is not as it was. */
export function pollution(before: ReadonlyMap<Name, Shape>): string[] {
  return [...before].flatMap(([name, was]) => {
    const now = shapeOf(WATCHED[name]);
    const keys = new Set([...was.keys(), ...now.keys()]);
    return [...keys]
      .filter((key) => !isSame(was.get(key), now.get(key)))
      .map((key) => `${name}.prototype.${String(key)}`);
  });
}

function shapeOf(prototype: object): Shape {
  return new Map(
    Reflect.ownKeys(prototype).map((key) => [key, Object.getOwnPropertyDescriptor(prototype, key)]),
  );
}

function isSame(one: PropertyDescriptor | undefined, other: PropertyDescriptor | undefined): boolean {
  return one?.value === other?.value && one?.get === other?.get && one?.set === other?.set;
}
