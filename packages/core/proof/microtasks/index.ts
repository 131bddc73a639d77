import type { StoreKind } from "../commands/store.ts";
import type { Witness } from "../commands/witness.ts";
import type { Layer, Scale } from "../layer.ts";
import { intruders } from "./intruders.ts";
import { moments } from "./moments.ts";
import { type Meeting, meet } from "./sweep.ts";

const DEEPEST = 15;
const STORES: Readonly<Record<Scale, readonly StoreKind[]>> = {
  test: ["memory", "shared"],
  prove: ["memory", "private", "shared"],
};

export const layer: Layer = {
  name: "Microtask sweep",
  what: "Lets somebody come in at every microtask after something has happened, for every pair of the two.",
  async explore(scale, progress) {
    const stores = STORES[scale];
    const violations: string[] = [];
    const limits = new Map<string, number>();
    const reached = new Set<string>();
    let meetings = 0;
    for (const store of stores)
      for (const moment of moments) {
        const alone = await meet({ store, moment, intruder: undefined, depth: 0 });
        if (!alone) continue;
        reached.add(moment.name);
        for (const intruder of intruders.filter(({ needsOthers }) => store === "shared" || !needsOthers))
          for (let depth = 0; depth <= DEEPEST; depth++) {
            const meeting = { store, moment, intruder, depth };
            const witness = await meet(meeting);
            meetings++;
            if (!witness) continue;
            for (const limit of witness.limits) limits.set(limit, (limits.get(limit) ?? 0) + 1);
            const objection = objectionTo(meeting, witness, alone);
            if (objection) violations.push(objection);
          }
        progress(`${store}: ${moment.name}, ${meetings.toLocaleString("en")} meetings`);
      }
    for (const { name } of moments) if (!reached.has(name)) violations.push(`never seen: ${name}`);
    return {
      bounds: `${moments.length} moments, ${intruders.length} who come, depth 0 to ${DEEPEST}, stores: ${stores.join(", ")}`,
      explored: `${meetings.toLocaleString("en")} meetings`,
      violations,
      limits: Object.fromEntries(limits),
      notes: [],
    };
  },
};

function objectionTo(
  { store, moment, intruder, depth }: Meeting,
  witness: Witness,
  alone: Witness,
): string | undefined {
  const refreshes = witness.seen.get("refresh called") ?? 0;
  const most = (alone.seen.get("refresh called") ?? 0) + (intruder?.refreshes ?? 0);
  const objections = [
    ...witness.violations,
    ...(refreshes > most ? [`${refreshes} refreshes, where ${most} would do`] : []),
    ...(intruder?.isInnocent ? changes(witness, alone) : []),
  ];
  if (objections.length === 0) return undefined;
  const where = `${store} store; ${moment.name}; ${depth} microtasks later ${intruder?.name}`;
  return [where, ...objections, ...witness.story.map((line, index) => `${index + 1}. ${line}`)].join("\n");
}

// Who comes and only asks changes nothing for those who were there before.
function changes(witness: Witness, alone: Witness): string[] {
  return alone.calls.flatMap((call, index) => {
    const now = witness.calls[index];
    if (!now || now.signal?.aborted || now.outcome === call.outcome) return [];
    return [`${call.name} ends with ${now.outcome}, and alone with ${call.outcome}`];
  });
}
