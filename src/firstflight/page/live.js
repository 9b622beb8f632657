// News of the rollout, and a person's answer. The page can be read without it.
"use strict";

const KEY = "firstflight-key";
const byId = (id) => document.getElementById(id);
let signedIn = false;

function authorization() {
  return { Authorization: `Bearer ${localStorage.getItem(KEY) ?? ""}` };
}

async function signIn() {
  const [code, path] = location.hash.slice(1).split(",").map(decodeURIComponent);
  history.replaceState(null, "", location.pathname);
  if (!code) return;
  const sent = await fetch("/sign-in", { method: "POST", body: code });
  const found = await sent.json();
  if (!sent.ok) {
    byId("signing").textContent = `Not signed in: ${found.error}.`;
    return;
  }
  localStorage.setItem(KEY, found.key);
  location.replace(path && /^\/(?!\/)/.test(path) ? path : "/");
}

async function recognise() {
  if (!localStorage.getItem(KEY)) return;
  signedIn = (await fetch("/signed-in", { headers: authorization() })).ok;
  if (!signedIn) localStorage.removeItem(KEY);
  byId("who").textContent = signedIn ? "You are signed in here." : "Read-only: nobody is signed in here.";
  offerForm();
}

function offerForm() {
  const form = byId("answer");
  if (!form) return;
  form.hidden = !signedIn;
  byId("elsewhere").hidden = signedIn;
  form.onsubmit = answer;
}

async function answer(event) {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  const given = Object.fromEntries(new FormData(form));
  button.disabled = true;
  try {
    const sent = await fetch(form.dataset.to, {
      method: "POST",
      headers: { ...authorization(), "Content-Type": "application/json" },
      body: JSON.stringify({ ...given, stage: Number(form.dataset.stage) }),
    });
    const found = await sent.json();
    byId("told").textContent = found.told ?? found.error;
    button.disabled = sent.ok;
  } catch {
    byId("told").textContent = "Not sent: whoever serves this page has ended. Nothing was answered.";
    button.disabled = false;
  }
}

async function refresh() {
  const sent = await fetch(location.pathname);
  if (!sent.ok) return;
  const next = new DOMParser().parseFromString(await sent.text(), "text/html");
  const [live, fresh] = [byId("live"), next.getElementById("live")];
  if (!fresh) return;
  const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  live.replaceChildren(...fresh.childNodes);
  if (focused) [...live.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  document.title = next.title;
  if (fresh.dataset.events === undefined) return;
  byId("badge").textContent = fresh.dataset.phase;
  byId("head").className = fresh.dataset.tone;
  if (byId("now").textContent !== fresh.dataset.summary) byId("now").textContent = fresh.dataset.summary;
  const [asked, asks] = [byId("question"), next.getElementById("question")];
  if (asked.dataset.key !== asks.dataset.key) {
    asked.dataset.key = asks.dataset.key;
    asked.replaceChildren(...asks.childNodes);
    offerForm();
  } else if (byId("shown")) {
    byId("shown").querySelector("p").replaceChildren(...asks.querySelector("#shown p").childNodes);
    byId("shown").querySelector("ul").replaceChildren(...asks.querySelector("#shown ul").childNodes);
  }
  return fresh.dataset.events;
}

function follow(address) {
  const source = new EventSource(address);
  let drawing = false;
  source.onopen = () => byId("head").classList.remove("lost");
  source.onerror = () => byId("head").classList.add("lost");
  source.onmessage = async () => {
    if (drawing) return;
    drawing = true;
    try {
      if ((await refresh()) === "") source.close();
    } catch {
      byId("head").classList.add("lost"); // the next event tries again
    } finally {
      drawing = false;
    }
  };
}

if (byId("signing")) signIn();
else recognise();
const { events, every } = byId("live")?.dataset ?? {};
if (events) follow(events);
if (every) setInterval(() => refresh().catch(() => {}), Number(every)); // whoever serves it may have ended
