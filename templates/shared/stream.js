// Follows a program's event stream. Browsers allow a host six connections, and a stream keeps one
// for good: the seventh tab would never load. So a tab that nobody sees lets its stream go, and of
// the tabs that are seen one listens and passes on what it hears.

const RETRY_MS = 2000; // After an answer that a browser does not try again by itself.

// Connects, and tells what it hears.
class Connection {
  constructor(url, names, tell) {
    Object.assign(this, { url, names, tell });
    this.connect();
  }

  connect() {
    this.source = new EventSource(this.url);
    for (const name of this.names) {
      this.source.addEventListener(name, (event) => this.tell(name, event.data));
    }
    this.source.addEventListener("error", () => {
      if (this.source.readyState === EventSource.CLOSED) this.timer = setTimeout(() => this.connect(), RETRY_MS);
    });
  }

  // Somebody new wants the stream's beginning, which may be on its way anyhow.
  again() {
    if (this.source.readyState !== EventSource.OPEN) return;
    this.source.close();
    this.connect();
  }

  close() {
    clearTimeout(this.timer);
    this.source.close();
  }
}

// Listens, or hears from the tab that does. Returns what ends it.
function join(url, heard) {
  const names = Object.keys(heard);
  const hear = (name, data) => heard[name](data);
  // Browsers have no locks for pages that come unencrypted from another machine.
  if (!navigator.locks) {
    const own = new Connection(url, names, hear);
    return () => own.close();
  }
  const topic = `stream ${url}`;
  const channel = new BroadcastChannel(topic);
  const left = new AbortController();
  let connection = null;
  const lead = () => new Promise((done) => {
    connection = new Connection(url, names, (name, data) => {
      channel.postMessage([name, data]);
      hear(name, data);
    });
    left.signal.addEventListener("abort", () => {
      connection.close();
      done();
    });
  });
  channel.addEventListener("message", ({ data: [name, data] }) => {
    if (name === "joined") connection?.again();
    else hear(name, data);
  });
  navigator.locks.request(topic, { signal: left.signal }, lead).catch(() => {}); // Left before its turn.
  channel.postMessage(["joined"]);
  return () => {
    left.abort();
    channel.close();
  };
}

// Calls `heard.NAME(data)` for each event of that name, and `heard.open()` whenever the stream has
// begun anew, which it does for a tab that is loaded or seen again, too: what happened before must
// be caught up with then. `heard.error()` is called while nothing can be heard.
export function follow(url, heard) {
  let leave = null;
  const end = () => {
    leave?.();
    leave = null;
  };
  const look = () => {
    if (document.hidden) end();
    else leave ??= join(url, heard);
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("pageshow", look);
  addEventListener("pagehide", end);
  look();
}
