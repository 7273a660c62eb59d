//! The endpoint you debug webhooks with.

fn main() -> std::process::ExitCode {
    polis::main()
}
