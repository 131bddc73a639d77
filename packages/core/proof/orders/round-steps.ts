import { generationIn, nameOf } from "./record.ts";
import {
  type Answer,
  afterBelief,
  afterKeep,
  afterSleep,
  answer,
  answerLate,
  awaitWrites,
  awaken,
  end,
  enter,
  hasLooked,
  rest,
  tellEnd,
} from "./renewal.ts";
import type { Scene } from "./scene.ts";
import type { Renewal, State } from "./state.ts";
import type { Add } from "./steps.ts";
import { looked } from "./vault.ts";

const ANSWERS: readonly (readonly [Answer, "answer" | "odd", string])[] = [
  ["ok", "answer", "new tokens"],
  ["rotated", "odd", "a refresh token, and nothing else of use"],
  ["failed", "odd", "503"],
  ["permanent", "odd", "invalid_client"],
  ["lost", "odd", "nothing: it was lost on its way"],
  ["late", "odd", "nothing in time"],
  ["rejected", "odd", "invalid_grant"],
];

const ATTEMPTS = [1, 2, 3];

export function addRounds(add: Add, state: State): void {
  for (const [index, round] of state.rounds.entries()) addRound(add, state, round, index);
}

function addRound(add: Add, state: State, round: Renewal, index: number): void {
  const who = `the round for ${nameOf(round.from)}`;
  const then = (act: (scene: Scene, round: Renewal) => void) => (scene: Scene) => {
    const renewal = scene.state.rounds[index];
    if (renewal) act(scene, renewal);
  };
  const fails = then((_, renewal) => end(renewal, "failed"));
  switch (round.phase) {
    case "queueing":
      if (!state.rounds.some(({ isInSection }) => isInSection))
        add(
          "answer",
          `${who} enters the exclusive section`,
          then((_, renewal) => enter(renewal)),
          { type: "enter", round: index },
        );
      add("odd", `${who} does not get the exclusive section in time`, fails, {
        type: "noSection",
        round: index,
      });
      break;
    case "looking":
    case "lookingAgain":
    case "believing":
      if (round.look?.seen === undefined) {
        add("answer", `the store looks, for ${who}`, then(see), { type: "look", looker: index });
        add(
          "odd",
          `the store cannot be read, for ${who}`,
          then((_, renewal) => hasLooked(renewal, undefined)),
          { type: "unreadable", looker: index },
        );
      } else
        add("answer", `${who} is told ${nameOf(round.look.seen)}`, then(told), {
          type: "tell",
          looker: index,
        });
      break;
    case "looked":
    case "lookedAgain":
      add(
        "own",
        `${who} goes on`,
        then((scene, renewal) => awaitWrites(scene, renewal)),
      );
      break;
    case "settling":
    case "repeating":
      if (round.ahead === 0)
        add(
          "own",
          `${who} goes on after what was written`,
          then((scene, renewal) => awaitWrites(scene, renewal)),
        );
      break;
    case "asking":
      addAnswers(add, who, round, index, then);
      break;
    case "kept":
      add("own", `${who} hears of its save: ${round.written}`, then(afterKeep));
      break;
    case "believed":
      add("own", `${who} believes the rejection`, then(afterBelief));
      break;
    case "forgotten":
      add(
        "own",
        `${who} hears that it is forgotten: ${round.written}`,
        then((_, renewal) => end(renewal, "rejected")),
      );
      break;
    case "resting":
      add("own", `${who} leaves the section, to try again`, then(rest));
      break;
    case "sleeping":
      add("answer", `the back-off of ${who} ends`, ({ state }) => awaken(state), { type: "backOff" });
      break;
    case "awake":
      add("own", `${who} gets up`, then(afterSleep));
      break;
    case "ending":
      add("own", `${who} tells its end: ${round.ending}`, then(tellEnd));
  }
  for (const attempt of ATTEMPTS.filter((attempt) => round.late & (1 << attempt)))
    add(
      "world",
      `attempt ${attempt} of ${who} brings tokens, late`,
      then((scene, renewal) => answerLate(scene, renewal, attempt)),
      { type: "lateAnswer", round: index, attempt },
    );
}

function addAnswers(
  add: Add,
  who: string,
  { from, attempts }: Renewal,
  index: number,
  then: (act: (scene: Scene, round: Renewal) => void) => (scene: Scene) => void,
): void {
  for (const [how, kind, words] of ANSWERS)
    if (how !== "rotated" || generationIn(from) >= 0)
      add(
        kind,
        `attempt ${attempts} of ${who} is answered ${words}`,
        then((scene, renewal) => answer(scene, renewal, how)),
        { type: "answer", round: index, how },
      );
}

function see({ state }: Scene, { look }: Renewal): void {
  if (look) look.seen = state.store;
}

function told(scene: Scene, round: Renewal): void {
  const { look } = round;
  if (!look) return;
  const found = looked(scene, look, () => {
    round.look = null;
  });
  if (found !== undefined) hasLooked(round, found);
}
