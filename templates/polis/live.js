// Hears what arrives and renews the page: at once for one request, less often in a burst.
import { chosen, detail, lost, renew, say } from "./pages.js";

const PAUSE_MS = 80;

let waiting = false; // for a renewal that is to come
let again = false; // something came while a renewal was under way
let wantsDetail = false;
let arrived = 0;
let last = 0;

async function run() {
  const begun = performance.now();
  const withDetail = wantsDetail;
  const [count, id] = [arrived, last];
  again = wantsDetail = false;
  arrived = 0;
  try {
    await renew(withDetail);
    if (count === 1) say(`#${id} arrived`);
    if (count > 1) say(`${count} arrived, the newest is #${id}`);
  } catch {
    lost();
  }
  // A server that is busy is asked less often.
  if (again) setTimeout(run, PAUSE_MS + (performance.now() - begun));
  else waiting = false;
}

function soon() {
  if (waiting) again = true;
  else {
    waiting = true;
    setTimeout(run, PAUSE_MS);
  }
}

function heard(event) {
  const request = JSON.parse(event.data || "{}");
  const delivery = detail().querySelector("#timeline")?.dataset.delivery;
  wantsDetail ||= event.type === "reset" || request.id === chosen() ||
    (delivery !== undefined && request.delivery?.id === delivery);
  if (event.type === "arrived") {
    arrived += 1;
    last = Math.max(last, request.id);
  }
  soon();
}

export function startLive() {
  const list = document.getElementById("list");
  if (!list) {
    say("");
    return;
  }
  // From where the page was made: nothing that came since is missed.
  const query = new URLSearchParams({ last_event_id: list.dataset.change, token: list.dataset.token });
  const source = new EventSource(`/api/events?${query}`);
  for (const name of ["arrived", "answered", "removed", "reset"]) source.addEventListener(name, heard);
  source.addEventListener("open", () => say("live"));
  source.addEventListener("error", lost);
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}
