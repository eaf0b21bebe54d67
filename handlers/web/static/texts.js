/**
 * The page's own words, times and sizes in the language chosen.
 *
 * Elements remember the key of their text (`data-text`, `data-text-aria-label`, ...), so that switching
 * the language changes everything already on the page at once.
 */

const ATTRIBUTES = ["aria-label", "title", "placeholder"];
const TIME_LOCALES = { en: "en-GB", "zh-Hans": "zh-CN", "zh-Hant": "zh-HK" };
const DAY_MS = 86_400_000;

export class Texts extends EventTarget {
  #formats = new Map();

  /**
   * @param {Record<string, Record<string, string>>} catalogues locale -> key -> text
   * @param {string} locale
   */
  constructor(catalogues, locale) {
    super();
    this.catalogues = catalogues;
    this.locale = this.knows(locale) ? locale : "en";
  }

  knows(locale) {
    return Object.keys(this.catalogues).includes(locale);
  }

  /** Changes the language of the whole page; tells listeners by a "switched" event. */
  switchTo(locale) {
    if (!this.knows(locale) || locale === this.locale) return;
    this.locale = locale;
    document.documentElement.lang = locale;
    this.refresh(document);
    this.dispatchEvent(new Event("switched"));
  }

  say(key, values = {}) {
    const text = this.catalogues[this.locale][key] ?? this.catalogues.en?.[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  }

  /** Gives an element a text that follows the language. */
  write(element, key) {
    element.dataset.text = key;
    element.textContent = this.say(key);
    return element;
  }

  /** Gives an element an attribute (one of ATTRIBUTES) that follows the language. */
  label(element, attribute, key) {
    element.setAttribute(`data-text-${attribute}`, key);
    element.setAttribute(attribute, this.say(key));
    return element;
  }

  refresh(root) {
    for (const element of root.querySelectorAll("[data-text]")) {
      element.textContent = this.say(element.dataset.text);
    }
    for (const attribute of ATTRIBUTES) {
      for (const element of root.querySelectorAll(`[data-text-${attribute}]`)) {
        element.setAttribute(attribute, this.say(element.getAttribute(`data-text-${attribute}`)));
      }
    }
  }

  /** Making a formatter costs much more than using it, and a history has many times. */
  #format(date, options) {
    const key = this.locale + JSON.stringify(options);
    if (!this.#formats.has(key)) {
      this.#formats.set(key, new Intl.DateTimeFormat(TIME_LOCALES[this.locale] ?? this.locale, options));
    }
    return this.#formats.get(key).format(date);
  }

  /** Hour and minute in the reader's own zone. */
  time(seconds) {
    return this.#format(new Date(seconds * 1000), { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  }

  moment(seconds) {
    return this.#format(new Date(seconds * 1000), { dateStyle: "full", timeStyle: "short" });
  }

  /** "Today", "Yesterday", or the date with its weekday; the year only when it is another one. */
  day(seconds) {
    const date = new Date(seconds * 1000);
    const today = new Date();
    const ago = Math.round((startOfDay(today) - startOfDay(date)) / DAY_MS);
    if (ago === 0 || ago === 1) return this.#relativeDay(-ago);
    const year = date.getFullYear() === today.getFullYear() ? {} : { year: "numeric" };
    return this.#format(date, { weekday: "long", day: "numeric", month: "long", ...year });
  }

  #relativeDay(offset) {
    const locale = TIME_LOCALES[this.locale] ?? this.locale;
    const word = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(offset, "day");
    return word.charAt(0).toLocaleUpperCase(locale) + word.slice(1);
  }

  size(bytes) {
    const [value, unit] = bytes < 1_000_000 ? [bytes / 1000, "kilobyte"] : [bytes / 1_000_000, "megabyte"];
    return new Intl.NumberFormat(TIME_LOCALES[this.locale] ?? this.locale, {
      style: "unit", unit, unitDisplay: "short", maximumFractionDigits: value < 10 ? 1 : 0,
    }).format(value);
  }
}

function startOfDay(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** @returns {string} a text that is equal for two moments of one local day */
export function dayKey(seconds) {
  const date = new Date(seconds * 1000);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

export function readCatalogues() {
  return JSON.parse(document.getElementById("page-texts").textContent);
}

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** @returns {HTMLElement} an element with class and text */
export function make(tag, className = "", text = null) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== null) element.textContent = text;
  return element;
}
