// Lets the client of the quickstart (chat.js, beside this file) say `texts`, and leaves when `until` stands last.
import { readFileSync, writeFileSync } from "node:fs";
import { chat, enter } from "./chat.js";

const { host, room, door, texts, until } = JSON.parse(process.argv[2]);
const kept = new Map(Object.entries(JSON.parse(readFileSync("store.json"))));
const store = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => {
    kept.set(key, value);
    writeFileSync("store.json", JSON.stringify(Object.fromEntries(kept)));
  },
};
const tokens = JSON.parse(store.getItem("tokens"));
const body = tokens ? { refresh_token: tokens.refresh_token } : { username: "dora", password: "wonderland-7" };
const access = await enter({ host, store }, door, body);

const show = (messages, waiting) => {
  if (waiting.length || messages.at(-1)?.text !== until) return;
  console.log(JSON.stringify(messages.map(({ text }) => text)));
  process.exit(0);
};
const signedOut = (code) => process.exit(code % 100);
texts.forEach(chat({ host, room, store, token: async () => access, show, signedOut }));
