// Show or hide a password, compare the two times it was typed, and warn where it would travel unencrypted.

for (const button of document.querySelectorAll("button[data-shows]")) {
  const input = document.getElementById(button.dataset.shows);
  const visibleText = button.firstChild;
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    visibleText.textContent = shown ? button.dataset.hide : button.dataset.show;
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    show(input.type === "password");
    input.focus();
  });
  // Hidden again before it is sent, so that the browser neither remembers nor suggests it as plain text.
  input.form.addEventListener("submit", () => show(false));
}

for (const again of document.querySelectorAll("input[data-same-as]")) {
  const first = document.getElementById(again.dataset.sameAs);
  const compare = () => {
    again.setCustomValidity(again.value === first.value ? "" : again.dataset.differs);
  };
  again.addEventListener("input", compare);
  first.addEventListener("input", compare);
}

const insecure = document.getElementById("insecure");
if (insecure && !window.isSecureContext) {
  insecure.hidden = false;
}
