/** What the page says besides messages: toasts, the modal notice, announcements, the connection banner. */

import { make } from "./texts.js";

const CONNECTING_AFTER = 1_200;
const OFFLINE_AFTER = 3_500;
const TOAST_MINIMUM = 3_500;
const TOAST_PER_CHARACTER = 55;
const TOASTS_AT_ONCE = 3;
const ANNOUNCEMENT_STAYS = 6_000;

export class Notices {
  #bannerTimers = [];
  #announcerTimer = 0;
  #returnTo = null;

  constructor(texts) {
    this.texts = texts;
    this.toasts = document.getElementById("toasts");
    this.announcer = document.getElementById("announcer");
    this.dialog = document.getElementById("notice");
    this.banner = document.getElementById("banner");
    this.#listen();
  }

  toast(text) {
    const toast = make("p", "toast", text);
    this.toasts.append(toast);
    while (this.toasts.children.length > TOASTS_AT_ONCE) this.toasts.firstElementChild.remove();
    setTimeout(() => toast.remove(), TOAST_MINIMUM + text.length * TOAST_PER_CHARACTER);
  }

  /** A notice that has to be closed; with an address it offers to open it. */
  alert(text, address = null) {
    const link = document.getElementById("notice-link");
    document.getElementById("notice-text").textContent = text;
    link.hidden = address === null;
    if (address !== null) link.href = address;
    if (this.dialog.open) return;
    this.#returnTo = document.activeElement;
    this.dialog.showModal();
    document.getElementById("notice-close").focus();
  }

  /** Spoken by screen readers at their next pause, also when it says the same as before. */
  announce(text) {
    clearTimeout(this.#announcerTimer);
    this.announcer.textContent = "";
    requestAnimationFrame(() => { this.announcer.textContent = text; });
    this.#announcerTimer = setTimeout(() => { this.announcer.textContent = ""; }, ANNOUNCEMENT_STAYS);
  }

  /** Short interruptions are not worth a word. */
  showConnection(online) {
    for (const timer of this.#bannerTimers) clearTimeout(timer);
    if (online) return this.#hideBanner();
    this.#bannerTimers = [
      setTimeout(() => this.#showBanner("connecting"), CONNECTING_AFTER),
      setTimeout(() => this.#showBanner("offline"), OFFLINE_AFTER),
    ];
  }

  #showBanner(key) {
    this.banner.dataset.shown = "true";
    this.texts.write(document.getElementById("banner-text"), key);
    document.getElementById("connect-now").hidden = key !== "offline";
  }

  #hideBanner() {
    const button = document.getElementById("connect-now");
    if (document.activeElement === button) document.getElementById("input").focus();
    this.banner.dataset.shown = "false";
    delete document.getElementById("banner-text").dataset.text;
    document.getElementById("banner-text").textContent = "";
    button.hidden = true;
  }

  #listen() {
    const close = () => this.dialog.close();
    document.getElementById("notice-close").addEventListener("click", close);
    document.getElementById("notice-link").addEventListener("click", close);
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && close());
    this.dialog.addEventListener("close", () => this.#giveFocusBack());
  }

  #giveFocusBack() {
    if (this.#returnTo?.isConnected) this.#returnTo.focus({ preventScroll: true });
    this.#returnTo = null;
  }
}
