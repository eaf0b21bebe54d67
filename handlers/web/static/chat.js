/** The chat page: puts its parts together and carries what happens in one to the others. */

import { CommandsMenu } from "./commands.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { Log } from "./log.js";
import { safeAddress, startPayload } from "./markup.js";
import { Notices } from "./notices.js";
import { Presses } from "./presses.js";
import { Replies } from "./replies.js";
import { Texts, readCatalogues } from "./texts.js";
import { Unsent } from "./unsent.js";

const TYPING_LASTS = 5_000;
const SEND_AGAIN_AFTER = 12_000;
const RELOAD_PAUSE = 10_000;
const RELOADED_AT = "cipo.reloaded";
const LONGEST_PAYLOAD = 512;

class Chat {
  #state = {};
  #stateText = "";
  #wantedLocale = null;
  #sentAt = new Map();
  #typingTimer = 0;
  #botName = document.getElementById("bot-name").textContent;

  constructor() {
    this.texts = new Texts(readCatalogues(), document.documentElement.lang);
    this.notices = new Notices(this.texts);
    this.presses = new Presses();
    this.unsent = new Unsent(sessionStorageOrNothing());
    this.connection = new Connection();
    this.menu = new CommandsMenu(this.texts, this.notices);
    this.composer = new Composer(this.texts, this.menu);
    this.replies = new Replies(this.texts);
    this.log = new Log({ texts: this.texts, presses: this.presses, botName: () => this.#botName }, this.notices);
  }

  start() {
    this.#listenToPerson();
    this.#listenToConnection();
    this.#listenToParts();
    this.#readAddress();
    for (const item of this.unsent.all()) this.log.showUnsent(item);
    this.connection.start();
    this.notices.showConnection(false);
    this.composer.focusUnlessTouch();
    setInterval(() => this.#sendOverdue(), 3_000);
  }

  /** Takes what the address asks for, once: a reload or a bookmark must not ask again. */
  #readAddress() {
    const parameters = new URLSearchParams(location.search);
    const payload = parameters.get("start");
    const locale = parameters.get("lang");
    if (payload !== null) this.unsent.add(`/start ${payload.slice(0, LONGEST_PAYLOAD)}`.trim());
    if (locale !== null && this.texts.knows(locale)) this.#chooseLanguage(locale);
    if (location.search) history.replaceState(history.state, "", location.pathname + location.hash);
  }

  // ---- what the person does

  #listenToPerson() {
    this.composer.addEventListener("send", ({ detail }) => this.say(detail));
    this.replies.addEventListener("reply", ({ detail }) => this.say(detail));
    this.replies.addEventListener("phone", () => this.composer.askPhone());
    document.addEventListener("click", (event) => this.#clicked(event));
    document.getElementById("connect-now").addEventListener("click", () => this.connection.hurry());
    document.getElementById("language").addEventListener("change", (event) => this.#chooseLanguage(event.target.value));
  }

  say(text) {
    const item = this.unsent.add(text);
    this.log.showUnsent(item);
    this.#send(item);
  }

  #send(item) {
    this.#sentAt.set(item.key, Date.now());
    const frame = { type: "message", key: item.key, text: item.text };
    const isNew = !this.log.messages().some((message) => message.from === "me");
    this.connection.send(isNew ? { ...frame, zone: timeZone() } : frame);
  }

  #clicked(event) {
    const target = event.target.closest("a, button");
    if (!target) return;
    if (target.dataset.press !== undefined) this.#press(target);
    else if (target.dataset.copy !== undefined) this.#copy(target.dataset.copy);
    else if (target.dataset.unsent) this.#unsentAction(target);
    else if (target.dataset.say) this.say(target.dataset.say);
    else if (target.closest(".suggestions")) this.say(target.textContent);
    else if (target.href && startPayload(target.href) !== null) this.#followDeepLink(event, target);
  }

  #press(button) {
    const messageId = Number(button.closest(".message").dataset.messageId);
    const frame = this.presses.begin(messageId, button.dataset.press);
    if (frame) this.connection.send(frame);
  }

