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
