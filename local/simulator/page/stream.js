/** The events of the stack, as long as the page is open. */
import { $ } from "./dom.js";

/** Calls `handlers[type](event)` for each event of an address, and says in the header whether it is connected. */
export function listen(address, handlers) {
  const events = new EventSource(address);
  const tell = (tone, words) => {
    $("dot").className = `dot ${tone}`;
    $("link").textContent = words;
  };
  events.onopen = () => tell("good", "Connected");
  events.onerror = () => {
    tell("bad", "The stack is not responding");
    // The browser itself tries again when the connection broke, but not after an answer such as 503.
    if (events.readyState === EventSource.CLOSED) setTimeout(() => listen(address, handlers), 2000);
  };
  events.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    handlers[event.type]?.(event);
  };
}