  async #copy(text) {
    const copied = await copyText(text);
    this.notices.toast(copied ? this.texts.say("copied") : this.texts.say("copy_failed", { text }));
  }

  #unsentAction(button) {
    const { key, text } = this.log.unsentAt(button.closest(".message"));
    if (button.dataset.unsent === "edit") {
      this.#forget(key);
      this.composer.giveBack(text);
    } else {
      const item = this.unsent.mark(key, null);
      this.log.showUnsent(item);
      this.#send(item);
      this.composer.input.focus({ preventScroll: true });
    }
  }

  #forget(key) {
    this.unsent.remove(key);
    this.log.dropUnsent(key);
    this.#sentAt.delete(key);
  }

  #followDeepLink(event, link) {
    event.preventDefault();
    this.say(`/start ${startPayload(link.href)}`.trim());
  }

  /** The page changes at once; the bot is told now or as soon as there is a line. */
  #chooseLanguage(locale) {
    this.#wantedLocale = locale;
    this.#showLocale(locale);
    this.#tellLanguage();
  }

  #tellLanguage() {
    if (this.#wantedLocale) this.connection.send({ type: "language", locale: this.#wantedLocale, zone: timeZone() });
  }

  #showLocale(locale) {
    this.texts.switchTo(locale);
    document.getElementById("language").value = this.texts.locale;
  }

  // ---- what the server says

  #listenToConnection() {
    this.connection.addEventListener("frame", ({ detail }) => this.#receive(detail));
    this.connection.addEventListener("up", () => this.#sendEverything());
    this.connection.addEventListener("status", () => this.notices.showConnection(this.connection.online));
    this.connection.addEventListener("stranger", () => reloadOnce());
  }

  #receive(frame) {
    switch (frame.type) {
      case "state": return this.#showState(frame.state);
      case "changes": return this.log.apply(frame.messages);
      case "accepted": return this.#accepted(frame);
      case "typing": return this.#showTyping(true);
      case "callback": return this.#answered(frame);
      case "error": return this.#refused(frame);
      default: return undefined;
    }
  }

  #showState(state) {
    const text = JSON.stringify(state);
    if (text === this.#stateText) return;
    this.#stateText = text;
    this.#state = state;
    if (state.locale === this.#wantedLocale) this.#wantedLocale = null;
    if (state.locale && this.#wantedLocale === null) this.#showLocale(state.locale);
    this.menu.commands = state.commands ?? [];
    document.getElementById("sample").hidden = !state.sample;
    this.#showBotName(state.bot_name);
  }

  #showBotName(name) {
    if (!name || name === this.#botName) return;
    this.#botName = name;
    document.getElementById("bot-name").textContent = name;
    this.#showTitle();
  }

  /** From here the server keeps it; the bubble waits for its message by its key. */
  #accepted({ key }) {
    this.unsent.remove(key);
    this.#sentAt.delete(key);
  }

  #answered({ key, text, alert, url }) {
    if (!this.presses.end(key)) return;
    if (url) this.#offerAddress(text, url);
    else if (text && alert) this.notices.alert(text);
    else if (text) this.notices.toast(text);
  }

  #offerAddress(text, url) {
    const payload = startPayload(url);
    const address = safeAddress(url);
    if (payload !== null) this.say(`/start ${payload}`.trim());
    else if (address !== null) this.notices.alert(text || new URL(address).host, address);
  }

  #refused({ key, text }) {
    this.#sentAt.delete(key);
    if (this.presses.end(key)) return this.notices.toast(text);
    const item = this.unsent.mark(key, text || this.texts.say("not_sent"));
    if (item) this.log.showUnsent(item);
    else if (text) this.notices.toast(text);
  }

  /** A new line: whatever has no answer yet goes again, each with its own key, in order. */
  #sendEverything() {
    this.#tellLanguage();
    for (const item of this.unsent.waiting()) this.#send(item);
    for (const frame of this.presses.again()) this.connection.send(frame);
  }

  #sendOverdue() {
    if (!this.connection.online) return;
    const overdue = Date.now() - SEND_AGAIN_AFTER;
    for (const item of this.unsent.waiting()) {
      if ((this.#sentAt.get(item.key) ?? 0) < overdue) this.#send(item);
    }
  }

  #showTyping(typing) {
    clearTimeout(this.#typingTimer);
    document.getElementById("typing").hidden = !typing;
    document.getElementById("typing-text").textContent = this.texts.say("typing", { name: this.#botName });
    if (typing) this.#typingTimer = setTimeout(() => this.#showTyping(false), TYPING_LASTS);
  }

  // ---- what one part means to another

  #listenToParts() {
    this.log.addEventListener("came", ({ detail }) => this.#messageCame(detail));
    this.log.addEventListener("changed", () => this.#logChanged());
    this.replies.addEventListener("changed", () => this.#showPlaceholder());
    this.presses.addEventListener("unanswered", () => this.notices.toast(this.texts.say("no_answer")));
    this.texts.addEventListener("switched", () => this.#showTyping(!document.getElementById("typing").hidden));
  }

  #messageCame(message) {
    if (message.from === "bot") this.#showTyping(false);
    if (message.key) this.#accepted(message);
  }

  #logChanged() {
    document.getElementById("empty").hidden = !this.log.isEmpty;
    this.replies.show(this.log.messages());
    this.#showPlaceholder();
    this.#showTitle();
  }

  #showPlaceholder() {
    this.composer.placeholder = this.replies.placeholder(this.log.messages());
  }

  #showTitle() {
    document.title = this.log.unread ? `(${this.log.unread}) ${this.#botName}` : this.#botName;
  }
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Where the page came over plain http there is no clipboard object. */
function copyBySelection(text) {
  const field = document.createElement("textarea");
  const focused = document.activeElement;
  field.className = "visually-hidden";
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  return copied;
}

/** @returns {string} the IANA name of where the browser's clock is, or "" */
function timeZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}

/** A new page brings a new cookie; without cookies at all it would reload for ever. */
function reloadOnce() {
  const storage = sessionStorageOrNothing();
  const last = Number(storage.getItem(RELOADED_AT) ?? 0);
  if (Date.now() - last < RELOAD_PAUSE) return;
  storage.setItem(RELOADED_AT, String(Date.now()));
  location.reload();
}

function sessionStorageOrNothing() {
  try {
    return window.sessionStorage;
  } catch {
    return { getItem: () => null, setItem: () => undefined };
  }
}

/** Where the browser lays its keyboard over the page, the page makes itself as high as what is left. */
function followVisibleHeight() {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const fit = () => {
    const covered = innerHeight - viewport.height > 80 && viewport.scale === 1;
    document.documentElement.style.setProperty("--visible-height", covered ? `${viewport.height}px` : "100dvh");
    if (covered) scrollTo(0, 0);
  };
  viewport.addEventListener("resize", fit);
}

followVisibleHeight();
new Chat().start();
