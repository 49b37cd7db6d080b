//! Text that may be one thing or another.

use std::str::FromStr;

/// A text as a value; none where it is something else. Where it must be such a value, `parse`
/// says what is wrong with it.
#[expect(clippy::disallowed_methods, reason = "that it is something else is the answer")]
pub fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
