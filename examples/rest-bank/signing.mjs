// HTTP message signatures (RFC 9421, RFC 9530) of the eHərrac gateway's profile, with nothing but Node's own crypto.
//
// Four things are done with them: sign a request, verify the answer to it, verify a callback, sign the answer to that.
// A message here is {method, authority, path, query, headers, body} or {status, headers, body}; `headers` has lower-case
// names, `body` is a Buffer of the very octets on the wire.
import { X509Certificate, createHash, createPrivateKey, randomBytes, sign, verify } from "node:crypto";

const LIFETIME_S = 300;
const CLOCK_S = 300; // how far the other's clock may be from ours
const sha256 = (octets) => createHash("sha256").update(octets).digest();
const octetsText = (octets) => `:${octets.toString("base64")}:`;
const digestOf = (body) => `sha-256=${octetsText(sha256(body))}`;

export class NotBelieved extends Error {}

/** All certificates of a PEM text, in its order. */
export function certificatesOf(pem) {
  return (String(pem).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((it) => new X509Certificate(it));
}

/** Who we are: our private key, and our certificate with those between it and the centre's root, in PEM. */
export function identity(key, chain) {
  const path = certificatesOf(chain).map((it) => it.raw);
  const privateKey = createPrivateKey(key);
  return {
    privateKey,
    algorithm: privateKey.asymmetricKeyType === "rsa" ? "rsa-v1_5-sha256" : "ecdsa-p256-sha256",
    keyid: sha256(path[0]).toString("base64"),
    certificates: path.map(octetsText).join(", "),
  };
}

/** The headers to add to a request that is otherwise ready. */
export function signRequest(request, who) {
  const covered = ["@method", "@authority", "@path", "@query", "content-digest", "signature-certificate"];
  covered.push(...meaningful(request));
  return signed(request, null, covered, who, [["nonce", randomBytes(18).toString("base64url")]]);
}

/** The headers to add to the answer to `request`, which it is bound to. */
export function signAnswer(answer, request, who) {
  const covered = ["@status", "content-digest", "signature-certificate", ...meaningful(answer)];
  covered.push("@method;req", "@path;req");
  if (request.headers.signature) covered.push("signature;req"); // else it is refused, by a signed answer as well
  return signed(answer, request, covered, who, []);
}

/** Whether a request (a callback of ours) is `participant`'s; throws NotBelieved. */
export function verifyRequest(request, participant, roots) {
  const needed = ["@method", "@authority", "@path", "@query", "content-digest", ...meaningful(request)];
  judge(request, null, needed, participant, roots);
}

/** Whether this is `participant`'s answer to that very request; throws NotBelieved. */
export function verifyAnswer(answer, request, participant, roots) {
  const needed = ["@status", "content-digest", "@method;req", "@path;req", "signature;req", ...meaningful(answer)];
  judge(answer, request, needed, participant, roots);
}

function meaningful({ headers, body }) {
  const names = Object.keys(headers).filter((name) => /^(webhook-|ce-|idempotency-key$)/.test(name));
  return body.length || headers["content-type"] ? ["content-type", ...names] : names;
}

function signed(message, request, covered, who, extra) {
  const added = { "content-digest": digestOf(message.body), "signature-certificate": who.certificates };
  const created = Math.floor(Date.now() / 1000);
  const parameters = [["created", created], ["expires", created + LIFETIME_S], ...extra];
  parameters.push(["keyid", who.keyid], ["alg", who.algorithm], ["tag", "eherrac"]);
  const listed = covered.map(componentText).join(" ");
  const input = `(${listed})` + parameters.map(([name, it]) => `;${name}=${Number.isInteger(it) ? it : `"${it}"`}`).join("");
  const full = { ...message, headers: { ...message.headers, ...added } };
  const signature = sign("sha256", signatureBase(full, request, covered, input), keyed(who.privateKey));
  return { ...added, "signature-input": `eherrac=${input}`, signature: `eherrac=${octetsText(signature)}` };
}

function judge(message, request, needed, participant, roots) {
  const { headers, body } = message;
  const { covered, input, parameters } = readInput(headers["signature-input"] ?? "");
  const missing = needed.filter((component) => !covered.includes(component));
  if (missing.length) throw new NotBelieved(`not signed: ${missing.join(", ")}`);
  if (headers["content-digest"] !== digestOf(body)) throw new NotBelieved("the body is not the one that was signed");
  const path = (headers["signature-certificate"] ?? "").split(",").map(readOctets).map((der) => new X509Certificate(der));
  judgeCertificate(path, participant, roots);
  if (parameters.tag !== "eherrac" || parameters.keyid !== sha256(path[0].raw).toString("base64")) {
    throw new NotBelieved("the parameters are of another signature");
  }
  const now = Date.now() / 1000;
  if (!(parameters.created - CLOCK_S <= now && now <= parameters.expires + CLOCK_S)) throw new NotBelieved("too old");
  const octets = readOctets((headers.signature ?? "").replace(/^[a-z*][\w.*-]*=/, ""));
  const key = path[0].publicKey;
  const algorithm = key.asymmetricKeyType === "rsa" ? "rsa-v1_5-sha256" : "ecdsa-p256-sha256";
  if (parameters.alg !== algorithm) throw new NotBelieved(`${parameters.alg} is not for this key`);
  const base = signatureBase(message, request, covered, input);
  if (!verify("sha256", base, keyed(key), octets)) throw new NotBelieved("the signature is not of these octets");
}

/** A path to one of our roots, valid today, whose first certificate names the participant.
 *  Revocation is left to your own PKI library: look the first certificate up in the centre's CRL as well. */
function judgeCertificate(path, participant, roots) {
  const now = new Date();
  for (const it of path) {
    if (now < new Date(it.validFrom) || new Date(it.validTo) < now) throw new NotBelieved("certificate out of date");
  }
  path.forEach((it, place) => {
    const issuers = place + 1 < path.length ? [path[place + 1]] : roots;
    if (!issuers.some((issuer) => issuer.ca && it.checkIssued(issuer) && it.verify(issuer.publicKey))) {
      throw new NotBelieved("no path to a root of ours");
    }
  });
  const named = path[0].subject.split("\n").some((line) => line === `organizationIdentifier=${participant}`);
  if (!named) throw new NotBelieved(`not ${participant} but ${path[0].subject.replaceAll("\n", ", ")}`);
}

function readInput(field) {
  const found = /^([a-z*][\w.*-]*)=(\(([^()]*)\)((?:;[a-z]+=(?:"[^"\\]*"|\d+))*))$/.exec(field);
  if (!found) throw new NotBelieved("no Signature-Input that we read");
  const [, , input, listed, rest] = found;
  const covered = listed.split(" ").filter(Boolean).map((text) => text.replaceAll('"', ""));
  const pairs = [...rest.matchAll(/;([a-z]+)=(?:"([^"]*)"|(\d+))/g)];
  const parameters = Object.fromEntries(pairs.map(([, name, text, digits]) => [name, digits ? Number(digits) : text]));
  return { covered, input, parameters };
}

function readOctets(text) {
  const found = /^\s*:([A-Za-z0-9+/=]*):\s*$/.exec(text);
  if (!found) throw new NotBelieved("not a byte sequence");
  return Buffer.from(found[1], "base64");
}

function signatureBase(message, request, covered, input) {
  const lines = covered.map((component) => {
    const ofRequest = component.endsWith(";req");
    const value = valueOf(ofRequest ? request : message, component.replace(";req", ""));
    if (value === undefined) throw new NotBelieved(`${component} is not there`);
    return `${componentText(component)}: ${value}\n`;
  });
  return Buffer.from(`${lines.join("")}"@signature-params": ${input}`, "ascii");
}

function valueOf(message, name) {
  const derived = {
    "@method": message.method,
    "@authority": message.authority,
    "@path": message.path,
    "@query": `?${message.query ?? ""}`,
    "@status": message.status,
  };
  return name.startsWith("@") ? derived[name] : message.headers[name]?.trim();
}

const componentText = (component) => (component.endsWith(";req") ? `"${component.slice(0, -4)}";req` : `"${component}"`);
const keyed = (key) => (key.asymmetricKeyType === "rsa" ? key : { key, dsaEncoding: "ieee-p1363" });
