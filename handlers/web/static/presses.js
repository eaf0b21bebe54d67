/** Button presses that wait for their answer; each shows a spinner until answered or given up. */

import { newKey } from "./unsent.js";

const PATIENCE = 15_000;

export class Presses extends EventTarget {
  #waiting = new Map();

  /** @returns {object | null} the frame to send, or null when this button already waits */
  begin(messageId, data) {
    if (this.isBusy(messageId, data)) return null;
    const frame = { type: "press", key: newKey(), message_id: messageId, data };
    this.#waiting.set(frame.key, { frame, timer: 0 });
    this.#watch(frame.key);
    this.#changed(frame);
    return frame;
  }

  isBusy(messageId, data) {
    return this.frames().some((frame) => frame.message_id === messageId && frame.data === data);
  }

  frames() {
    return Array.from(this.#waiting.values(), (press) => press.frame);
  }

  /** Everything unanswered, for sending again with the same keys; patience starts anew. */
  again() {
    for (const key of this.#waiting.keys()) this.#watch(key);
    return this.frames();
  }

  /** @returns {boolean} whether such a press was waiting */
  end(key) {
    const press = this.#waiting.get(key);
    if (!press) return false;
    clearTimeout(press.timer);
    this.#waiting.delete(key);
    this.#changed(press.frame);
    return true;
  }

  #watch(key) {
    const press = this.#waiting.get(key);
    clearTimeout(press.timer);
    press.timer = setTimeout(() => this.#giveUp(key), PATIENCE);
  }

  #giveUp(key) {
    this.end(key);
    this.dispatchEvent(new Event("unanswered"));
  }

  #changed(frame) {
    this.dispatchEvent(new CustomEvent("changed", { detail: frame }));
  }
}
