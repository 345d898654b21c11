// While something on this page changes by itself, look again every two seconds, but never take away what someone typed,
// ticked, chose or opened.

const PERIOD = 2000;

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

if (document.querySelector("[data-moving]")) {
  setInterval(() => {
    if (mayReload()) {
      location.reload();
    }
  }, PERIOD);
}
