"use strict";
// The console of /docs/: a small client that keeps the rules of the protocol. The tokens stay in this tab
// (sessionStorage), the last seq of each followed room in this browser (localStorage), so that a reload misses nothing.

const $ = (id) => document.getElementById(id);
const templates = JSON.parse($("templates").textContent);
const MAX_ENTRIES = 300, PONG_MS = 10_000, LONGEST_RETRY_MS = 30_000;

const load = (area, key) => JSON.parse(area.getItem(`roomlog.${key}`) ?? "null");
const keep = (area, key, value) => area.setItem(`roomlog.${key}`, JSON.stringify(value));

let tokens = load(sessionStorage, "tokens"); // {access, refresh}
let wanted = load(sessionStorage, "wanted") ?? false; // the socket should be open
let user = null, epoch = null, heartbeat_s = 25; // as `hello` says
let places = { epoch: null, rooms: {} }; // the last seq of each followed room, and the epoch that they belong to
let socket = null, timer = null, requests = 0, attempts = 0, advised_ms = null;
const pending = new Map(); // request_id: the action that was sent
const following = new Set(); // rooms, on this socket
const names = new Map(), newest = new Map(); // of each room: its name, and the last message id that was seen

// -- what is seen -----------------------------------------------------------------------------------------------------

const say = (text) => { $("notice").textContent = text; };
const showState = (text) => { $("state").textContent = $("state").className = text; };

function show(way, what, content) {
  const log = $("log"), entry = $("entry").content.cloneNode(true);
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  entry.querySelector("article").className = way;
  entry.querySelector("time").textContent = new Date().toISOString().slice(11, 23);
  entry.querySelector(".way").textContent = { in: "← in", out: "→ out", rest: "⇄ REST", note: "· socket" }[way];
  entry.querySelector(".what").textContent = what;
  if (content) entry.querySelector("pre").textContent = content;
  else entry.querySelector("pre").remove();
  log.append(entry);
  while (log.childElementCount > MAX_ENTRIES) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

const pretty = (frame) => JSON.stringify(frame, null, 2);

function showPlaces() {
  $("places").replaceChildren(...Object.entries(places.rooms).map(([room, seq]) => {
    const row = document.createElement("tr");
    row.insertCell().textContent = names.get(room) || room;
    row.insertCell().textContent = seq;
    return row;
  }));
}

// -- REST -------------------------------------------------------------------------------------------------------------

async function rest(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  const isEntry = method === "POST" && path.startsWith("/_allauth/"); // has no use for a token
  if (tokens && !isEntry) headers.Authorization = `Bearer ${tokens.access}`;
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "omit" });
  const content = await answer.json().catch(() => null);
  const hide = (key, value) => (key.endsWith("_token") ? "…" : value);
  show("rest", `${method} ${path} ${answer.status}`, content && JSON.stringify(content, hide, 2));
  if (answer.status === 401 && path.startsWith("/api/") && (await refresh())) return rest(method, path, body);
  if (!answer.ok) {
    const details = (content?.errors ?? []).map((error) => error.message ?? error.detail);
    say(`Refused (${answer.status}). ${details.join(" ")}`);
  }
  return answer.ok ? content : null;
}

function setTokens(meta) {
  tokens = meta && { access: meta.access_token, refresh: meta.refresh_token ?? tokens?.refresh };
  keep(sessionStorage, "tokens", tokens);
}

async function refresh() {
  if (!tokens) return false;
  const body = { refresh_token: tokens.refresh };
  setTokens((await rest("POST", "/_allauth/app/v1/tokens/refresh", body))?.data ?? null);
  return tokens !== null;
}

async function enter(way) {
  disconnect();
  const body = { username: $("username").value, password: $("password").value };
  const answer = await rest("POST", `/_allauth/app/v1/auth/${way}`, body);
  if (!answer) return;
  setTokens(answer.meta);
  for (const ofAnother of [names, newest]) ofAnother.clear();
  places = { epoch: null, rooms: {} };
  $("password").value = "";
  await begin();
}

