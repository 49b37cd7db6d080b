//! Texts from outside that become part of records.

/// The most bytes of such a text that a record keeps.
pub const LONGEST_TEXT: usize = 2048;

/// A text of at most [`LONGEST_TEXT`] bytes. A longer one is cut, and says how long it was.
pub fn shorten(text: String) -> String {
    if text.len() <= LONGEST_TEXT {
        return text;
    }
    let rest = format!("… ({} bytes)", text.len());
    let mut end = LONGEST_TEXT - rest.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{rest}", &text[..end])
}

/// The most characters of a text that a message quotes: what is wrong with it comes after them.
const QUOTED: usize = 80;

/// A text as a message quotes it. Of a longer one the beginning, and how long it is.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_TEXT, quoted, shorten};

    #[test]
    fn a_long_text_is_quoted_in_part() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        let long = quoted(&"ж".repeat(81));
        assert!(long.starts_with("\"жж") && long.ends_with("ж\"… (162 bytes)"), "{long}");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for text in ["x".repeat(LONGEST_TEXT), "ж".repeat(LONGEST_TEXT / 2)] {
            assert_eq!(shorten(text.clone()), text, "it fits");
        }
        for text in ["x".repeat(600_000), "ж".repeat(300_000), format!("x{}", "ж".repeat(300_000))]
        {
            let length = text.len();
            let short = shorten(text);
            assert!(short.len() <= LONGEST_TEXT && short.len() > LONGEST_TEXT - 8);
            assert!(short.ends_with(&format!("… ({length} bytes)")), "{short}");
        }
    }
}
