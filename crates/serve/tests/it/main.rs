//! What the programs' server promises, as one program.
#![allow(clippy::unwrap_used)]

mod assets;
mod licences;
mod logs;
mod protect;
mod serving;