async function begin() {
  const me = await rest("GET", "/api/v1/users/me/");
  if (!me) return;
  say(`Signed in as ${me.username}.`);
  await listRooms();
}

async function signOut() {
  await rest("DELETE", "/_allauth/app/v1/auth/session"); // answers 401; the socket is closed with 4503
  setTokens(null);
  say("Signed out.");
}

async function listRooms() {
  const chosen = $("room").value;
  const pages = [await rest("GET", "/api/v1/rooms/"), await rest("GET", "/api/v1/rooms/public/")];
  for (const room of pages.flatMap((page) => page?.results ?? [])) names.set(room.id, room.name);
  $("room").replaceChildren(...[...names].map(([id, name]) => new Option(name || id, id)));
  if (names.has(chosen)) $("room").value = chosen;
  showPlaces();
  fill();
}

async function makeRoom() {
  const room = await rest("POST", "/api/v1/rooms/", { name: $("room-name").value, kind: $("kind").value });
  if (!room) return;
  await listRooms();
  choose(room.id, "join");
  say(`The room ${room.name} is made: join it.`);
}

// -- the socket -------------------------------------------------------------------------------------------------------

function connect() {
  if (!tokens || socket) return say(socket ? "The socket is open already." : "Sign in first.");
  clearTimeout(timer);
  keep(sessionStorage, "wanted", (wanted = true));
  showState("connecting");
  show("note", 'new WebSocket("/ws/", ["roomlog.v1", "bearer.<access token>"])');
  const url = `${location.origin.replace(/^http/, "ws")}/ws/`;
  const opened = (socket = new WebSocket(url, ["roomlog.v1", `bearer.${tokens.access}`]));
  opened.onmessage = ({ data }) => opened === socket && receive(JSON.parse(data));
  opened.onclose = (event) => opened === socket && closed(event);
}

function disconnect() {
  keep(sessionStorage, "wanted", (wanted = false));
  clearTimeout(timer);
  if (socket) say("The connection is dropped.");
  lose(1000, "dropped by this page");
}

function lose(code, reason) {
  socket?.close();
  if (socket) closed({ code, reason }); // at once: the other side may be out of reach
}

async function closed({ code, reason }) {
  socket = null;
  clearTimeout(timer);
  pending.clear();
  following.clear();
  showState("closed");
  show("note", `closed: ${code} ${reason}`);
  if (!wanted || (code === 4502 && (await refresh()))) return wanted && connect();
  if (code >= 4500 && code < 4600) {
    keep(sessionStorage, "wanted", (wanted = false));
    return say(`The server closed the socket: ${reason}. Sign in again.`);
  }
  const wait_ms = advised_ms ?? Math.min(LONGEST_RETRY_MS, 500 * 2 ** attempts++) * (0.5 + Math.random());
  advised_ms = null;
  timer = setTimeout(connect, wait_ms);
  return say("The connection is lost: trying again.");
}

function act(frame) {
  const request = { request_id: ++requests, ...frame };
  pending.set(request.request_id, request);
  transmit(request.action ?? "without an action", pretty(request));
}

function transmit(what, text) {
  if (socket?.readyState !== WebSocket.OPEN) return say("Connect first.");
  socket.send(text);
  show("out", what, text);
}

function sendFrame() {
  const text = $("frame").value;
  let frame = null;
  try { frame = JSON.parse(text); } catch { /* it goes as it is: the server answers that, too */ }
  if (frame?.constructor === Object) act(frame);
  else transmit("not an object", text);
}

function receive(frame) {
  watch();
  const isSeen = frame.seq <= places.rooms[frame.room]; // what is not beyond the last seq is known
  const what = frame.event ?? `${frame.action} ${frame.response_status}`;
  show("in", isSeen ? `${what} (seen before)` : what, pretty(frame));
  if (frame.event === "hello") greet(frame.data);
  else if (!frame.event) answered(frame, pending.get(frame.request_id) ?? {});
  else if (!isSeen) happened(frame);
}

