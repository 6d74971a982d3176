// Dark or light: as the system has it, or as the button says; remembered.

import {h} from "./dom.js";

const KEY = "hythe.theme";
const NEXT = {auto: "dark", dark: "light", light: "auto"};
const WORDS = {auto: "Theme: system", dark: "Theme: dark", light: "Theme: light"};

function use(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  window.dispatchEvent(new Event("themechange"));
}

/** A button that goes through them. */
export function themeButton() {
  let theme = localStorage.getItem(KEY);
  if (!(theme in NEXT)) theme = "auto";
  use(theme);
  const button = h("button", {type: "button", id: "theme", onclick: () => {
    theme = NEXT[theme];
    localStorage.setItem(KEY, theme);
    button.textContent = WORDS[theme];
    use(theme);
  }}, WORDS[theme]);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => use(theme));
  return button;
}

/** What a CSS variable is now: for canvases, which style sheets do not reach. */
export function colour(name) {
  const probe = h("span", {class: "unseen"});
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
