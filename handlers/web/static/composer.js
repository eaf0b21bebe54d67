/** The input at the bottom: grows with its text, keeps its draft, sends on Enter. */

const DRAFT_STORED_AS = "cipo.draft";
const LONGEST = 4096;
const WARN_FROM = 3800;
const TALLEST_SHARE = 0.36;

export class Composer extends EventTarget {
  constructor(texts, menu) {
    super();
    this.texts = texts;
    this.menu = menu;
    this.form = document.getElementById("composer");
    this.input = document.getElementById("input");
    this.sendButton = document.getElementById("send");
    this.limit = document.getElementById("limit");
    this.input.value = readDraft();
    this.#listen();
    this.#changed();
  }

  /** @param {string | null} text what the bot suggests to write, or null for the page's own word */
  set placeholder(text) {
    if (text) this.input.removeAttribute("data-text-placeholder");
    if (text) this.input.placeholder = text;
    else this.texts.label(this.input, "placeholder", "placeholder");
  }

  fill(text) {
    this.input.value = text;
    this.input.focus();
    this.#changed();
  }

  /** Puts a text that did not go out back before what is being written. */
  giveBack(text) {
    this.fill(this.input.value.trim() ? `${text}\n${this.input.value}` : text);
  }

  askPhone() {
    this.input.inputMode = "tel";
    this.texts.label(this.input, "placeholder", "phone_placeholder");
    this.input.focus();
  }

  focusUnlessTouch() {
    if (matchMedia("(hover: hover) and (pointer: fine)").matches) this.input.focus({ preventScroll: true });
  }

  #listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.input.addEventListener("input", () => {
      this.#changed();
      this.menu.follow();
    });
    this.input.addEventListener("keydown", (event) => this.#keyed(event));
    this.menu.addEventListener("choose", ({ detail }) => this.#chosen(detail));
    this.menu.addEventListener("complete", ({ detail }) => this.fill(`${detail} `));
    this.texts.addEventListener("switched", () => this.#showLimit());
    // Keeps the on-screen keyboard where it is.
    this.sendButton.addEventListener("pointerdown", (event) => event.preventDefault());
    addEventListener("resize", () => this.#grow());
  }

  #keyed(event) {
    // Enter that ends the composing of Chinese characters is not a sending; Safari says so only by 229.
    if (event.isComposing || event.keyCode === 229) return;
    if (this.menu.keyed(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#submit();
    }
  }

  #chosen(command) {
    if (this.input.value.startsWith("/")) this.#clear();
    this.#send(command);
  }

  #submit() {
    const text = this.input.value.trim();
    if (!text || length(text) > LONGEST) return this.#showLimit();
    this.#clear();
    this.menu.close();
    this.#send(text);
  }

  #send(text) {
    this.dispatchEvent(new CustomEvent("send", { detail: text }));
  }

  #clear() {
    this.input.value = "";
    this.input.inputMode = "";
    this.#changed();
  }

  #changed() {
    this.sendButton.classList.toggle("ready", Boolean(this.input.value.trim()));
    this.#grow();
    this.#showLimit();
    keepDraft(this.input.value);
  }

  #grow() {
    this.input.style.height = "auto";
    const tallest = Math.max(120, innerHeight * TALLEST_SHARE);
    this.input.style.height = `${Math.min(this.input.scrollHeight, tallest)}px`;
    this.input.classList.toggle("scrolls", this.input.scrollHeight > tallest);
  }

  #showLimit() {
    const used = length(this.input.value.trim());
    const over = used - LONGEST;
    const key = over > 0 ? "too_long" : "characters_left";
    this.limit.textContent = used < WARN_FROM ? "" : this.texts.say(key, { count: Math.abs(over) });
    this.limit.classList.toggle("over", over > 0);
    this.input.setAttribute("aria-invalid", String(over > 0));
  }
}

/** Counted in characters as the server does, not in UTF-16 units. */
function length(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function readDraft() {
  try {
    return sessionStorage.getItem(DRAFT_STORED_AS) ?? "";
  } catch {
    return "";
  }
}

function keepDraft(text) {
  try {
    sessionStorage.setItem(DRAFT_STORED_AS, text);
  } catch {
    // A full or forbidden storage costs only the draft.
  }
}
