// Parses a document with AsyncAPI's own parser and prints the result as JSON. npx downloads the parser and runs this.
"use strict";
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { delimiter, join } = require("node:path");

console.log("fetched"); // failures after this line are not caused by the network
const [bin] = process.env.PATH.split(delimiter); // npx puts the commands of the downloaded package first
const { Parser } = createRequire(join(bin, "_"))("@asyncapi/parser");

async function parse(path) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(path, "utf8"));
  const operations = document?.operations().all().map((operation) => operation.id());
  console.log(JSON.stringify({ operations, diagnostics }));
}

parse(process.argv[2]);
