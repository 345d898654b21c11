// Lists with boxes to tick: choose all of a page at once, and say how many are chosen.

const list = document.getElementById("list");
const all = document.getElementById("choose-all");
const count = document.getElementById("chosen-count");

if (list && all) {
  const boxes = [...list.querySelectorAll("input[name=chosen]")];

  const tell = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    if (count) {
      count.textContent = chosen === 0 ? "" : chosen === 1 ? count.dataset.one : count.dataset.many.replace("%s", chosen);
    }
  };

  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) {
      box.checked = all.checked;
    }
    tell();
  });
  list.addEventListener("change", tell);
  // The browser may have kept ticks over a reload.
  tell();
}
