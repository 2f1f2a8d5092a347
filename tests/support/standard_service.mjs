// A service as people write it in Node with the package standardwebhooks, which knows nothing of Gatelink: verifies each
// event, handles it once, and answers messages. Started by tests; SEEN shows what it accepted.
import { createServer } from "node:http";
import process from "node:process";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const replies = JSON.parse(process.env.REPLIES);
const seen = new Map();

function repliesTo({ type, data }) {
  if (type !== "message.received") return undefined;
  const [, number] = /^send (\d+)$/.exec(data.message.text ?? "") ?? [];
  return number === undefined ? undefined : [replies[Number(number)]];
}

const server = createServer((request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  if (request.method === "GET") return answer(200, [...seen.values()]);
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    let event;
    try {
      event = webhook.verify(Buffer.concat(chunks).toString(), request.headers);
    } catch {
      return answer(401, { error: "not signed" });
    }
    seen.set(request.headers["webhook-id"], event);
    answer(200, { replies: repliesTo(event) });
  });
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
