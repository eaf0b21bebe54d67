/** What the page says besides messages: toasts, the modal notice, announcements, the connection banner. */

import { make } from "./texts.js";

const BANNER_DELAY = 1_200;
const TOAST_MINIMUM = 3_500;
const TOAST_PER_CHARACTER = 55;
const TOASTS_AT_ONCE = 3;

export class Notices {
  #bannerTimer = 0;
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
    this.announcer.textContent = "";
    requestAnimationFrame(() => { this.announcer.textContent = text; });
  }

  /** Short interruptions are not worth a word. */
  showConnection(online) {
    clearTimeout(this.#bannerTimer);
    if (online) this.#hideBanner();
    else this.#bannerTimer = setTimeout(() => this.#showBanner(), BANNER_DELAY);
  }

  #showBanner() {
    this.banner.dataset.shown = "true";
    this.texts.write(document.getElementById("banner-text"), "offline");
    document.getElementById("connect-now").hidden = false;
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
