// Follows a program's event stream. Browsers allow six connections to a host, and a stream keeps
// one forever: the seventh tab would never load. So a hidden tab closes its stream, and of the
// visible tabs one listens and passes on what it receives.

const RETRY_MS = 2000; // After an answer that the browser does not retry by itself.

// Connects, and reports what it receives.
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

  // A new listener needs the stream's beginning, which may be on its way anyway.
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

// Listens, or gets events from the tab that does. Returns a function that ends it.
function join(url, heard) {
  const names = Object.keys(heard);
  const hear = (name, data) => heard[name](data);
  // Browsers offer no locks to pages that come unencrypted from another machine.
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
// started again, as it also does for a tab that is loaded or shown again: the caller must then
// catch up on what happened before. `heard.error()` is called while there is no stream.
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
