/** One message on the page: its bubble, document, time and buttons; replaced in place when it changes. */

import { setExpanded, startPayload, safeAddress, toNodes } from "./markup.js";
import { icon, make } from "./texts.js";

const BLANK_LABEL = /^[\s\u00b7\u2013\u2014.\-\u2800]*$/u;
const WIDE_FROM_COLUMNS = 5;
const SHORT_LABEL = 2;
const LONG_LABEL = 6;
const SIGNS = { "\u{1f44d}": "good", "\u{1f44e}": "bad" };
const STYLES = new Set(["primary", "success", "danger"]);

export class Bubble {
  #keys = "";
  #body = "";

  /** @param {{texts: import("./texts.js").Texts, presses: import("./presses.js").Presses, botName: () => string}} house */
  constructor(house, message) {
    this.house = house;
    this.element = make("article");
    this.element.tabIndex = -1;
    this.element.setAttribute("aria-live", "off");
    this.update(message);
  }

  update(message) {
    this.message = message;
    const { from, failed, message_id: id } = message;
    this.element.classList.add("message", from);
    this.element.classList.toggle("pending", id === undefined);
    this.element.classList.toggle("failed", Boolean(failed));
    if (id !== undefined) this.element.dataset.messageId = id;
    this.#keepingFocus(() => {
      this.#fillBody();
      this.#fillKeyboard();
      this.#fillFailure();
    });
    this.relabel();
  }

  /** Times and labels again, after the language or the state of sending changed. */
  relabel() {
    const { texts, botName } = this.house;
    const time = texts.time(this.message.date);
    const name = this.message.from === "me" ? texts.say("you") : botName();
    this.element.setAttribute("aria-label", texts.say("message_label", { name, time }));
    this.#fillMeta(time);
    this.#labelDocument();
  }

  #fillBody() {
    const { html, text, document: file } = this.message;
    const body = JSON.stringify([html, text, file]);
    if (body === this.#body) return;
    this.#body = body;
    const open = Array.from(this.element.querySelectorAll("blockquote.expandable"), (quote) => quote.classList.contains("open"));
    const bubble = make("div", file ? "bubble with-document" : "bubble");
    if (html || text) bubble.append(this.#makeText());
    if (file) bubble.append(this.#makeDocument(file));
    bubble.append(make("p", "meta"));
    this.element.querySelector(":scope > .bubble")?.remove();
    this.element.prepend(bubble);
    this.#watchQuotes(open);
  }

  #makeText() {
    const { html, text, from } = this.message;
    const block = make("div", "text");
    block.dir = "auto";
    if (html === undefined) block.textContent = text;
    else block.append(toNodes(html, { texts: this.house.texts, commands: from === "bot" }));
    return block;
  }

  /** A quote short enough to be seen whole needs no button. */
  #watchQuotes(open) {
    this.element.querySelectorAll("blockquote.expandable").forEach((quote, index) => {
      if (open[index]) setExpanded(quote, true, this.house.texts);
      const content = quote.querySelector(".quoted");
      const measure = () => quote.classList.contains("open")
        || quote.classList.toggle("whole", content.scrollHeight <= content.clientHeight + 2);
      new ResizeObserver(measure).observe(content);
    });
  }

  #makeDocument(file) {
    const chip = make("a", "document");
    chip.href = `/chat/file/${this.message.message_id}`;
    chip.download = file.name;
    const words = make("span", "document-words");
    words.append(make("span", "document-name", file.name), make("span", "document-size"));
    const sign = make("span", "document-sign");
    sign.append(icon(file.mime === "text/calendar" ? "calendar" : "file"));
    chip.append(sign, words);
    return chip;
  }

  #labelDocument() {
    const chip = this.element.querySelector(".document");
    if (!chip) return;
    const { texts } = this.house;
    const size = texts.size(this.message.document.size);
    chip.querySelector(".document-size").textContent = size;
    chip.setAttribute("aria-label", texts.say("download", { name: this.message.document.name, size }));
  }

  #fillMeta(time) {
    const { texts } = this.house;
    const { edited, inline_keyboard: keyboard, date, from } = this.message;
    const meta = this.element.querySelector(".meta");
    const clock = make("time", "", time);
    clock.dateTime = new Date(date * 1000).toISOString();
    clock.title = texts.moment(date);
    meta.replaceChildren();
    // A dialog step is edited by design; the mark would only be noise beside its buttons.
    if (edited && !keyboard?.length) meta.append(texts.write(make("span", "edited"), "edited"));
    meta.append(clock);
    if (from === "me") meta.append(...this.#makeMark());
  }

  #makeMark() {
    const { message_id: id, failed } = this.message;
    const [sign, key] = failed ? ["failed", "not_sent"] : id === undefined ? ["clock", "sending"] : ["check", "sent"];
    return [icon(sign), this.house.texts.write(make("span", "visually-hidden"), key)];
  }

  #fillFailure() {
    this.element.querySelector(".failure")?.remove();
    if (!this.message.failed) return;
    const line = make("p", "failure");
    const actions = make("span", "failure-actions");
    line.append(make("span", "", this.message.failed), actions);
    for (const action of ["try_again", "edit"]) {
      const button = this.house.texts.write(make("button", "link-button"), action);
      button.type = "button";
      button.dataset.unsent = action;
      actions.append(button);
    }
    this.element.append(line);
  }

  #fillKeyboard() {
    const rows = (this.message.inline_keyboard ?? []).filter((row) => row.length);
    const keys = JSON.stringify(rows);
    if (keys === this.#keys) return this.showBusy();
    this.#keys = keys;
    this.element.querySelector(".keyboard")?.remove();
    const columns = Math.max(0, ...rows.map((row) => row.length));
    this.element.classList.toggle("with-keyboard", rows.length > 0);
    this.element.classList.toggle("wide-keyboard", columns >= WIDE_FROM_COLUMNS);
    if (rows.length) this.element.append(this.#makeKeyboard(rows));
    this.showBusy();
  }

  #makeKeyboard(rows) {
    const keyboard = make("div", "keyboard");
    keyboard.setAttribute("role", "group");
    this.house.texts.label(keyboard, "aria-label", "buttons");
    for (const row of rows) {
      keyboard.append(makeRow(row));
    }
    return keyboard;
  }

  showBusy() {
    for (const key of this.element.querySelectorAll(".key[data-press]")) {
      const busy = this.house.presses.isBusy(this.message.message_id, key.dataset.press);
      key.classList.toggle("busy", busy);
      key.setAttribute("aria-busy", String(busy));
    }
  }

  /** Runs a change; a person whose focus stood on something replaced finds it on its successor. */
  #keepingFocus(change) {
    const place = this.#placeOfFocus();
    change();
    if (!place || place.element.isConnected) return;
    (this.#successor(place) ?? this.element).focus({ preventScroll: true });
  }

  #placeOfFocus() {
    const element = document.activeElement;
    if (element === this.element || !this.element.contains(element)) return null;
    const row = element.closest(".row");
    const index = row ? Array.from(row.children).indexOf(element) : this.#focusables().indexOf(element);
    const rowIndex = row ? this.#rows().indexOf(row) : -1;
    return { element, rowIndex, index, press: element.dataset.press, label: element.textContent };
  }

  #rows() {
    return Array.from(this.element.querySelectorAll(".row"));
  }

  #focusables() {
    return Array.from(this.element.querySelectorAll(".bubble a, .bubble button, .bubble [tabindex]"));
  }

  #successor({ rowIndex, index, press, label }) {
    if (rowIndex < 0) return this.#focusables()[index];
    const keys = Array.from(this.element.querySelectorAll(".key"));
    const rows = this.#rows();
    const row = rows[rowIndex];
    return keys.find((key) => key.dataset.press === press && key.textContent === label)
      ?? keys.find((key) => press !== undefined && key.dataset.press === press)
      ?? keys.find((key) => key.textContent === label && label.trim())
      ?? (row && nearestKey(row, index))
      ?? keys[0];
  }
}

