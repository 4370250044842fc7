// A bank over REST in two files and no packages: lists its offers, decides them, takes signed callbacks and acknowledges
// them by a signed answer. Needs Node 20 or later.
//
//   node bank.mjs GATEWAY-URL KEYS PORT [ACCOUNT-JSON]
//
// KEYS is a folder with key.pem, chain.pem (ours and those above it) and anchors.pem (the centre's roots), as
// `eherrac-gateway pki issue` makes it. The gateway's section of this bank names http://THIS-MACHINE:PORT/notices as its
// callback_url. With an account every open offer is accepted and paid from it. Everything is printed as a line of JSON.
// What a bank must add for itself: its own book of what it has decided and which notices it has taken (both by id, in a
// database), and the centre's CRL.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { NotBelieved, certificatesOf, identity, signAnswer, signRequest, verifyAnswer, verifyRequest } from "./signing.mjs";

const [address, keys, port, payer] = process.argv.slice(2);
const pem = (name) => readFileSync(join(keys, name));
const who = identity(pem("key.pem"), pem("chain.pem"));
const roots = certificatesOf(pem("anchors.pem"));
const say = (what) => console.log(JSON.stringify(what));

/** Ask the gateway; the answer's status and JSON, if it is the gateway's own. While it has no time it says so unsigned. */
async function ask(method, target, content, headers = {}) {
  const url = new URL(target, address);
  const body = Buffer.from(content === undefined ? "" : JSON.stringify(content));
  const fields = { ...headers, ...(body.length ? { "content-type": "application/json" } : {}) };
  const request = { method, authority: url.host, path: url.pathname, query: url.search.slice(1), headers: fields, body };
  Object.assign(fields, signRequest(request, who));
  const got = await fetch(url, { method, headers: fields, body: body.length ? body : undefined });
  if (got.status === 503 && !got.headers.has("signature")) { // nothing was read: the same again, signed anew
    await new Promise((done) => setTimeout(done, 1000 * (Number(got.headers.get("retry-after")) || 5)));
    return ask(method, target, content, headers);
  }
  const answer = { status: got.status, headers: Object.fromEntries(got.headers), body: Buffer.from(await got.arrayBuffer()) };
  verifyAnswer(answer, request, "GATEWAY", roots);
  return { status: answer.status, content: answer.body.length ? JSON.parse(answer.body) : null };
}

/** Decide an offer. The decision's id is made once and kept: after silence ask again with the same one, signed anew. */
async function decide(offer, decision, id) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await ask("POST", `/v1/offers/${offer}/decision`, decision, { "idempotency-key": id });
    } catch (error) {
      if (error instanceof NotBelieved || attempt === 5) throw error;
      await new Promise((done) => setTimeout(done, 200 * 2 ** attempt));
    }
  }
}

const taken = new Set(); // of notices, by id: a repetition is acknowledged as if it were the first, and not worked on

/** A callback: verified over the raw octets before anything of it is read. */
function take(incoming, body) {
  const [path, query = ""] = incoming.url.split("?");
  const { method, headers } = incoming;
  const request = { method, authority: headers.host, path, query, headers, body };
  let status = 204;
  try {
    verifyRequest(request, "GATEWAY", roots);
    const notice = JSON.parse(body);
    const repeated = taken.has(headers["webhook-id"]);
    taken.add(headers["webhook-id"]);
    say({ notice: notice.type, id: headers["webhook-id"], repeated, data: notice.data });
  } catch (error) {
    status = error instanceof NotBelieved ? 401 : 400;
    say({ refused: error.message });
  }
  const answer = { status, headers: {}, body: Buffer.alloc(0) };
  return { status, headers: signAnswer(answer, request, who) };
}

const server = createServer({ maxHeaderSize: 65536 }, (incoming, outgoing) => {
  const parts = [];
  incoming.on("data", (part) => parts.push(part));
  incoming.on("end", () => {
    const { status, headers } = take(incoming, Buffer.concat(parts));
    outgoing.writeHead(status, headers).end();
  });
});

server.listen(Number(port), "127.0.0.1", async () => {
  const listed = await ask("GET", "/v1/offers");
  say({ listed });
  for (const offer of listed.content?.items ?? []) {
    if (payer && offer.state === "open") {
      const decision = { decision: "accept", decidedBy: "Ə. Ğ. (nümunə)", payer: JSON.parse(payer) };
      const id = randomUUID();
      say({ decided: await decide(offer.id, decision, id) });
      say({ again: await decide(offer.id, decision, id) });
    }
  }
});
