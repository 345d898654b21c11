// A form is sent once: a second click while the answer is on its way does nothing.

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.hasAttribute("aria-busy")) {
    event.preventDefault();
    return;
  }
  form.setAttribute("aria-busy", "true");
});

// A page that the browser brings back with its "back" button must be usable again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[aria-busy]")) {
    form.removeAttribute("aria-busy");
  }
});

// What is typed stays with this entry of the history, so that it is there again after "back" and "reload": the hub lets no
// browser keep its pages. Passwords are not kept. No other page can read it, unlike what is in the storage of the origin.
const KEPT = "main form :is(input:not([type=password], [type=hidden], [readonly]), select, textarea)[id], main form input[name=number]";

function keyOf(field) {
  return field.id || `${field.form.getAttribute("action")} ${field.name}`;
}

function keep() {
  const typed = {};
  for (const field of document.querySelectorAll(KEPT)) {
    typed[keyOf(field)] = field.matches("[type=checkbox], [type=radio]") ? field.checked : field.value;
  }
  history.replaceState({ ...history.state, typed }, "");
}

function restore() {
  const typed = history.state?.typed ?? {};
  for (const field of document.querySelectorAll(KEPT)) {
    const value = typed[keyOf(field)];
    if (typeof value === "boolean") {
      field.checked = value;
    } else if (typeof value === "string") {
      field.value = value;
    }
  }
}

restore();
document.addEventListener("input", keep);
document.addEventListener("change", keep);