function watch() { // what is silent for long is asked whether it lives
  clearTimeout(timer);
  timer = setTimeout(() => {
    act({ action: "ping" });
    timer = setTimeout(() => lose(1006, "no answer to a ping"), PONG_MS);
  }, heartbeat_s * 1000);
}

function greet(hello) {
  ({ user, epoch, heartbeat_s } = hello);
  attempts = 0;
  showState("open");
  say(`Connected as ${user.username}.`);
  places = load(localStorage, `places.${user.id}`) ?? { epoch, rooms: {} };
  for (const [room, after] of Object.entries(places.rooms)) act({ action: "join", room, after, epoch: places.epoch });
  move(() => { places.epoch = epoch; });
}

function answered({ request_id, response_status: status, data }, { action, room, after, rooms, client_id }) {
  pending.delete(request_id);
  if (status >= 300) return action === "join" && [403, 404].includes(status) && forget(room);
  if (action === "join") {
    follow(room, data, after);
    say(`You follow ${data.room.name}.`);
    if ($("room").value === room && $("action").value === "join") choose(room, "send");
  }
  if (action === "sync") {
    for (const [each, answer] of Object.entries(data.rooms)) if (answer.head) follow(each, answer, rooms[each]);
  }
  if (action === "leave") forget(room);
  if (client_id) $("frame").value = $("frame").value.replace(client_id, freshKey()); // the next send is another one
}

function follow(room, { head, resync }, after) {
  const known = following.has(room) ? places.rooms[room] : undefined;
  following.add(room);
  newest.set(room, head.message_id);
  move(() => { places.rooms[room] = resync ? head.seq : after ?? known ?? head.seq; });
}

function happened({ event, room, seq, to, data }) {
  if (event === "draining") advised_ms = data.reconnect_in_ms;
  if (event === "message.created") newest.set(room, data.id);
  const isOut = ["member.left", "member.removed"].includes(event) && data.member.user.id === user.id;
  if (isOut || event === "room.deleted") forget(room);
  else if (following.has(room) && (to ?? seq)) move(() => { places.rooms[room] = to ?? seq; }); // `to` ends a gap
}

function forget(room) {
  following.delete(room);
  move(() => { delete places.rooms[room]; });
}

function move(change) {
  change();
  keep(localStorage, `places.${user.id}`, places);
  showPlaces();
}

// -- the form ---------------------------------------------------------------------------------------------------------

const freshKey = () => `c-${Date.now().toString(36)}`;

function choose(room, action) {
  $("room").value = room;
  $("action").value = action;
  fill();
}

function fill() { // the example of the document, with what is known here; what is undefined is left out
  const room = $("room").value, frame = { ...templates[$("action").value] };
  const known = { room: room || frame.room, after: places.rooms[room], epoch: epoch ?? undefined, rooms: places.rooms,
    id: newest.get(room) ?? frame.id, client_id: freshKey() };
  for (const field of Object.keys(frame)) if (field in known) frame[field] = known[field];
  $("frame").value = pretty(frame);
  $("about").href = `/docs/socket/#${frame.action}`;
}

const on = (id, name, deed) => $(id).addEventListener(name, async (event) => {
  if (name === "submit") event.preventDefault();
  try { await deed(event); } catch (error) { say(`That failed: ${error.message}`); }
});
on("account", "submit", (event) => enter(event.submitter.value));
on("sign-out", "click", signOut);
on("connect", "click", connect);
on("drop", "click", disconnect);
on("make-room", "submit", makeRoom);
on("refresh", "click", listRooms);
on("act", "submit", sendFrame);
on("room", "change", fill);
on("action", "change", fill);
on("clear", "click", () => $("log").replaceChildren());
on("frame", "keydown", ({ key, ctrlKey, metaKey }) => key === "Enter" && (ctrlKey || metaKey) && sendFrame());
showState("closed");
fill();
if (tokens) begin().then(() => wanted && connect(), () => say("The server does not answer."));
