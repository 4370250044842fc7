// A bank that speaks by node-soap: it reads our WSDL, signs with WSSecurityCert, lists, decides, decides again.
// Each of our answers is verified by xml-crypto. What happened is printed, one JSON line a step.
//   node bank.js ADDRESS KEY.pem CERTIFICATE.pem GATEWAY-CERTIFICATE.pem [default|named|sha1]
// With `default` the security header is made as node-soap makes it without being told better, with `named` told only
// the algorithm, with `sha1` an old one.
const fs = require("fs");
const soap = require("soap");
const { SignedXml } = require("xml-crypto");
const { DOMParser } = require("@xmldom/xmldom");
const xpath = require("xpath");

const [address, key, certificate, gateway, mode] = process.argv.slice(2);
const ours = {
  hasTimeStamp: true,
  signatureAlgorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
  digestAlgorithm: "http://www.w3.org/2001/04/xmlenc#sha256",
  signatureTransformations: ["http://www.w3.org/2001/10/xml-exc-c14n#"],
  signerOptions: { idMode: "wssecurity" },
};
const modes = {
  default: {},
  named: { signatureAlgorithm: ours.signatureAlgorithm },
  sha1: { signatureAlgorithm: "http://www.w3.org/2000/09/xmldsig#rsa-sha1" },
};
const security = () =>
  new soap.WSSecurityCert(fs.readFileSync(key), fs.readFileSync(certificate), "", modes[mode] || ours);

function verified(answer) {
  const document = new DOMParser().parseFromString(answer, "text/xml");
  const signature = xpath.select1("//*[local-name()='Security']/*[local-name()='Signature']", document);
  const judge = new SignedXml({ publicCert: fs.readFileSync(gateway), idMode: "wssecurity" });
  judge.loadSignature(signature);
  return judge.checkSignature(answer) && judge.getSignedReferences().some((part) => part.includes(":Body"));
}

async function call(client, operation, message) {
  client.setSecurity(security()); // one a message: it keeps what it signed
  try {
    const [result, raw] = await client[operation + "Async"](message);
    console.log(JSON.stringify({ operation, verified: verified(raw), result }));
  } catch (error) {
    const raw = error.response ? error.response.data : "";
    const fault = error.root ? error.root.Envelope.Body.Fault : String(error);
    console.log(JSON.stringify({ operation, verified: raw ? verified(raw) : false, fault }));
  }
}

async function main() {
  const client = await soap.createClientAsync(address + "?wsdl", { endpoint: address, wsdl_options: { timeout: 5000 } });
  const payer = { Holder: "Xəzər Nümunə Bankı", Iban: "AZ85XZRN38010000000000090001", Bic: "XZRNAZ22" };
  await call(client, "ListOffers", { MessageId: "n-1" });
  const decision = { OfferId: "L1.offer", Decision: "accept", DecidedBy: "Ə. Ğ. <node>", Payer: payer };
  await call(client, "DecideOffer", { MessageId: "n-2", ...decision });
  await call(client, "DecideOffer", { MessageId: "n-3", ...decision });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
