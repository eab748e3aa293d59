// The server's clock. Deadlines are counted down by it, whatever this device's clock says.

/** What must be added to `performance.now()` to get the server's time. */
let offset = null;

/** Takes in what the server's clock showed between two readings of `performance.now()`. */
export function heard(serverMillis, sentAt, receivedAt) {
  offset = serverMillis - (sentAt + receivedAt) / 2;
}

/** The server's time in milliseconds since 1970. */
export function now() {
  return offset === null ? Date.now() : performance.now() + offset;
}
