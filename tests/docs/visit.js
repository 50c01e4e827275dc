// Sends `texts` with the client of the quickstart (chat.js, beside this file), and exits when `until` is the last message.
import { readFileSync, writeFileSync } from "node:fs";
import { chat, enter } from "./chat.js";

const { host, room, path, texts, until } = JSON.parse(process.argv[2]);
const stored = new Map(Object.entries(JSON.parse(readFileSync("store.json"))));
const store = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => {
    stored.set(key, value);
    writeFileSync("store.json", JSON.stringify(Object.fromEntries(stored)));
  },
};
const tokens = JSON.parse(store.getItem("tokens"));
const body = tokens ? { refresh_token: tokens.refresh_token } : { username: "dora", password: "wonderland-7" };
const access = await enter({ host, store }, path, body);

const show = (messages, waiting) => {
  if (waiting.length || messages.at(-1)?.text !== until) return;
  console.log(JSON.stringify(messages.map(({ text }) => text)));
  process.exit(0);
};
const signedOut = (code) => process.exit(code % 100);
texts.forEach(chat({ host, room, store, token: async () => access, show, signedOut }));
