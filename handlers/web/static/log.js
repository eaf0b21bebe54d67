/** The conversation: messages in order, days, groups, scrolling, what is unread, what is announced. */

import { Bubble, nearestKey } from "./bubble.js";
import { revealSpoiler, setExpanded, toPlain } from "./markup.js";
import { dayKey, make } from "./texts.js";

const NEAR_BOTTOM = 24;
const GROUP_SECONDS = 300;
const ANNOUNCE_LENGTH = 400;
const SPOKEN_AFTER = 2_000;
const TOP_MARGIN = 14;

export class Log extends EventTarget {
  #bubbles = new Map();
  #pending = new Map();
  #days = new Map();
  #loaded = false;
  #pinned = true;
  #unread = 0;
  #size = "";

  constructor(house, notices) {
    super();
    this.house = house;
    this.notices = notices;
    this.element = document.getElementById("log");
    this.scroller = document.getElementById("scroller");
    this.toNewest = document.getElementById("to-newest");
    this.#listen();
  }

  get unread() {
    return this.#unread;
  }

  get isEmpty() {
    return this.#loaded && !this.#bubbles.size && !this.#pending.size;
  }

  /** @returns {object[]} messages as the server tells them, oldest first */
  messages() {
    return this.#ordered().map((bubble) => bubble.message);
  }

  /** Adds, changes and removes messages as told by the server; safe to repeat. */
  apply(messages) {
    const history = !this.#loaded;
    const before = { added: [], changed: [] };
    for (const message of messages) this.#take(message, history, before);
    this.#loaded = true;
    this.#arrange();
    if (history) this.scrollToEnd();
    else this.#follow(before.added);
    this.#announce(before.changed, history);
    this.#changed();
  }

  /** Shows a message that is not yet safe on the server, or a new state of it. */
  showUnsent({ key, text, date, failed }) {
    const message = { key, text, date, failed, from: "me" };
    const known = this.#pending.get(key);
    if (known) return known.update(message);
    const bubble = new Bubble(this.house, message);
    this.#pending.set(key, bubble);
    this.element.append(bubble.element);
    this.#arrange();
    if (this.#loaded) this.scrollToEnd();
    this.#changed();
  }

  dropUnsent(key) {
    this.#pending.get(key)?.element.remove();
    this.#pending.delete(key);
    this.#arrange();
    this.#changed();
  }

  /** @returns {{key: string, text: string} | undefined} the unsent message drawn by this element */
  unsentAt(element) {
    return Array.from(this.#pending.values()).find((bubble) => bubble.element === element)?.message;
  }

  scrollToEnd(smooth = false) {
    this.#pinned = true;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth && !calm ? "smooth" : "auto" });
    this.#seen();
  }

  #take(message, history, { added, changed }) {
    const known = this.#bubbles.get(message.message_id);
    if (known && message.seq <= known.message.seq) return;
    if (message.deleted) this.#remove(message.message_id);
    else if (known) this.#change(known, message, changed);
    else added.push(this.#add(message, history));
  }

  #add(message, history) {
    const bubble = this.#pending.get(message.key) ?? new Bubble(this.house, message);
    const isMine = this.#pending.delete(message.key);
    if (isMine) bubble.update(message);
    this.#bubbles.set(message.message_id, bubble);
    if (!history && message.from === "bot") this.#letBeSpoken(bubble.element);
    bubble.element.classList.toggle("still", history || isMine);
    this.#place(bubble);
    this.dispatchEvent(new CustomEvent("came", { detail: message }));
    return bubble;
  }

  /** Being inside the log speaks a new message once; its later changes have their own announcer. */
  #letBeSpoken(element) {
    element.removeAttribute("aria-live");
    setTimeout(() => element.setAttribute("aria-live", "off"), SPOKEN_AFTER);
  }

