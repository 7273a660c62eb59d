//! Whether a commit waits for the disk.

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// SQLite's `synchronous=FULL`, Postgres' `synchronous_commit=on`: what `send` acknowledged
    /// survives a loss of power.
    #[default]
    Full,
    /// `synchronous=NORMAL`, `synchronous_commit=off`: survives a crash of the process, but a loss of
    /// power, or a crash of Postgres, may lose the last moments before it. Allows several times as many
    /// commits a second.
    Normal,
}
