// The form for a server's options shows what was entered, or chosen the last time.

const form = document.getElementById("spawn_form");
const chosen = JSON.parse(form.dataset.chosen);
// What was entered tells of boxes that were not checked, too; other options may come from elsewhere.
const whole = "all" in form.dataset;
const NEVER_FILLED = new Set(["hidden", "password", "file", "submit", "button", "reset", "image"]);

function fill(field, values) {
  if (field.type === "checkbox" || field.type === "radio") {
    field.checked = values.includes(field.value);
  } else if (field.type === "select-multiple") {
    for (const option of field.options) {
      option.selected = values.includes(option.value);
    }
  } else if (field.type === "select-one") {
    if ([...field.options].some((option) => option.value === values[0])) {
      field.value = values[0];
    }
  } else if (values.length > 0) {
    field.value = values.shift();
  }
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

for (const field of form.elements) {
  const known = Object.hasOwn(chosen, field.name);
  if (field.name && (known || whole) && !NEVER_FILLED.has(field.type)) {
    fill(field, known ? chosen[field.name] : []);
  }
}
