//! What an app's own statements may do in a transaction of the engine: SQLite's authorizer.
//!
//! The app writes its own tables, and the outbox table. Our tables are read-only for it, and it may
//! neither end the transaction nor change how the connection stores things. SQLite calls the authorizer
//! while a statement is prepared, so a statement that is used again costs nothing.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};

use super::version;

/// The table that apps fill themselves.
const OUTBOX: &str = "webhooks_outbox";
/// Pragmas that only read, or that set what belongs to the app. All others are refused; they include those
/// that change how, or whether, a commit reaches the disk.
const PRAGMAS: [&str; 21] = [
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "defer_foreign_keys",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    // The app may limit how large its file grows.
    "max_page_count",
    "page_count",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];
/// Distinguishes an app's statements from the engine's, and refuses some of the app's.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    state: Arc<State>,
}

/// Whose statements are being prepared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Author {
    App,
    Engine,
}

#[derive(Default)]
struct State {
    /// The statements that are being prepared are the app's.
    app: AtomicBool,
    /// Why the last one was refused.
    refusal: Mutex<Option<String>>,
}

/// What `Connection::authorizer` returns: nothing in older versions of rusqlite.
trait Installed {
    fn checked(self) -> rusqlite::Result<()>;
}

impl Installed for () {
    fn checked(self) -> rusqlite::Result<()> {
        Ok(())
    }
}

impl Installed for rusqlite::Result<()> {
    fn checked(self) -> rusqlite::Result<()> {
        self
    }
}

impl Guard {
    /// Puts the guard in front of every statement of this connection.
    pub(crate) fn install(connection: &mut Connection) -> rusqlite::Result<Self> {
        let guard = Self::default();
        let state = Arc::clone(&guard.state);
        connection
            .authorizer(Some(move |tx: AuthContext<'_>| state.judge(&tx)))
            .checked()?;
        Ok(guard)
    }

    /// What `work` prepares is the app's.
    pub(crate) fn app<T>(&self, work: impl FnOnce() -> T) -> T {
        self.run_as(Author::App, work)
    }

    /// What `work` prepares is the engine's.
    pub(crate) fn engine<T>(&self, work: impl FnOnce() -> T) -> T {
        self.run_as(Author::Engine, work)
    }

    fn run_as<T>(&self, author: Author, work: impl FnOnce() -> T) -> T {
        /// Even if the app's closure panics.
        struct Back<'a>(&'a State, bool);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.app.store(self.1, Ordering::Relaxed);
            }
        }
        let before = self
            .state
            .app
            .swap(author == Author::App, Ordering::Relaxed);
        let _back = Back(&self.state, before);
        work()
    }

    /// `error` with the reason, if it says that a statement was refused.
    pub(crate) fn explained(&self, error: rusqlite::Error) -> rusqlite::Error {
        if error.sqlite_error_code() != Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) {
            return error;
        }
        let Some(reason) = self.state.refusal.lock().take() else {
            return error;
        };
        rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_AUTH),
            Some(reason),
        )
    }
}

impl State {
    fn judge(&self, tx: &AuthContext<'_>) -> Authorization {
        if !self.app.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        let Some(reason) = refusal(&tx.action) else {
            return Authorization::Allow;
        };
        tracing::warn!(reason, "a statement of the app was refused");
        *self.refusal.lock() = Some(reason);
        Authorization::Deny
    }
}

/// Why the app may not do this; `None` if it may.
fn refusal(action: &AuthAction<'_>) -> Option<String> {
    match *action {
        AuthAction::Transaction { .. } => Some(
            "begin, commit and rollback are refused: the engine begins and ends the transaction; \
             return an error to roll it back"
                .to_owned(),
        ),
        AuthAction::Savepoint { .. } => Some(
            "savepoints are refused in SQL, because events sent within one would not be rolled back \
             with it; use Transaction::savepoint"
                .to_owned(),
        ),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some(
            "attach and detach are refused: the connection belongs to the engine".to_owned(),
        ),
        AuthAction::Pragma { pragma_name, .. } => refused_pragma(pragma_name),
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => {
            if table_name.eq_ignore_ascii_case(OUTBOX) {
                return None;
            }
            refused_table(table_name)
        }
        AuthAction::CreateIndex { table_name, .. }
        | AuthAction::CreateTempTrigger { table_name, .. }
        | AuthAction::CreateTrigger { table_name, .. }
        | AuthAction::DropIndex { table_name, .. }
        | AuthAction::DropTrigger { table_name, .. }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::Analyze { table_name }
        | AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name } => refused_table(table_name),
        AuthAction::Reindex { index_name } => refused_table(index_name),
        _ => None,
    }
}

fn refused_table(name: &str) -> Option<String> {
    version::is_ours(name)
        .then(|| format!("{name} belongs to the library: you may read it, but not write it"))
}

fn refused_pragma(name: &str) -> Option<String> {
    let allowed = PRAGMAS
        .into_iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(name));
    (!allowed).then(|| {
        format!("pragma {name} is refused in a transaction: the connection belongs to the engine; use a connection of the app")
    })
}
