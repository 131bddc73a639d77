/** What is to happen, in the order of virtual time. */
export interface Timeline {
  /** Ms since the world began. */
  readonly now: number;
  /** Lets something happen in so many ms. Returns its undo. */
  in(ms: number, run: () => void): () => void;
  /** Lets the next thing happen. False: there is none. */
  step(): boolean;
}

interface Plan {
  readonly at: number;
  run: (() => void) | undefined;
}

export function createTimeline(): Timeline {
  // The next one last.
  const plans: Plan[] = [];
  let now = 0;

  return {
    get now() {
      return now;
    },
    in(ms, run) {
      const plan: Plan = { at: now + ms, run };
      let index = plans.length;
      while (index > 0 && (plans[index - 1] as Plan).at <= plan.at) index--;
      plans.splice(index, 0, plan);
      return () => {
        plan.run = undefined;
      };
    },
    step() {
      for (let plan = plans.pop(); plan; plan = plans.pop()) {
        if (!plan.run) continue;
        now = plan.at;
        plan.run();
        return true;
      }
      return false;
    },
  };
}
