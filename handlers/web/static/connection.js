/**
 * The line to the server: a WebSocket, or plain HTTP where sockets do not get through.
 *
 * Events: "frame" (detail: a server frame), "up" (a line was opened: send again what is unanswered),
 * "status" (see `online`), "stranger" (the cookie is missing or not valid). Frames sent while there is no
 * line are dropped; whoever owns them sends them again on "up".
 */

const FIRST_DELAY = 500;
const LAST_DELAY = 15_000;
const HANDSHAKE_LIMIT = 8_000;
const PING_EVERY = 20_000;
const PONG_LIMIT = 8_000;
const STABLE_AFTER = 5_000;
const POLL_SECONDS = 25;
const POST_LIMIT = 30_000;
const POLL_PAUSE = 1_000;
const SOCKET_RETRY_WHILE_POLLING = 45_000;
const FAILURES_BEFORE_POLLING = 2;
const RESTARTING = 1012;
const STRANGER = 4401;

export class Connection extends EventTarget {
  #seq = 0;
  #socket = null;
  #live = false;
  #provedAt = 0;
  #failures = 0;
  #retryTimer = 0;
  #pingTimer = 0;
  #pongTimer = 0;
  #poll = null;
  #pollWorks = false;
  #posting = Promise.resolve();
  #online = false;

  get online() {
    return this.#online;
  }

  start() {
    this.#openSocket();
    addEventListener("online", () => this.hurry());
    addEventListener("offline", () => this.#probe());
    addEventListener("pageshow", (event) => event.persisted && this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  /** Tries at once instead of waiting for the next attempt; a line that looks alive is only asked. */
  hurry() {
    if (this.#live) this.#probe();
    else if (!this.#socket) this.#openSocket();
  }

  /** @returns {boolean} whether the frame went out on some line */
  send(frame) {
    if (this.#live) this.#socket.send(JSON.stringify(frame));
    else if (this.#pollWorks) this.#queuePost(frame);
    else return false;
    return true;
  }

  /** All keep their order but presses: their answers may take a while, and hold up nobody. */
  #queuePost(frame) {
    if (frame.type === "press") this.#post(frame);
    else this.#posting = this.#posting.then(() => this.#post(frame));
  }

  #openSocket() {
    clearTimeout(this.#retryTimer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/chat/socket?since=${this.#seq}`);
    const handshake = setTimeout(() => socket.close(), HANDSHAKE_LIMIT);
    this.#socket = socket;
    socket.addEventListener("message", (event) => {
      if (socket !== this.#socket) return;
      clearTimeout(handshake);
      this.#heard();
      this.#receive(JSON.parse(event.data));
    });
    socket.addEventListener("close", (event) => {
      clearTimeout(handshake);
      if (socket === this.#socket) this.#closed(event.code);
    });
  }

  /** The first frame, not the handshake, proves a socket: some proxies accept and then say nothing. */
  #heard() {
    clearTimeout(this.#pongTimer);
    if (this.#live) return;
    this.#live = true;
    this.#provedAt = Date.now();
    this.#stopPolling();
    this.#pingTimer = setInterval(() => this.#probe(), PING_EVERY);
    this.#up();
  }

  #probe() {
    if (!this.#live) return;
    clearTimeout(this.#pongTimer);
    this.send({ type: "ping" });
    this.#pongTimer = setTimeout(() => this.#abandonSocket(), PONG_LIMIT);
  }

  /** A dead line may take minutes to report its own close. */
  #abandonSocket() {
    const socket = this.#socket;
    this.#closed(0);
    socket?.close();
  }

  #closed(code) {
    const lasted = this.#live && (code === RESTARTING || Date.now() - this.#provedAt > STABLE_AFTER);
    clearInterval(this.#pingTimer);
    clearTimeout(this.#pongTimer);
    this.#socket = null;
    this.#live = false;
    this.#failures = lasted ? 0 : this.#failures + 1;
    if (code === STRANGER) this.dispatchEvent(new Event("stranger"));
    if (this.#failures >= FAILURES_BEFORE_POLLING) this.#startPolling();
    this.#setOnline(this.#pollWorks);
    this.#retryTimer = setTimeout(() => this.#openSocket(), this.#retryDelay());
  }

  #retryDelay() {
    return this.#pollWorks ? SOCKET_RETRY_WHILE_POLLING : backoff(this.#failures);
  }

  #startPolling() {
    if (this.#poll) return;
    this.#poll = new AbortController();
    this.#keepPolling(this.#poll);
  }

  #stopPolling() {
    this.#poll?.abort();
    this.#poll = null;
    this.#pollWorks = false;
  }

  async #keepPolling(controller) {
    let failures = 0;
    while (!controller.signal.aborted) {
      try {
        const answer = await this.#fetchChanges(controller, this.#pollWorks ? POLL_SECONDS : 0);
        if (controller.signal.aborted) return;
        failures = 0;
        this.#changesCame(answer);
        if (!answer.messages.length) await pause(POLL_PAUSE);
      } catch (error) {
        if (controller.signal.aborted) return;
        this.#pollWorks = false;
        this.#setOnline(false);
        await pause(backoff(++failures));
      }
    }
  }

  async #fetchChanges(controller, wait) {
    const request = new AbortController();
    const stop = () => request.abort();
    const timer = setTimeout(stop, (wait + 10) * 1000);
    controller.signal.addEventListener("abort", stop);
    try {
      const response = await fetch(`/chat/changes?since=${this.#seq}&wait=${wait}`, { signal: request.signal, cache: "no-store" });
      if (response.status === 401) this.dispatchEvent(new Event("stranger"));
      if (!response.ok) throw new Error(`changes: ${response.status}`);
      return await response.json();
    } finally {
      clearTimeout(timer);
      controller.signal.removeEventListener("abort", stop);
    }
  }

  #changesCame({ messages, seq, state }) {
    const isNew = !this.#pollWorks;
    this.#pollWorks = true;
    if (state) this.#receive({ type: "state", state });
    if (isNew) this.#up();
    this.#receive({ type: "changes", messages, seq });
  }

  async #post(frame) {
    if (frame.type === "ping") return;
    const request = new AbortController();
    const timer = setTimeout(() => request.abort(), POST_LIMIT);
    try {
      const response = await fetch("/chat/send", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(frame),
        signal: request.signal,
      });
      if (response.status === 401) return this.dispatchEvent(new Event("stranger"));
      const isJson = response.headers.get("Content-Type")?.includes("json");
      if (isJson && response.status !== 204) this.#receive(await response.json());
    } catch {
      // The frame has no answer yet, so its owner sends it again.
    } finally {
      clearTimeout(timer);
    }
  }

  #receive(frame) {
    if (frame.type === "changes") this.#seq = Math.max(this.#seq, frame.seq ?? 0);
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  #up() {
    this.#setOnline(true);
    this.dispatchEvent(new Event("up"));
  }

  #setOnline(online) {
    if (online === this.#online) return;
    this.#online = online;
    this.dispatchEvent(new Event("status"));
  }
}

/** Half a second doubled per failure up to 15 s, give or take a quarter at random. */
function backoff(failures) {
  const delay = Math.min(LAST_DELAY, FIRST_DELAY * 2 ** Math.max(0, failures - 1));
  return delay * (0.75 + Math.random() * 0.5);
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
