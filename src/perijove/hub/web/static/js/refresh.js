// What changes by itself is looked at again, but nothing is ever taken away that someone typed, ticked, chose or opened.
//
// While a server starts or stops, the page is loaded anew every two seconds. While servers just run, what is known of
// them is fetched every ten seconds and put in its place; once one does something else, the page is loaded anew.

const MOVING_PERIOD = 2000;
const FACTS_PERIOD = 10000;

function isTouched(field) {
  if (field instanceof HTMLSelectElement) {
    const first = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(first, 0);
  }
  return field.checked !== undefined && field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
}

function mayReload() {
  const touched = [...document.querySelectorAll("main input:not([type=hidden]), main textarea, main select")].some(isTouched);
  const sending = document.querySelector("form[aria-busy]");
  const asking = document.querySelector("main details.confirm[open]");
  return !touched && !sending && !asking && !document.hidden;
}

function reload() {
  if (mayReload()) {
    location.reload();
  }
}

async function fetched(url) {
  try {
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(FACTS_PERIOD) });
    const text = answer.ok && !answer.redirected ? await answer.text() : "";
    return [...new DOMParser().parseFromString(text, "text/html").querySelectorAll("[data-facts]")];
  } catch {
    // The hub is away; what the page says was so a moment ago.
    return [];
  }
}

async function showFacts(url) {
  if (document.hidden) {
    return;
  }
  const known = await fetched(url);
  for (const shown of document.querySelectorAll("[data-facts]")) {
    const now = known.find((each) => each.dataset.facts === shown.dataset.facts);
    if (now && now.dataset.state !== shown.dataset.state) {
      reload();
    } else if (now && now.innerHTML !== shown.innerHTML) {
      shown.replaceWith(document.importNode(now, true));
    }
  }
}

if (document.querySelector("[data-moving]")) {
  setInterval(reload, MOVING_PERIOD);
}
const running = document.querySelector("[data-facts-url]");
if (running) {
  setInterval(() => showFacts(running.dataset.factsUrl), FACTS_PERIOD);
}
