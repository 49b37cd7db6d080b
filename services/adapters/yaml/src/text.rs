//! From bytes to text.

/// Why bytes are no text. Names the first line, from 1, that is none.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// It should be UTF-8.
    #[error("line {line} is not text: it is not UTF-8")]
    Utf8 {
        /// The line.
        line: usize,
    },
    /// It begins like UTF-16.
    #[error("line {line} is not text: it begins like UTF-16, and is not")]
    Utf16 {
        /// The line.
        line: usize,
    },
    /// Nobody writes it.
    #[error("it is UTF-32: write it as UTF-8")]
    Utf32,
}

/// The text of a stream in UTF-8 or UTF-16, without its byte order mark. Without one, the
/// encoding shows in the first character, which is of ASCII (YAML 1.2.2, 5.2).
///
/// # Errors
/// [`TextError`], with the line.
pub fn text(bytes: &[u8]) -> Result<String, TextError> {
    match bytes {
        [0, 0, 0xFE, 0xFF, ..] | [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0, _, ..] | [_, 0, 0, 0, ..] => {
            Err(TextError::Utf32)
        }
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0, _, ..] => utf16(bytes, u16::from_be_bytes),
        [_, 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        all => utf8(all),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, TextError> {
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let before = bytes.iter().take(error.valid_up_to());
            Err(TextError::Utf8 { line: before.filter(|b| **b == b'\n').count() + 1 })
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, TextError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    let mut wrong = !rest.is_empty();
    for c in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match c {
            Ok(c) => text.push(c),
            Err(_) => {
                wrong = true;
                break;
            }
        }
    }
    match wrong {
        true => Err(TextError::Utf16 { line: text.matches('\n').count() + 1 }),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_byte_order_mark_belongs_to_no_content() {
        for written in ["a: ü\n", "a: \u{1F680}\n"] {
            let marked = format!("\u{FEFF}{written}");
            for stream in [written, &marked] {
                assert_eq!(text(stream.as_bytes()).unwrap(), written);
                assert_eq!(text(&utf16(stream, u16::to_le_bytes)).unwrap(), written);
                assert_eq!(text(&utf16(stream, u16::to_be_bytes)).unwrap(), written);
            }
        }
        assert_eq!(text(b"").unwrap(), "");
    }

    #[test]
    fn what_is_no_text_is_named_with_its_line() {
        let refused = |bytes: &[u8]| text(bytes).unwrap_err().to_string();
        assert!(refused(b"a: b\nc: \xff\n").starts_with("line 2 is not text"));
        let cut = utf16("a: b\n", u16::to_le_bytes);
        assert!(refused(&cut[..7]).starts_with("line 1 is not text: it begins like UTF-16"));
        let half = [utf16("a\n", u16::to_be_bytes), vec![0xD8, 0, 0, b'x']].concat();
        assert!(refused(&half).starts_with("line 2 is not text: it begins like UTF-16"));
        assert!(refused(&[0xFF, 0xFE, 0, 0, b'a', 0, 0, 0]).contains("UTF-32"));
    }
}
