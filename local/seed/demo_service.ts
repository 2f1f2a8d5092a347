/**
 * A service that receives messages from Gatelink, as an example to copy. It does what each such service
 * should: check the signature over the raw body, act once however often a delivery arrives, and return the
 * replies.
 *
 * The local stack serves it at `/demo/service` and has a destination, `echo`, that leads there.
 */
import { Webhook } from "standardwebhooks";

/** A delivery from Gatelink, with the members that this service reads. */
interface Delivery {
  /** `message.received`, or a type that this service does not know and answers with nothing. */
  type: string;
  /** ISO time. */
  timestamp: string;
  data: {
    message: {
      id: string;
      channel: string;
      type: string;
      text: string | null;
      choice: string | null;
      native: { keyword?: string } | null;
    };
    contact: { name: string | null };
  };
}

/** A message to send back, without `to`, which Gatelink fills in: on WhatsApp in Meta's shape, as a text `{"text": "…"}`. */
type Reply = Record<string, unknown>;

const KEEP = 50;
const REMEMBER = 1_000;

/**
 * The service as a request handler. POST takes a delivery and answers `{"replies": […]}`, or 401 unless one of the
 * secrets signed it. GET shows the last {@link KEEP} deliveries, newest first.
 *
 * @param options.secrets The destination's secrets, `whsec_…`: one, or two while they are being rotated.
 */
export function createDemoService(
  options: { secrets: () => string[] },
): (request: Request) => Promise<Response> {
  const received: { id: string; at: string; delivery: Delivery; replies: Reply[] }[] = [];
  const answers = new Map<string, Reply[]>();

  return async (request) => {
    if (request.method === "GET") return Response.json({ received: received.toReversed() });
    if (request.method !== "POST") {
      return new Response(null, { status: 405, headers: { allow: "GET, POST" } });
    }

    // The signature is over these very characters: check them before anything parses them.
    const body = await request.text();
    if (!options.secrets().some((secret) => isSignedBy(secret, body, request.headers))) {
      return Response.json({ error: "the delivery is not signed with this service's secret" }, {
        status: 401,
      });
    }

    // A delivery comes again when the answer to it was lost. Its webhook-id is the same, so the answer is too, and
    // whatever a real service does (take an order, charge a card) is done once.
    const id = request.headers.get("webhook-id")!;
    const known = answers.get(id);
    if (known) return Response.json({ replies: known });

    const delivery: Delivery = JSON.parse(body);
    const replies = delivery.type === "message.received" ? answer(delivery.data) : [];
    answers.set(id, replies);
    if (answers.size > REMEMBER) answers.delete(answers.keys().next().value!);
    received.push({ id, at: new Date().toISOString(), delivery, replies });
    if (received.length > KEEP) received.shift();
    return Response.json({ replies });
  };
}

/** Whether the secret signed the body at most five minutes ago (Standard Webhooks; the library compares safely). */
function isSignedBy(secret: string, body: string, headers: Headers): boolean {
  try {
    new Webhook(secret).verify(body, Object.fromEntries(headers));
    return true;
  } catch {
    return false;
  }
}

/** Chooses the replies. Your service looks things up here. */
function answer({ message, contact }: Delivery["data"]): Reply[] {
  const said = message.text?.trim() ?? "";
  if (message.channel === "sms") {
    // The provider answers STOP, START and HELP by itself.
    if (message.native?.keyword !== undefined) return [];
    return [{ text: said === "" ? "Thank you for the picture." : `You said: ${said.slice(0, 1500)}` }];
  }
  if (message.choice) return [text(`You chose: ${said}`)];
  switch (message.type) {
    case "text":
      if (/^menu$/i.test(said)) return [menu()];
      if (/^list$/i.test(said)) return [list()];
      if (/^(hi|hello)\b/i.test(said)) {
        return [text(`Hello ${contact.name ?? "there"}! Say *menu* or *list*.`)];
      }
      return [text(`You said: ${said}`)];
    case "location":
      return [text("Thank you, I know where you are.")];
    case "image":
    case "video":
    case "sticker":
      return [text("Nice picture!")];
    case "reaction":
      return said ? [text(`You reacted with ${said}`)] : [];
    case "system":
      return [];
    default:
      return [text(`Thank you for the ${message.type}.`)];
  }
}

function text(body: string): Reply {
  return { type: "text", text: { body: body.slice(0, 4096) } };
}

function menu(): Reply {
  const button = (id: string, title: string) => ({ type: "reply", reply: { id, title } });
  return {
    type: "interactive",
    interactive: {
      type: "button",
      body: { text: "What would you like to do?" },
      action: {
        buttons: [
          button("order", "Order bread"),
          button("hours", "Opening hours"),
          button("human", "Talk to us"),
        ],
      },
    },
  };
}

function list(): Reply {
  return {
    type: "interactive",
    interactive: {
      type: "list",
      header: { type: "text", text: "Today’s bread" },
      body: { text: "Fresh from the oven. Which one shall it be?" },
      footer: { text: "Until 18:00" },
      action: {
        button: "Show the bread",
        sections: [
          {
            title: "Loaves",
            rows: [
              { id: "sourdough", title: "Sourdough", description: "Wheat and rye, 1 kg" },
              { id: "baguette", title: "Baguette", description: "Crisp, 250 g" },
            ],
          },
          {
            title: "Sweet",
            rows: [{ id: "brioche", title: "Brioche", description: "With butter, of course" }],
          },
        ],
      },
    },
  };
}
