// Who is signed in, here and in the other tabs.

import * as api from "./api.js";

let user = null;
const listeners = new Set();
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("gittix-session") : null;

/** The signed-in user, or null. */
export function currentUser() {
  return user;
}

/** Asks the server. */
export async function load() {
  set((await api.get("/api/users/currentuser")).currentUser);
}

/** Somebody has signed in or out in this tab. */
export function change(next) {
  set(next);
  tabs?.postMessage("changed");
}

/** Calls back whenever it is somebody else. */
export function whenChanged(callback) {
  listeners.add(callback);
}

function set(next) {
  if (next?.id === user?.id && next?.email === user?.email) return;
  user = next;
  for (const listener of listeners) listener(user);
}

tabs?.addEventListener("message", () => load().catch(() => {}));
api.whenSignedOut(() => change(null));
