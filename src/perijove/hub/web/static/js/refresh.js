// While a server on this page starts or stops, look again every two seconds, but never take away what someone types.

const PERIOD = 2000;

function mayReload() {
  const typed = [...document.querySelectorAll("main input:not([type=hidden])")].some((input) => input.value !== input.defaultValue);
  const sending = document.querySelector("form[aria-busy]");
  return !typed && !sending && !document.hidden;
}

if (document.querySelector("[data-moving]")) {
  setInterval(() => {
    if (mayReload()) {
      location.reload();
    }
  }, PERIOD);
}
