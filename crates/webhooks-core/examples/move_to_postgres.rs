//! Moves a store from a file to Postgres.
//!
//! ```console
//! cargo run -p webhooks-core --features postgres --example move_to_postgres -- \
//!     sqlite:webhooks.db postgres://app:password@localhost/shop
//! ```
//!
//! Stop the program that delivers from the file before, and what writes to its outbox table. Afterwards
//! start it with the second address and the same encryption key. One that was interrupted is started
//! again: it goes on where it was.

use webhooks_core::copy;

#[tokio::main]
#[allow(clippy::print_stdout)] // It reports to whoever runs it.
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &addresses[..] else {
        return Err(
            "usage: move_to_postgres sqlite:<file> postgres://<user>:<password>@<host>/<database>"
                .into(),
        );
    };
    let report = copy(from, to).await?;
    for table in report.tables {
        println!("{table}");
    }
    Ok(())
}
