//! What a page shows of an output, beside the output.

/// How far numbers may be from those on the page: instruction sets differ in the last digits, and in an iteration or
/// two.
const TOLERANCE: f64 = 0.05;
/// Below this a loss or a residual is rounding errors, of any size.
const NOTHING: f64 = 1e-9;

/// How the numbers of an output have to do with those on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// They are the same but for the last digits, if they are no times.
    Close,
    /// They are others: the command was made smaller.
    Free,
}

/// A line in which `#` stands for each number and one space for any, and the numbers; none for a time, which may be
/// any.
fn parts(line: &str) -> (String, Vec<Option<f64>>) {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    // A short time has another unit on another machine.
    let line = [" ms", " us"].iter().fold(line, |line, unit| line.replace(&format!("{unit},"), " s,"));
    let line = [" ms", " us"].iter().fold(line, |line, unit| match line.strip_suffix(unit) {
        Some(start) => format!("{start} s"),
        None => line,
    });
    let line = ["avx512", "avx2", "neon", "scalar"].iter().fold(line, |line, isa| line.replace(isa, "ISA"));
    let (mut words, mut numbers) = (String::new(), Vec::new());
    let mut rest = &*line;
    while let Some(first) = rest.chars().next() {
        let len = number_len(rest, words.chars().last());
        if len == 0 {
            words.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let number = rest[..len].replace(',', "");
        rest = &rest[len..];
        let is_measured = ["s ", "s,", "threads", "samples/s"].iter().any(|unit| rest.trim_start().starts_with(unit));
        let is_measured = is_measured || rest.trim_start() == "s";
        numbers.push((!is_measured).then(|| number.parse().unwrap()));
        words.push('#');
    }
    (words, numbers)
}

/// Bytes of the number that `text` starts with; 0 if it starts with none.
fn number_len(text: &str, before: Option<char>) -> usize {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut len = usize::from(bytes[0] == b'-' && before.is_none_or(|before| !before.is_alphanumeric()));
    if !digit(len) {
        return 0;
    }
    let digits = |from: usize| (from..).take_while(|&at| digit(at)).count();
    while digit(len) || (bytes.get(len) == Some(&b',') && digits(len + 1) == 3) {
        len += 1;
    }
    if bytes.get(len) == Some(&b'.') {
        len += if digit(len + 1) { 1 + digits(len + 1) } else { 0 };
    }
    if bytes.get(len) == Some(&b'e') {
        let sign = usize::from(bytes.get(len + 1) == Some(&b'-'));
        len += if digit(len + 1 + sign) { 1 + sign + digits(len + 1 + sign) } else { 0 };
    }
    len
}

/// Whether this line of an output is the one on the page.
fn is_like(shown: &str, printed: &str, numbers: Numbers) -> bool {
    let ((words, expected), (printed_words, found)) = (parts(shown), parts(printed));
    let same_words = match words.strip_suffix("...") {
        Some(start) => printed_words.starts_with(start.trim_end()),
        None => printed_words == words,
    };
    let close = |(a, b): (&Option<f64>, &Option<f64>)| {
        let (Some(a), Some(b)) = (a, b) else { return true };
        let larger = a.abs().max(b.abs());
        (a - b).abs() <= TOLERANCE * larger || larger < NOTHING
    };
    same_words && (numbers == Numbers::Free || expected.iter().zip(&found).all(close))
}

/// The first line of those on the page that the output does not have, in their order; the output may have more lines.
/// A line of nothing but `...` stands for any.
pub fn missing<'a>(shown: &'a [String], printed: &str, numbers: Numbers) -> Option<&'a str> {
    let mut printed = printed.lines();
    let lines = shown.iter().map(String::as_str).filter(|line| !["", "..."].contains(&line.trim()));
    lines.into_iter().find(|line| !printed.any(|printed| is_like(line, printed, numbers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_differ_in_the_last_digits_and_words_may_not() {
        let shown = "loss 5.32e-3  after 1,801,027 steps of -2.54, 0.0 s, avx512, x_19 of 2d+2";
        let (words, numbers) = parts(shown);
        assert_eq!(words, "loss # after # steps of #, # s, ISA, x_# of #d+#");
        assert_eq!(numbers, [Some(5.32e-3), Some(1_801_027.0), Some(-2.54), None, Some(19.0), Some(2.0), Some(2.0)]);
        let like = |printed: &str| is_like(shown, printed, Numbers::Close);
        assert!(like("loss 5.33e-3 after 1,801,028 steps of -2.54, 9.7 s, scalar, x_19 of 2d+2"));
        assert!(!like("loss 6.32e-3 after 1,801,028 steps of -2.54, 9.7 s, scalar, x_19 of 2d+2"));
        assert!(!like("less 5.32e-3 after 1,801,027 steps of -2.54, 0.0 s, avx512, x_19 of 2d+2"));
        assert!(is_like("loss 1e-16", "loss 3.5e-15", Numbers::Close));
        assert!(is_like("n = 4", "n = 60,000", Numbers::Free) && !is_like("n = 4", "n = 5", Numbers::Close));
        assert!(is_like("one, two ...", "one, two and more", Numbers::Close));
    }

    #[test]
    fn the_lines_of_the_page_are_found_in_their_order() {
        let shown = ["a 1".to_owned(), "...".to_owned(), "c 3".to_owned()];
        assert_eq!(missing(&shown, "a 1\nb 2\nc 3\nd 4", Numbers::Close), None);
        assert_eq!(missing(&shown, "c 3\na 1", Numbers::Close), Some("c 3"));
    }
}
