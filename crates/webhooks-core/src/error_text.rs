//! Errors that `main` returns are printed with `Debug`: ours print their sentence there, too.

/// Makes `Debug` of an error print the sentence that `Display` writes.
macro_rules! debug_is_display {
    ($($error:ty),+ $(,)?) => {
        $(impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        })+
    };
}

pub(crate) use debug_is_display;
