// Follows the start of a server over server-sent events.
//
// The page comes with the steps known when it was made, and the stream tells them all again from the first; each has an
// id, and one that is on the page already is not appended. The hub may be restarted meanwhile: the stream is opened again
// until it answers, and what it repeats is recognised in the same way.

const RETRY_FIRST = 1000;
const RETRY_LONGEST = 5000;
const RELOAD_NO_SOONER_THAN = 1500;
const LOG_PERIOD = 2000;

const card = document.getElementById("progress");
if (card) {
  follow(card);
}

function follow(card) {
  const { eventsUrl, nextUrl, logUrl, healthUrl, elapsed, lost, place, about } = card.dataset;
  const log = document.getElementById("progress-log");
  const bar = document.getElementById("progress-bar");
  const connection = document.getElementById("progress-connection");
  const seen = new Set([...log.children].map((item) => item.dataset.eventId));
  let stream = null;
  let retryAfter = RETRY_FIRST;
  let finished = false;

  tick(Number(elapsed));
  showLog(logUrl);
  open();
  // A browser that freezes a page in the background may drop the stream without telling.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && !finished) {
      reopen();
    }
  });
  window.addEventListener("pagehide", () => stream.close());

  function open() {
    stream = new EventSource(eventsUrl);
    stream.onopen = () => {
      retryAfter = RETRY_FIRST;
      sayConnection("");
    };
    stream.onmessage = (event) => take(event);
    stream.onerror = () => {
      if (finished) {
        return;
      }
      sayConnection(lost);
      // The browser tries again by itself, except where the answer was not an event stream (the hub is away or refused).
      if (stream.readyState === EventSource.CLOSED) {
        setTimeout(afterRefusal, retryAfter);
        retryAfter = Math.min(retryAfter * 2, RETRY_LONGEST);
      }
    };
  }

  function reopen() {
    stream.close();
    open();
  }

  async function afterRefusal() {
    if (await hubIsWell()) {
      // It answers, yet has no progress to tell: the server was stopped or is ready. The page itself knows which.
      reload();
    } else {
      reopen();
    }
  }

  async function hubIsWell() {
    try {
      const answer = await fetch(healthUrl, { cache: "no-store", signal: AbortSignal.timeout(RETRY_LONGEST) });
      return answer.ok;
    } catch {
      return false;
    }
  }

  function take(event) {
    let step;
    try {
      step = JSON.parse(event.data);
    } catch {
      return;
    }
    if (typeof step.progress === "number") {
      bar.value = step.progress;
      bar.textContent = `${step.progress} %`;
    }
    showPlace(step.queue);
    if (!step.queue) {
      append(event.lastEventId, step.shown ?? step.message);
    }
    if (step.ready) {
      finish();
      goTo(nextUrl || step.url);
    } else if (step.failed) {
      finish();
      reload();
    }
  }

  function append(id, message) {
    if (!message || seen.has(id)) {
      return;
    }
    seen.add(id);
    const item = document.createElement("li");
    item.dataset.eventId = id;
    item.textContent = message;
    log.append(item);
  }

  // Where the start stands in the queue is said in one place that changes, not in ever more lines.
  function showPlace(queue) {
    const shown = document.getElementById("progress-queue");
    shown.hidden = !queue?.position;
    if (shown.hidden) {
      return;
    }
    const parts = [place.replace("{position}", queue.position)];
    if (typeof queue.seconds === "number") {
      parts.push(about.replace("{time}", inWords(queue.seconds)));
    }
    shown.textContent = parts.join(", ");
  }

  function finish() {
    finished = true;
    stream.close();
    sayConnection("");
  }

  function sayConnection(text) {
    connection.textContent = text;
    connection.hidden = text === "";
  }
}

// What the server writes, looked at again every two seconds while somebody has it open.
function showLog(url) {
  const details = document.getElementById("server-log");
  const lines = details.querySelector("pre");
  details.hidden = false;
  const look = async () => {
    try {
      const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(LOG_PERIOD * 2) });
      const text = answer.ok ? await answer.text() : lines.textContent;
      if (text !== lines.textContent) {
        const atEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 4;
        lines.textContent = text;
        lines.scrollTop = atEnd ? lines.scrollHeight : lines.scrollTop;
      }
    } catch {
      // The hub is away; the page says so already.
    }
  };
  details.addEventListener("toggle", () => {
    if (details.open) {
      look();
    }
  });
  setInterval(() => {
    if (details.open && !document.hidden) {
      look();
    }
  }, LOG_PERIOD);
}

function inWords(seconds) {
  const [count, unit] = seconds < 60 ? [seconds, "second"] : [Math.round(seconds / 60), "minute"];
  return new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" }).format(count);
}

function goTo(url) {
  const target = new URL(url, location.href);
  if (target.protocol === "http:" || target.protocol === "https:") {
    location.replace(target);
  }
}

// Not at once after the page was loaded, so that a page which cannot settle does not reload without pause.
function reload() {
  const look = () => {
    // A form that is on its way, such as "Stop it", leads to another page anyway; a reload would cut it off.
    if (!document.querySelector("form[aria-busy]")) {
      location.reload();
    }
  };
  setTimeout(look, Math.max(0, RELOAD_NO_SOONER_THAN - performance.now()));
}

function tick(elapsed) {
  const place = document.getElementById("progress-elapsed");
  const start = performance.now() - elapsed * 1000;
  const show = () => {
    const seconds = Math.floor((performance.now() - start) / 1000);
    place.textContent = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  };
  show();
  setInterval(show, 1000);
}
