/**
 * From a message's html to nodes, by copying what is allowed and nothing else.
 *
 * The server has cleaned the html already; this is the second lock on the same door.
 */

import { make } from "./texts.js";

const PLAIN_TAGS = new Set(["B", "STRONG", "I", "EM", "U", "INS", "S", "DEL", "CODE", "PRE", "BLOCKQUOTE", "BR"]);
const DROPPED_TAGS = new Set(["SCRIPT", "STYLE", "TEMPLATE", "IFRAME", "OBJECT", "NOSCRIPT", "TITLE", "TEXTAREA"]);
const SCHEMES = new Set(["http:", "https:", "mailto:", "tel:"]);
const LANGUAGE_CLASS = /^language-[\w+#.-]{1,40}$/;
const LINKABLE = /(^|[^\w/&?=.:#@<-])(\/[a-z][a-z0-9_]{0,31})(?![\w/])|(https?:\/\/[^\s<>"'）)」』】》，。；、]+[^\s<>"'）)」』】》，。；、.,;:!?])/giu;

/**
 * @param {string} html of one message
 * @param {{texts: import("./texts.js").Texts, commands: boolean}} options commands: make "/help" pressable
 * @returns {DocumentFragment}
 */
export function toNodes(html, options) {
  const parsed = new DOMParser().parseFromString(`<body>${html}`, "text/html");
  const fragment = document.createDocumentFragment();
  copyChildren(parsed.body, fragment, options, true);
  return fragment;
}

/** The text of a message for announcements: one line, hidden parts left out. */
export function toPlain(html) {
  const body = new DOMParser().parseFromString(`<body>${html}`, "text/html").body;
  for (const hidden of body.querySelectorAll("script, style, .tg-spoiler")) hidden.remove();
  for (const gap of body.querySelectorAll("br, blockquote, pre")) gap.append("\n");
  return body.textContent.replace(/\s+/g, " ").trim();
}

function copyChildren(source, target, options, linkable) {
  for (const node of source.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) copyText(node.data, target, options, linkable);
    else if (node.nodeType === Node.ELEMENT_NODE) copyElement(node, target, options, linkable);
  }
}

function copyElement(source, target, options, linkable) {
  if (DROPPED_TAGS.has(source.tagName)) return;
  if (source.tagName === "A") copyLink(source, target, options);
  else if (source.tagName === "SPAN" && source.classList.contains("tg-spoiler")) copySpoiler(source, target, options);
  else if (source.tagName === "BLOCKQUOTE" && source.classList.contains("expandable")) copyExpandable(source, target, options);
  else if (PLAIN_TAGS.has(source.tagName)) copyPlain(source, target, options, linkable);
  else copyChildren(source, target, options, linkable);
}

function copyPlain(source, target, options, linkable) {
  const element = document.createElement(source.tagName);
  if (source.tagName === "CODE" && LANGUAGE_CLASS.test(source.className)) element.className = source.className;
  if (source.tagName === "PRE") element.tabIndex = 0;
  copyChildren(source, element, options, linkable && !["CODE", "PRE"].includes(source.tagName));
  target.append(element);
}

function copyLink(source, target, options) {
  const address = safeAddress(source.getAttribute("href"));
  if (address === null) return copyChildren(source, target, options, false);
  const link = makeLink(address);
  copyChildren(source, link, options, false);
  target.append(link);
}

function copySpoiler(source, target, { texts, ...rest }) {
  const spoiler = make("span", "tg-spoiler");
  const content = make("span");
  content.inert = true;
  content.setAttribute("aria-hidden", "true");
  spoiler.setAttribute("role", "button");
  spoiler.tabIndex = 0;
  texts.label(spoiler, "aria-label", "show_hidden");
  copyChildren(source, content, { texts, ...rest }, false);
  spoiler.append(content);
  target.append(spoiler);
}

/** Shows the hidden text for good; from then on it is plain text to everyone. */
export function revealSpoiler(spoiler) {
  spoiler.classList.add("shown");
  for (const name of ["role", "tabindex", "aria-label", "data-text-aria-label"]) spoiler.removeAttribute(name);
  spoiler.firstElementChild.inert = false;
  spoiler.firstElementChild.removeAttribute("aria-hidden");
}

function copyExpandable(source, target, options) {
  const quote = make("blockquote", "expandable");
  const content = make("div", "quoted");
  const toggle = options.texts.write(make("button", "quote-toggle"), "show_more");
  toggle.type = "button";
  toggle.setAttribute("aria-expanded", "false");
  copyChildren(source, content, options, true);
  quote.append(content, toggle);
  target.append(quote);
}

export function setExpanded(quote, expanded, texts) {
  const toggle = quote.querySelector(".quote-toggle");
  quote.classList.toggle("open", expanded);
  toggle.setAttribute("aria-expanded", String(expanded));
  texts.write(toggle, expanded ? "show_less" : "show_more");
}

function copyText(text, target, options, linkable) {
  if (!linkable) return target.append(text);
  let done = 0;
  for (const match of text.matchAll(LINKABLE)) {
    const [whole, before = "", command, address] = match;
    if (command && !options.commands) continue;
    target.append(text.slice(done, match.index) + before, command ? makeCommand(command) : makeLink(address, address));
    done = match.index + whole.length;
  }
  target.append(text.slice(done));
}

function makeCommand(command) {
  const button = make("button", "command-link", command);
  button.type = "button";
  button.dataset.say = command;
  return button;
}

function makeLink(address, text = "") {
  const link = make("a", "", text || null);
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  return link;
}

/** @returns {string | null} the absolute address when its scheme is harmless */
export function safeAddress(address) {
  try {
    const url = new URL(address, location.href);
    return SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** @returns {string | null} the payload of a link into this chat (`/?start=...`) */
export function startPayload(address) {
  try {
    const url = new URL(address, location.href);
    return url.origin === location.origin && url.pathname === location.pathname ? url.searchParams.get("start") : null;
  } catch {
    return null;
  }
}
