//! Names from outside, as they are shown to people: a file may be called anything, and must not begin a line or command
//! a terminal.

use std::fmt::{self, Display, Formatter, Write};
use std::path::Path;

/// Something from outside that can be shown to people.
pub trait Shown {
    /// As it is; in quotes, with escapes, if there are characters in it that would not be seen, or do something instead
    /// of being shown.
    fn shown(&self) -> impl Display;
}

impl Shown for str {
    fn shown(&self) -> impl Display {
        Name(self.to_owned())
    }
}

impl Shown for Path {
    fn shown(&self) -> impl Display {
        Name(self.to_string_lossy().into_owned())
    }
}

struct Name(String);

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.0.contains(is_unseen) {
            return f.pad(&self.0);
        }
        let mut quoted = String::from('"');
        for c in self.0.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                c => push(&mut quoted, c),
            }
        }
        quoted.push('"');
        f.pad(&quoted)
    }
}

/// Text that may hold words from outside, such as a line of a file: with escapes in the place of characters that
/// command terminals. Ends of lines and tabs stay.
///
/// ```
/// // What would clear the terminal is seen instead.
/// let shown = memorize_data::shown::printable("a\u{1b}[2Jb\n");
/// assert!(!shown.contains('\u{1b}') && shown.starts_with('a') && shown.ends_with("b\n"));
/// ```
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\n' | '\t') { shown.push(c) } else { push(&mut shown, c) }
    }
    shown
}

fn push(text: &mut String, c: char) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        c if is_unseen(c) => {
            let _ = write!(text, "{}", c.escape_unicode());
        }
        c => text.push(c),
    }
}

/// Controls, ends of lines, marks without a width, and those that turn the direction of text.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_it_is_unless_it_does_something() {
        for name in ["runs/a b.npy", "it's \"so\"", "\u{fc}ber/\u{6587}\u{4ef6}", "", "back\\slash"] {
            assert_eq!(Path::new(name).shown().to_string(), name);
        }
        for (name, shown) in [
            ("a\nhint: rm -r x", r#""a\nhint: rm -r x""#),
            ("a\u{1b}[2J", r#""a\u{1b}[2J""#),
            ("\"\r\t\\\u{9b}", r#""\"\r\t\\\u{9b}""#),
            ("gpj.\u{202e}exe", r#""gpj.\u{202e}exe""#),
        ] {
            assert_eq!(name.shown().to_string(), shown);
        }
    }

    #[test]
    fn text_keeps_its_lines() {
        assert_eq!(printable("a\n\tb \u{1b}[31m\r\u{7f}"), "a\n\tb \\u{1b}[31m\\r\\u{7f}");
    }
}
