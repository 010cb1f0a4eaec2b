// Live updates, and nothing else: when the server says that something changed, the page is fetched again, and the parts
// that are marked as live are put in place of the old ones. What a person types, or has opened, is left as it is.
"use strict";

const said = document.getElementById("live");
let fetching = false;
let again = false;

function isTouched(part) {
  return part.contains(document.activeElement) && document.activeElement !== document.body;
}

function replace(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const name = part.dataset.live;
    const next = fresh.querySelector(`[data-live="${CSS.escape(name)}"]`);
    if (!next || isTouched(part) || next.outerHTML === part.outerHTML) continue;
    const open = new Set([...part.querySelectorAll("details[open]")].map((each) => each.id).filter(Boolean));
    for (const each of next.querySelectorAll("details")) if (open.has(each.id)) each.open = true;
    part.replaceWith(document.adoptNode(next));
  }
  // A form stays as it was shown, and what it is about may have moved: that is said beside it.
  for (const part of document.querySelectorAll("[data-seen]")) {
    const next = fresh.getElementById(part.id);
    if (next && next.dataset.seen !== part.dataset.seen) part.querySelector(".stale").hidden = false;
  }
}

async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Live": "1" }, cache: "no-store" });
    if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    said.textContent = answer.ok ? "" : "This page can't be shown anew: load it again.";
  } catch {
    said.textContent = "The console does not answer: what is shown may be old.";
  }
  fetching = false;
  if (again) {
    again = false;
    refresh();
  }
}

function listen() {
  const source = new EventSource("/changes");
  source.addEventListener("changed", () => {
    if (!document.hidden) refresh();
  });
  source.addEventListener("error", () => {
    said.textContent = "The console does not answer: what is shown may be old.";
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  addEventListener("pagehide", () => source.close());
}

// What a form was answered with has no address of its own, so it can't be fetched again.
if (document.querySelector("[data-live]") && !("still" in document.body.dataset)) listen();
