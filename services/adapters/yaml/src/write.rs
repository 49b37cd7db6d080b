//! Values as YAML that readers of its versions 1.1 and 1.2 understand alike.

use crate::Error;
use serde::Serialize;
use serde_yaml_ng::Value;

/// A value as a YAML document. A string that some reader takes for a boolean, a number, a time
/// or nothing stands in quotes.
///
/// # Errors
/// Where the value has no such form.
pub fn to_string(value: &impl Serialize) -> Result<String, Error> {
    let mut value = serde_yaml_ng::to_value(value)?;
    let plain = serde_yaml_ng::to_string(&value)?;
    // The library quotes what YAML 1.2 takes for something else, and no more. Other strings get a
    // letter that stands nowhere else on both sides. They are written as they are then, for they
    // have nothing in them that needs quotes; so the letters can become quotes.
    let unused = ('\u{E000}'..='\u{F8FF}').find(|letter| !plain.contains(*letter));
    let unused = unused.ok_or_else(|| {
        <Error as serde::ser::Error>::custom("each letter of private use is in the value")
    })?;
    if !mark(&mut value, unused) {
        return Ok(plain);
    }
    Ok(serde_yaml_ng::to_string(&value)?.replace(unused, "'"))
}

/// Puts a letter on both sides of each string that is ambiguous; whether there was one.
fn mark(value: &mut Value, letter: char) -> bool {
    match value {
        Value::String(text) if is_ambiguous(text) => {
            *text = format!("{letter}{text}{letter}");
            true
        }
        Value::Sequence(all) => {
            let mut found = false;
            for one in all {
                found |= mark(one, letter);
            }
            found
        }
        Value::Mapping(all) => {
            let mut found = false;
            let entries = std::mem::take(all).into_iter();
            *all = entries
                .map(|(mut key, mut value)| {
                    found |= mark(&mut key, letter);
                    found |= mark(&mut value, letter);
                    (key, value)
                })
                .collect();
            found
        }
        Value::Tagged(tagged) => mark(&mut tagged.value, letter),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What YAML 1.1 (its types bool, null, value, merge) and 1.2 have words for, in small letters.
const WORDS: [&str; 13] =
    ["~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<", ""];

fn is_ambiguous(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let number = text.trim_start_matches(['+', '-']);
    WORDS.contains(&text.as_str()) || [".inf", ".nan"].contains(&number) || is_like_number(number)
}

/// Whether it could be a number, a time or a date: more than is one, but no address and no
/// version, of which one sees many.
fn is_like_number(text: &str) -> bool {
    let digits = text.strip_prefix('.').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_hexdigit() || "_,.:+-xotz ".contains(c))
        && text.matches('.').count() < 2
        // What is quoted as it is.
        && !text.contains(": ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    fn written(text: &str) -> String {
        to_string(&BTreeMap::from([("a", text)])).unwrap().trim_end().to_owned()
    }

    #[test]
    fn what_a_reader_might_take_for_something_else_stands_in_quotes() {
        for text in [
            "no",
            "No",
            "on",
            "y",
            "null",
            "~",
            "true",
            "2026-11-28",
            "2026-11-28T10:00:00Z",
            "2026-11-28 10:00:00 +1",
            "1e3",
            "1E+3",
            "0x1f",
            "007",
            "0o17",
            "0b101",
            "123",
            "-1",
            "+1_000",
            "1,000",
            "12:30",
            "1:30.5",
            ".5",
            "5.",
            "-.inf",
            ".NaN",
            "=",
            "<<",
            "",
        ] {
            assert_eq!(written(text), format!("a: '{text}'"));
        }
    }

    #[test]
    fn what_nobody_misreads_stands_as_it_is() {
        for text in ["test", "cp-1", "10.0.1.7", "v1.36.3", "10.244.0.0/16", "nobody", "1password"]
        {
            assert_eq!(written(text), format!("a: {text}"));
        }
    }

    #[test]
    fn what_is_written_is_read_back_keys_too() {
        let awkward = [
            "12: 30",
            "# no",
            "no # no",
            "- no",
            "'no'",
            "\"no\"",
            "a\nno\n",
            "\u{E000}no\u{E000}",
            " no",
            "no ",
            "{no}",
            "[no",
            "!no",
            "&no",
            "*no",
            "%no",
            "@no",
            "`no",
            "no:",
            "?",
            "-",
        ];
        let words = ["no", "1e3", "2026-11-28", "12:"];
        let all: BTreeMap<&str, &str> =
            awkward.iter().chain(&words).map(|text| (*text, *text)).collect();
        let text = to_string(&(&all, Some(1), true)).unwrap();
        let value = serde_yaml_ng::to_value((&all, Some(1), true)).unwrap();
        assert_eq!(serde_yaml_ng::from_str::<Value>(&text).unwrap(), value, "{text}");
        assert!(text.contains("'no': 'no'"), "{text}");
    }
}
