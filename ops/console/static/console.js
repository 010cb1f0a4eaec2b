// Live updates, and nothing else: when the server says that something changed, the page is fetched again, and the parts
// that are marked as live are put in place of the old ones. What a person types, has opened or has marked is left.
//
// What is shown is never older than it seems: where the console is not heard for a while, or a part can't be renewed, the
// page says so, and the part is marked. A page in the background fetches nothing and listens to nothing; in front again,
// it looks anew. There is one fetch at a time.
"use strict";

const NOT_HEARD = "The console does not answer: what is shown may be old.";
const STILL = "This answer stays as it was made, so what else is shown may be old.";
const NOT_SHOWN = "This page can't be shown anew, so what is shown may be old: load it again.";

// The console says something every ten seconds at least. A fetch takes so long at most.
const SILENT_MS = 25_000;
const FETCH_MS = 15_000;

const said = document.getElementById("live");
let source = null;
let heard = performance.now();
let fetching = false;
let again = false;

function say(words) {
  if (said.textContent !== words) said.textContent = words;
  document.documentElement.toggleAttribute("data-old", words !== "");
}

// A field that a person is in, or text that a person has marked, would be lost.
function isTouched(part) {
  const within = document.activeElement;
  if (within && part.contains(within) && within.matches("input, textarea, select")) return true;
  const marked = getSelection();
  return Boolean(marked && !marked.isCollapsed && marked.containsNode(part, true));
}

const FOCUSED = "a, button, summary, [tabindex]";

function nameOf(each) {
  const of = each.id || each.getAttribute("href") || each.getAttribute("aria-label") || each.closest("details")?.id;
  return `${each.tagName} ${of ?? each.textContent}`;
}

// The focus is put on what has the same name: rows may have moved meanwhile.
function alike(part, name) {
  return [...part.querySelectorAll(FOCUSED)].filter((each) => nameOf(each) === name);
}

// Of each part, what the server sent: it is not replaced by the same.
const sent = new WeakMap();
for (const part of document.querySelectorAll("[data-live]")) sent.set(part, part.outerHTML);

function put(next, part) {
  const html = next.outerHTML;
  if (sent.get(part) === html) {
    part.removeAttribute("data-old");
    return;
  }
  const open = new Map([...part.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
  for (const each of next.querySelectorAll("details[id]")) if (open.has(each.id)) each.open = open.get(each.id);
  const aside = [...part.querySelectorAll(".wide")].map((each) => each.scrollLeft);
  const within = part.contains(document.activeElement) ? document.activeElement : null;
  const name = within && nameOf(within);
  const at = within && alike(part, name).indexOf(within);
  const fresh = document.adoptNode(next);
  sent.set(fresh, html);
  part.replaceWith(fresh);
  [...fresh.querySelectorAll(".wide")].forEach((each, number) => (each.scrollLeft = aside[number] ?? 0));
  if (within) alike(fresh, name)[at]?.focus({ preventScroll: true });
}

function replace(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (next && !isTouched(part)) put(next, part);
    else part.toggleAttribute("data-old", !next || next.textContent !== part.textContent);
  }
  // A form stays as it was shown, and what it is about may have moved: that is said beside it.
  for (const part of document.querySelectorAll("[data-seen]")) {
    const next = fresh.getElementById(part.id);
    if (next && next.dataset.seen !== part.dataset.seen) part.querySelector(".stale").hidden = false;
  }
}

async function refresh() {
  if (document.hidden) return;
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  let words = NOT_HEARD;
  try {
    const settings = { headers: { "X-Live": "1" }, cache: "no-store", signal: AbortSignal.timeout(FETCH_MS) };
    const answer = await fetch(location.href, settings);
    const text = await answer.text();
    words = answer.ok && !answer.redirected ? "" : NOT_SHOWN;
    // An error is a page, too, and says what is wrong; what it does not have is marked as old.
    if ((answer.headers.get("Content-Type") ?? "").startsWith("text/html") && !answer.redirected) {
      replace(new DOMParser().parseFromString(text, "text/html"));
    }
  } catch {
    // It stays said that the console does not answer.
  }
  fetching = false;
  say(words);
  if (again) {
    again = false;
    refresh();
  }
}

function listen() {
  if (source && source.readyState !== EventSource.CLOSED) return;
  source = new EventSource("/changes");
  source.addEventListener("changed", () => {
    heard = performance.now();
    refresh();
  });
  source.addEventListener("error", () => say(NOT_HEARD)); // the browser tries again, or `watch` does
}

function rest() {
  source?.close();
  source = null;
}

function wake() {
  heard = performance.now();
  listen();
  refresh();
}

// A connection can be dead without an error, and one that was refused is not tried again by the browser.
function watch() {
  if (document.hidden) return;
  if (performance.now() - heard > SILENT_MS) {
    say(NOT_HEARD);
    rest();
    heard = performance.now();
  }
  listen();
}

// What answers a form can't be fetched again: it would be asked for anew.
if (document.documentElement.hasAttribute("data-still")) {
  setTimeout(() => say(STILL), SILENT_MS);
} else if (document.querySelector("[data-live]")) {
  if (!document.hidden) listen();
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : wake()));
  addEventListener("pagehide", rest);
  addEventListener("pageshow", (event) => event.persisted && wake());
  setInterval(watch, 5_000);
}
