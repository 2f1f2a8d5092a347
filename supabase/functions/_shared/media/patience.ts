/**
 * Streams that do not hang.
 *
 * @module
 */

/** Fails a stream if nothing comes for a while: a connection that hangs would hold its caller for ever. */
export function withPatience(
  body: ReadableStream<Uint8Array>,
  idleMs: number,
  stop: (reason: Error) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          const error = new Error(`nothing came for ${idleMs / 1000} s`);
          stop(error);
          reject(error);
        }, idleMs);
      });
      try {
        const { done, value } = await Promise.race([reader.read(), late]);
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(error);
        reader.cancel(error).catch(() => {});
      } finally {
        clearTimeout(timer);
      }
    },
    cancel(reason) {
      stop(new Error("the reader has gone"));
      return reader.cancel(reason).catch(() => {});
    },
  }, { highWaterMark: 0 });
}
