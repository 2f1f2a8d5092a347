/** Server-sent events to the open pages, bounded. */
import type { Json } from "./model.ts";

const MAX_STREAMS = 32;
const HEARTBEAT_MS = 15_000;

/** The open pages of all kinds. */
export class EventStreams {
  /** A function that closes each, and one that sends it the current state. */
  #open = new Map<() => void, () => void>();

  /**
   * A stream: first the state, then each event.
   * @param listen Begins to call with each event; returns what ends that.
   */
  response(state: () => Json, listen: (tell: (event: object) => void) => () => void): Response {
    if (this.#open.size >= MAX_STREAMS) {
      return Response.json({ error: "too many pages are open" }, { status: 503 });
    }
    const utf8 = new TextEncoder();
    let end = () => {};
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const tell = (event: object) => controller.enqueue(utf8.encode(`data: ${JSON.stringify(event)}\n\n`));
        const unlisten = listen(tell);
        const heartbeat = setInterval(
          () => controller.enqueue(utf8.encode(": still here\n\n")),
          HEARTBEAT_MS,
        );
        end = () => {
          unlisten();
          clearInterval(heartbeat);
          this.#open.delete(end);
          try {
            controller.close();
          } catch {
            // The reader has gone: closed already.
          }
        };
        const tellState = () => tell(state());
        this.#open.set(end, tellState);
        tellState();
      },
      cancel: () => end(),
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
    });
  }

  /** Sends each page its state again. */
  restate(): void {
    for (const tellState of this.#open.values()) tellState();
  }

  /** Ends all of them. */
  close(): void {
    for (const end of [...this.#open.keys()]) end();
  }
}
