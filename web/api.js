// The public JSON API, as any other client knows it.

import { heard } from "./clock.js";
import { Offline } from "./errors.js";

/** A refusal: the server's problem document. */
export class Problem extends Error {
  constructor(document, status, retryAfter) {
    super(document.code || String(status));
    this.status = status;
    this.code = document.code || "unknown";
    this.errors = document.errors || [];
    this.retryAfter = retryAfter;
    this.document = document;
  }
}

let onSignedOut = () => {};
/** Called when the server says that nobody is signed in, though somebody was thought to be. */
export function whenSignedOut(callback) {
  onSignedOut = callback;
}

async function request(method, path, { body, file, key, version, signal } = {}) {
  const headers = { accept: "application/json" };
  if (file !== undefined) headers["content-type"] = file.type || "application/octet-stream";
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key !== undefined) headers["idempotency-key"] = key;
  if (version !== undefined) headers["if-match"] = `"${version}"`;
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: file ?? (body && JSON.stringify(body)) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Offline();
  }
  return { response, document: await read(response) };
}

async function read(response) {
  const type = response.headers.get("content-type") || "";
  let document = null;
  if (type.includes("json")) {
    try {
      document = await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Offline();
    }
  }
  if (response.ok) return document;
  const problem = new Problem(document ?? {}, response.status, Number(response.headers.get("retry-after")) || null);
  if (problem.code === "unauthenticated") onSignedOut();
  throw problem;
}

/** What is under a path. */
export async function get(path, options) {
  return (await request("GET", path, options)).document;
}

/** Sends something. With a key the server does it once, however often it is sent. */
export async function send(method, path, options) {
  return (await request(method, path, options)).document;
}

/** Sends a file as it is. */
export async function upload(method, path, file, { signal } = {}) {
  return (await request(method, path, { file, signal })).document;
}

/** As `send`, with the status. */
export async function sendForStatus(method, path, options) {
  const { response, document } = await request(method, path, options);
  return { status: response.status, document };
}

/** A page of a list, and the path of the next one or null. */
export async function page(path, options) {
  const { response, document } = await request("GET", path, options);
  const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("link") || "");
  return { items: document, next: next && next[1] };
}

/** What the server tells everyone, its clock included. */
export async function config() {
  const sentAt = performance.now();
  const config = await get("/api/config");
  heard(Date.parse(config.now), sentAt, performance.now());
  return config;
}

/** A key for one intention. Two clicks and all retries share it; `renew` begins another. */
export function intention() {
  let key = newKey();
  return {
    get key() {
      return key;
    },
    renew() {
      key = newKey();
    },
  };
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
