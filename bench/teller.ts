/** Posts requests that were made beforehand over kept connections: what a provider tells while a bench runs. */
import { answer } from "./load.ts";

/** As many requests are under way as there are connections; the rest waits in order. */
export class Teller {
  readonly #waiting: Uint8Array[] = [];
  readonly #idle: (() => void)[] = [];

  /** @param answered Told of the status of each. */
  constructor(port: number, connections: number, answered: (status: string) => void) {
    for (let i = 0; i < connections; i++) void this.#work(port, answered);
  }

  tell(request: Uint8Array): void {
    this.#waiting.push(request);
    this.#idle.pop()?.();
  }

  async #work(port: number, answered: (status: string) => void): Promise<never> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    const buffer = new Uint8Array(16384);
    for (;;) {
      const request = this.#waiting.shift();
      if (request === undefined) {
        await new Promise<void>((resolve) => this.#idle.push(resolve));
        continue;
      }
      for (let written = 0; written < request.length;) written += await conn.write(request.subarray(written));
      answered(await answer(conn, buffer));
    }
  }
}
