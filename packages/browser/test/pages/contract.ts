// Runs in pages: the contract of stores, one case at a time.
import { storeContract } from "@freshtoken/testing/contract";
import { subjectOf } from "../store-subject.ts";

const cases = new Map(storeContract(subjectOf("contract")).map((each) => [each.title, each]));

/** Runs the case with this title. Rejects as it does. */
export type RunCase = (title: string) => Promise<void>;

const runCase: RunCase = async (title) => cases.get(title)?.run();
Object.assign(globalThis, { runCase });
