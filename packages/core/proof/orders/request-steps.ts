import { generationIn } from "./record.ts";
import { abort, authorized, refuse, replay, settleAs, wokenUp } from "./requests.ts";
import type { Scene } from "./scene.ts";
import type { Request, State } from "./state.ts";
import type { Add } from "./steps.ts";

export function addRequests(add: Add, { requests }: State): void {
  for (const [index, request] of requests.entries()) addRequest(add, request, index);
}

function addRequest(add: Add, { id, phase, aborted, sent }: Request, index: number): void {
  const then = (act: (scene: Scene, request: Request) => void) => (scene: Scene) => {
    const request = scene.state.requests[index];
    if (request) act(scene, request);
  };
  switch (phase) {
    case "woken":
      add("own", `request ${id} judges anew`, then(wokenUp));
      break;
    case "authorizing":
      add("own", `request ${id} has its fields`, then(authorized));
      break;
    case "replaying":
      add("own", `request ${id} goes again`, then(replay));
      break;
    case "sent":
      add(
        "answer",
        `request ${id} is answered 200`,
        then((scene, request) => settleAs(scene, request, "200")),
        { type: "respond", request: id, status: 200 },
      );
      if (generationIn(sent) < 5)
        add("world", `request ${id} is answered 401`, then(refuse), {
          type: "respond",
          request: id,
          status: 401,
        });
  }
  if (!aborted) add("world", `request ${id} is aborted`, then(abort), { type: "abort", request: id });
}
