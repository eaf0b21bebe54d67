/** The menu of the bot's commands: opened by its button or by typing "/", walked with the arrow keys. */

import { make } from "./texts.js";

export class CommandsMenu extends EventTarget {
  #commands = [];
  #shown = [];
  #active = -1;
  #byButton = false;

  constructor(texts, notices) {
    super();
    this.texts = texts;
    this.notices = notices;
    this.list = document.getElementById("commands");
    this.button = document.getElementById("open-commands");
    this.input = document.getElementById("input");
    this.#listen();
  }

  get isOpen() {
    return !this.list.hidden;
  }

  /** @param {{command: string, description: string}[]} commands */
  set commands(commands) {
    this.#commands = commands;
    this.button.hidden = !commands.length;
    if (this.isOpen) this.#open(this.#shown.length ? this.#typed() : "");
  }

  /** Follows what is being typed: "/" and the beginning of a command show the menu. */
  follow() {
    const typed = this.#typed();
    if (typed !== null) this.#open(typed);
    else this.close();
  }

  close() {
    this.list.hidden = true;
    this.#active = -1;
    this.#byButton = false;
    this.button.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  /** @returns {boolean} whether the key was the menu's */
  keyed(event) {
    if (!this.isOpen) return false;
    const handled = this.#act(event.key);
    if (handled) event.preventDefault();
    return handled;
  }

  #act(key) {
    if (key === "ArrowDown") this.#activate(this.#active + 1);
    else if (key === "ArrowUp") this.#activate(this.#active - 1);
    else if (key === "Escape") this.close();
    else if (key === "Tab" && this.#active >= 0) this.#choose("complete");
    else if (key === "Enter" && this.#active >= 0) this.#choose("choose");
    else return false;
    return true;
  }

  #typed() {
    const { value } = this.input;
    if (this.#byButton && value === "") return "";
    return /^\/\w*$/.test(value) ? value.slice(1).toLowerCase() : null;
  }

  #open(prefix) {
    const shown = this.#commands.filter(({ command }) => command.startsWith(prefix ?? ""));
    const isNews = !this.isOpen || shown.length !== this.#shown.length;
    this.#shown = shown;
    if (!shown.length) return this.close();
    this.list.replaceChildren(...shown.map(makeOption));
    this.list.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.#activate(0);
    if (isNews) this.notices.announce(this.texts.say("commands_found", { count: shown.length }));
  }

  #activate(index) {
    this.#active = (index + this.#shown.length) % this.#shown.length;
    Array.from(this.list.children).forEach((option, at) => option.setAttribute("aria-selected", String(at === this.#active)));
    const option = this.list.children[this.#active];
    this.input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  #choose(eventName) {
    const { command } = this.#shown[this.#active];
    this.close();
    this.dispatchEvent(new CustomEvent(eventName, { detail: `/${command}` }));
  }

  #toggle(event) {
    if (this.isOpen) return this.close();
    this.#byButton = true;
    this.#open("");
    // On a touch screen the focus would bring up a keyboard over the menu.
    if (event.pointerType !== "touch") this.input.focus();
  }

  #listen() {
    this.button.addEventListener("click", (event) => this.#toggle(event));
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (!option) return;
      this.#active = Array.from(this.list.children).indexOf(option);
      this.#choose("choose");
    });
    document.addEventListener("pointerdown", (event) => {
      const inside = event.target.closest?.("#commands, #open-commands, #input");
      if (this.isOpen && !inside) this.close();
    });
  }
}

function makeOption({ command, description }, index) {
  const option = make("li", "command");
  option.id = `command-${index}`;
  option.setAttribute("role", "option");
  option.append(make("span", "command-name", `/${command}`), make("span", "command-description", description));
  return option;
}
