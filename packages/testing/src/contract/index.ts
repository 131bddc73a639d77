export { adapterContract } from "./adapter-contract.ts";
export type { ContractCase } from "./contract-case.ts";
export { storeContract } from "./store/contract.ts";
export type { StoreAbility, StoreStage, StoreSubject } from "./store/subject.ts";
export type {
  Ability,
  AdapterSubject,
  Client,
  ContractAnswer,
  ContractBody,
  ContractRequest,
  Setting,
  UserHooks,
} from "./subject.ts";