  #change(bubble, message, changed) {
    bubble.element.setAttribute("aria-live", "off");
    const was = bubble.message;
    bubble.update(message);
    if (message.from === "bot" && message.html !== was.html) changed.push(message);
    this.dispatchEvent(new CustomEvent("came", { detail: message }));
  }

  #remove(messageId) {
    const bubble = this.#bubbles.get(messageId);
    if (!bubble) return;
    const hadFocus = bubble.element.contains(document.activeElement);
    this.#bubbles.delete(messageId);
    bubble.element.remove();
    if (hadFocus) this.scroller.focus({ preventScroll: true });
  }

  #place(bubble) {
    const next = this.#nextOf(bubble.message.message_id);
    const { element } = bubble;
    if (element.isConnected && nextArticle(element) === next) return;
    this.element.insertBefore(element, next);
  }

  #nextOf(messageId) {
    let next = null;
    for (const [id, bubble] of this.#bubbles) {
      if (id > messageId && (next === null || id < next.message.message_id)) next = bubble;
    }
    return (next ?? this.#pending.values().next().value)?.element ?? null;
  }

  #ordered() {
    return Array.from(this.#bubbles.values()).sort((one, other) => one.message.message_id - other.message.message_id);
  }

  /** Day lines where the day changes, and neighbours of one sender drawn as a group. */
  #arrange() {
    const unused = new Set(this.#days.keys());
    let last = null;
    for (const bubble of [...this.#ordered(), ...this.#pending.values()]) {
      const { date, from } = bubble.message;
      const newDay = !last || dayKey(last.message.date) !== dayKey(date);
      const first = newDay || last.message.from !== from || date - last.message.date > GROUP_SECONDS;
      if (newDay) this.#dayLine(date, bubble.element);
      unused.delete(dayKey(date));
      bubble.element.classList.toggle("first", first);
      last?.element.classList.toggle("last", first);
      last = bubble;
    }
    last?.element.classList.add("last");
    for (const key of unused) this.#dropDay(key);
  }

  #dayLine(date, article) {
    const key = dayKey(date);
    if (!this.#days.has(key)) this.#days.set(key, this.#makeDayLine());
    const line = this.#days.get(key);
    line.firstElementChild.textContent = this.house.texts.day(date);
    if (article.previousElementSibling !== line) article.before(line);
  }

  #makeDayLine() {
    const line = make("div", "day");
    line.setAttribute("aria-live", "off");
    line.append(make("span"));
    return line;
  }

  #dropDay(key) {
    this.#days.get(key).remove();
    this.#days.delete(key);
  }

  /** After something new: stay at the end, but never past the beginning of what is new. */
  #follow(added) {
    const fromBot = added.filter((bubble) => bubble.message.from === "bot");
    if (!added.length) return;
    if (!this.#pinned) this.#countUnread(fromBot.length);
    else this.#reveal(fromBot[0]);
    if (document.hidden && this.#pinned) this.#countUnread(fromBot.length);
  }

  #reveal(bubble) {
    const end = this.scroller.scrollHeight - this.scroller.clientHeight;
    const start = bubble ? bubble.element.offsetTop - TOP_MARGIN : end;
    this.#pinned = start >= end;
    this.scroller.scrollTop = Math.min(start, end);
    this.#showToNewest();
  }

  #announce(changed, history) {
    if (history || !changed.length) return;
    const text = toPlain(changed[changed.length - 1].html).slice(0, ANNOUNCE_LENGTH);
    this.notices.announce(this.house.texts.say("message_changed", { text }));
  }

  #countUnread(count) {
    this.#unread += count;
    this.#showToNewest();
    this.#changed();
  }

  #seen() {
    if (this.#unread && !document.hidden) {
      this.#unread = 0;
      this.#changed();
    }
    this.#showToNewest();
  }

  #showToNewest() {
    const { texts } = this.house;
    const badge = document.getElementById("unread");
    const key = this.#unread ? "to_newest_unread" : "to_newest";
    if (this.#pinned && document.activeElement === this.toNewest) this.scroller.focus({ preventScroll: true });
    this.toNewest.hidden = this.#pinned;
    this.toNewest.setAttribute("aria-label", texts.say(key, { count: this.#unread }));
    badge.hidden = !this.#unread;
    badge.textContent = this.#unread > 99 ? "99+" : String(this.#unread);
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }

  #listen() {
    const stay = new ResizeObserver(() => this.#resized());
    stay.observe(this.scroller);
    stay.observe(this.scroller.firstElementChild);
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.toNewest.addEventListener("click", () => this.scrollToEnd(true));
    this.element.addEventListener("click", (event) => this.#clicked(event));
    this.element.addEventListener("keydown", (event) => this.#keyed(event));
    this.element.addEventListener("focusin", (event) => this.#openQuoteAround(event.target));
    this.house.texts.addEventListener("switched", () => this.#relabel());
    this.house.presses.addEventListener("changed", ({ detail }) => this.#bubbles.get(detail.message_id)?.showBusy());
    document.addEventListener("visibilitychange", () => {
      this.#arrange();
      if (this.#pinned) this.#seen();
    });
  }

  #resized() {
    this.#size = this.#measure();
    if (this.#pinned) this.scrollToEnd();
  }

  #measure() {
    return `${this.scroller.scrollHeight} ${this.scroller.clientHeight}`;
  }

  #scrolled() {
    // Not the person moved away from the end, the end moved; staying there is under way.
    if (this.#pinned && this.#measure() !== this.#size) return;
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.#pinned = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
    if (this.#pinned) this.#seen();
    this.#showToNewest();
  }

  #relabel() {
    for (const bubble of [...this.#bubbles.values(), ...this.#pending.values()]) bubble.relabel();
    this.#arrange();
    this.#showToNewest();
  }

  #clicked(event) {
    const toggle = event.target.closest(".quote-toggle");
    const spoiler = event.target.closest(".tg-spoiler[role]");
    if (toggle) this.#toggleQuote(toggle.closest("blockquote"));
    if (spoiler) revealSpoiler(spoiler);
  }

  #toggleQuote(quote) {
    this.#pinned = false;
    setExpanded(quote, !quote.classList.contains("open"), this.house.texts);
    this.#scrolled();
  }

  /** A link inside the folded part cannot be seen, so reaching it unfolds the quote. */
  #openQuoteAround(element) {
    const quote = element.closest(".quoted")?.closest("blockquote.expandable:not(.open):not(.whole)");
    if (quote) setExpanded(quote, true, this.house.texts);
  }

  #keyed(event) {
    const spoiler = event.target.closest(".tg-spoiler[role]");
    if (spoiler && [" ", "Enter"].includes(event.key)) {
      event.preventDefault();
      revealSpoiler(spoiler);
    }
    const key = event.target.closest(".key");
    if (key && event.key.startsWith("Arrow")) moveInKeyboard(key, event);
  }
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** Arrow keys walk over the grid of buttons; a shorter row is entered at the nearest place. */
function moveInKeyboard(key, event) {
  const row = key.closest(".row");
  const [down, right] = STEPS[event.key];
  const target = down ? keyBelow(key, row, down) : keyBeside(key, row, right);
  if (!target) return;
  event.preventDefault();
  target.focus();
}

function keyBeside(key, row, right) {
  const keys = Array.from(row.querySelectorAll(".key"));
  return keys[keys.indexOf(key) + right];
}

function keyBelow(key, row, down) {
  const next = down > 0 ? row.nextElementSibling : row.previousElementSibling;
  if (!next) return null;
  const share = (Array.from(row.children).indexOf(key) + 0.5) / row.children.length;
  return nearestKey(next, Math.floor(share * next.children.length));
}

function nextArticle(element) {
  let next = element.nextElementSibling;
  while (next && !next.classList.contains("message")) next = next.nextElementSibling;
  return next;
}