/** @returns {HTMLElement | undefined} the button at a place of a row, or the one nearest to it */
export function nearestKey(row, place) {
  const all = Array.from(row.children);
  const distance = (key) => Math.abs(all.indexOf(key) - place);
  return Array.from(row.querySelectorAll(".key")).sort((one, other) => distance(one) - distance(other))[0];
}

function makeRow(buttons) {
  const narrow = buttons.length >= WIDE_FROM_COLUMNS;
  const row = make("div", narrow ? "row narrow" : "row");
  row.append(...buttons.map((button) => (button.text.trim() ? makeKey(button) : makeGap())));
  // A row of many words without any number is the heading of a grid: the days of the week.
  if (narrow && !buttons.some(({ text }) => /\d/.test(text))) markAll(row, () => "quiet");
  // "Back, December 2026, forward": the arrows leave their room to the words.
  if (buttons.some(({ text }) => text.length >= LONG_LABEL)) {
    markAll(row, ({ textContent }) => (textContent.trim().length <= SHORT_LABEL ? "short" : "long"));
  }
  return row;
}

/** A button without a word only holds a place in a grid; nobody should have to tab over it. */
function makeGap() {
  const gap = make("span", "gap");
  gap.setAttribute("aria-hidden", "true");
  return gap;
}

function markAll(row, className) {
  for (const key of row.querySelectorAll(".key")) key.classList.add(className(key));
}

function makeKey(button) {
  const key = button.url ? makeLinkKey(button.url) : make("button", "key");
  if (!button.url) key.type = "button";
  if (STYLES.has(button.style)) key.classList.add(button.style);
  if (BLANK_LABEL.test(button.text)) key.classList.add("quiet");
  if (button.data !== undefined && button.data !== null) key.dataset.press = button.data;
  if (button.copy !== undefined && button.copy !== null) key.dataset.copy = button.copy;
  key.append(make("span", SIGNS[button.text] ? "key-text visually-hidden" : "key-text", button.text));
  if (SIGNS[button.text]) key.append(makeSign(SIGNS[button.text]));
  if (button.url) key.append(icon("link"));
  if (button.copy) key.append(icon("copy"));
  return key;
}

/** The two thumbs are drawn, so that they look alike on every system and in the page's own colours. */
function makeSign(name) {
  const sign = icon(name);
  sign.classList.add("sign");
  return sign;
}

function makeLinkKey(address) {
  const link = make("a", "key");
  const safe = safeAddress(address);
  if (safe !== null) link.href = safe;
  if (startPayload(address) === null) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  return link;
}
