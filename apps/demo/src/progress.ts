/** Shows that something happens: lines that stay, and on a terminal a last one that counts the seconds. */
export interface Progress {
  say(line: string): void;
  end(): void;
}

export function showProgress(waiting: string): Progress {
  const start = performance.now();
  const { stdout } = process;
  const clear = stdout.isTTY ? "\r\x1b[2K" : "";
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(1).padStart(5)} s  `;
  const draw = () => void (stdout.isTTY && stdout.write(`${clear}${seconds()}${waiting} …`));
  const timer = setInterval(draw, 100);
  process.once("exit", end);

  function end(): void {
    clearInterval(timer);
    stdout.write(clear);
    process.off("exit", end);
  }

  return {
    say(line) {
      stdout.write(`${clear}${seconds()}${line}\n`);
      draw();
    },
    end,
  };
}
