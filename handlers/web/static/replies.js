/** The reply keyboard above the input: suggested answers that are sent as messages. */

import { make } from "./texts.js";

export class Replies extends EventTarget {
  #shownFor = null;
  #keyboard = null;

  constructor(texts) {
    super();
    this.texts = texts;
    this.panel = document.getElementById("replies");
    this.toggle = document.getElementById("toggle-replies");
    this.toggle.addEventListener("click", () => this.#open(this.panel.hidden));
    this.panel.addEventListener("click", (event) => this.#clicked(event));
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  /** @param {object[]} messages oldest first; the newest keyboard of the bot counts */
  show(messages) {
    const owner = findLast(messages, (message) => message.from === "bot" && message.reply_keyboard);
    const answered = Boolean(owner) && messages.some((message) => message.from === "me" && message.message_id > owner.message_id);
    const rows = owner?.reply_keyboard.rows ?? [];
    const identity = owner ? `${owner.message_id}:${owner.seq}:${answered}` : null;
    if (identity === this.#shownFor) return;
    this.#shownFor = identity;
    this.#keyboard = rows.length ? owner.reply_keyboard : null;
    this.#fill(rows);
    this.#open(rows.length > 0 && !(answered && owner.reply_keyboard.one_time));
  }

  /** @returns {string | null} what the bot suggests to write */
  placeholder(messages) {
    const last = messages[messages.length - 1];
    const asked = last?.from === "bot" ? last.force_reply?.placeholder : null;
    return asked || (this.isOpen ? this.#keyboard?.placeholder : null) || null;
  }

  close() {
    this.#open(false);
  }

  #fill(rows) {
    const hadFocus = this.panel.contains(document.activeElement);
    this.panel.replaceChildren(...rows.map(makeRow));
    if (hadFocus) document.getElementById("input").focus({ preventScroll: true });
  }

  #open(open) {
    this.panel.hidden = !open;
    this.toggle.hidden = !this.#keyboard;
    this.toggle.setAttribute("aria-expanded", String(open));
    this.texts.label(this.toggle, "aria-label", open ? "hide_replies" : "show_replies");
    this.texts.label(this.toggle, "title", open ? "hide_replies" : "show_replies");
    this.dispatchEvent(new Event("changed"));
  }

  #clicked(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const text = button.textContent;
    // A browser has no phone number to share, so the person writes it.
    const wantsPhone = this.#keyboard?.contact?.includes(text);
    this.dispatchEvent(new CustomEvent(wantsPhone ? "phone" : "reply", { detail: text }));
  }
}

function makeRow(labels) {
  const row = make("div", "row");
  row.append(...labels.map((label) => {
    const button = make("button", "reply", label);
    button.type = "button";
    return button;
  }));
  return row;
}

function findLast(items, matches) {
  for (let index = items.length - 1; index >= 0; index -= 1) if (matches(items[index])) return items[index];
  return null;
}
