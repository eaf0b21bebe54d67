/**
 * Messages written but not yet safe on the server, kept over reloads of this tab.
 *
 * Every message carries a key chosen here; sending it again with the same key is harmless.
 */

const STORED_AS = "cipo.unsent";

/** @typedef {{key: string, text: string, date: number, failed: string | null}} UnsentMessage date in unix seconds */

export class Unsent {
  #items = [];

  constructor(storage) {
    this.storage = storage;
    this.#items = this.#load();
  }

  /** @returns {UnsentMessage[]} oldest first */
  all() {
    return [...this.#items];
  }

  waiting() {
    return this.#items.filter((item) => item.failed === null);
  }

  find(key) {
    return this.#items.find((item) => item.key === key) ?? null;
  }

  add(text) {
    const item = { key: newKey(), text, date: Math.floor(Date.now() / 1000), failed: null };
    this.#items.push(item);
    this.#save();
    return item;
  }

  remove(key) {
    this.#items = this.#items.filter((item) => item.key !== key);
    this.#save();
  }

  /** @param {string | null} reason localized, or null when it is to be tried again */
  mark(key, reason) {
    const item = this.find(key);
    if (item) item.failed = reason;
    this.#save();
    return item;
  }

  #load() {
    try {
      const items = JSON.parse(this.storage.getItem(STORED_AS) ?? "[]");
      return items.filter((item) => typeof item.key === "string" && typeof item.text === "string");
    } catch {
      return [];
    }
  }

  #save() {
    try {
      this.storage.setItem(STORED_AS, JSON.stringify(this.#items));
    } catch {
      // A full or forbidden storage costs only the survival of a reload.
    }
  }
}

/** A random UUID; `crypto.randomUUID` exists only where the page came over https or loopback. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
