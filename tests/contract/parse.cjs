// Has AsyncAPI's own parser read a document, and prints what it found. npx fetches it and runs this.
"use strict";
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { delimiter, join } = require("node:path");

console.log("fetched"); // what fails from here on is not the network's fault
const [bin] = process.env.PATH.split(delimiter); // npx puts the commands of what it fetched in front
const { Parser } = createRequire(join(bin, "_"))("@asyncapi/parser");

async function parse(path) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(path, "utf8"));
  const operations = document?.operations().all().map((operation) => operation.id());
  console.log(JSON.stringify({ operations, diagnostics }));
}

parse(process.argv[2]);
