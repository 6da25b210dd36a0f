//! Quantities as people write and read them: byte sizes in, short numbers and durations out.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount of memory. Read from `512MiB`, `4G`, `2GB` or plain bytes; written so that it reads back the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A byte size that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount of memory; write bytes or a unit, as in 4GiB, 512M or 2GB")]
pub struct ByteSizeError(String);

/// Units, longest first. A bare letter is a power of 1024, as in `ulimit` and `dd`, and so is `Ki`, as in Kubernetes;
/// `KB` and its kin are powers of 1000.
const UNITS: [(&str, u64); 17] = [
    ("TIB", 1 << 40),
    ("GIB", 1 << 30),
    ("MIB", 1 << 20),
    ("KIB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("TI", 1 << 40),
    ("GI", 1 << 30),
    ("MI", 1 << 20),
    ("KI", 1 << 10),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let refused = || ByteSizeError(text.to_owned());
        let upper = text.trim().to_ascii_uppercase();
        let (digits, unit) = UNITS
            .iter()
            .find_map(|&(suffix, unit)| Some((upper.strip_suffix(suffix)?, unit)))
            .unwrap_or((upper.as_str(), 1));
        let digits = digits.trim_end();
        if let Ok(count) = digits.parse::<u64>() {
            return count.checked_mul(unit).map(Self).ok_or_else(refused);
        }
        let bytes = digits.parse::<f64>().map_err(|_| refused())? * unit as f64;
        if !(0.0..i64::MAX as f64).contains(&bytes) {
            return Err(refused());
        }
        Ok(Self(bytes.round() as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of memory such as \"4GiB\", or bytes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes).map(ByteSize).map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A count with its thousands apart: `60,000`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount of memory to be read by people, in MiB unless that is less than one: `179.4 MiB`, `5.6 KiB`, `96 bytes`.
pub fn mebibytes(bytes: u64) -> String {
    let amount = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" }),
        1024..1_048_576 => format!("{:.1} KiB", amount / 1024.0),
        _ => format!("{:.1} MiB", amount / 1_048_576.0),
    }
}

/// A number of threads: `1 thread`, `2 threads`.
pub fn threads(count: usize) -> String {
    format!("{count} thread{}", if count == 1 { "" } else { "s" })
}

/// A part of a whole, 0 only if it is: `86 %`, `3.2 %`, `0.014 %`.
pub fn percent(part: f64) -> String {
    match 100.0 * part {
        x if x.abs() >= 9.95 => format!("{x:.0} %"),
        x if x.abs() >= 0.0995 => format!("{x:.1} %"),
        x => format!("{} %", number(x)),
    }
}

/// A number in scientific notation with three significant digits: `1.23e-6`.
pub fn scientific(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.2e}") }
}

/// A number with three significant digits, in the plain form where that is the shorter one: `1.21`, `0.0342`,
/// `1.23e-6`.
pub fn number(value: f64) -> String {
    let plain = |decimals: usize| format!("{value:.decimals$}");
    match value.abs() {
        // 999.5 and up would round to four digits; they are as readable without decimals.
        x if (99.95..1e5).contains(&x) => plain(0),
        x if (9.995..99.95).contains(&x) => plain(1),
        x if (0.9995..9.995).contains(&x) => plain(2),
        x if (0.09995..0.9995).contains(&x) => plain(3),
        x if (0.01..0.09995).contains(&x) => plain(4),
        _ => scientific(value),
    }
}

/// A span of time at the precision that people care about, 0 only if it is: `3.1 ms`, `0.42 s`, `12.3 s`, `2 min 31 s`,
/// `1 h 02 min`, `3 d 04 h`.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    if span > Duration::ZERO && seconds < 0.0095 {
        let milliseconds = 1e3 * seconds;
        return if milliseconds < 0.095 { format!("{:.1} us", 1e6 * seconds) } else { format!("{milliseconds:.1} ms") };
    }
    if seconds < 1.0 {
        return format!("{seconds:.2} s");
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match (days, hours) {
        (0, 0) => format!("{minutes} min {:02} s", whole % 60),
        (0, _) => format!("{hours} h {:02} min", minutes % 60),
        _ => format!("{days} d {:02} h", hours % 24),
    }
}

/// A text of at most so many characters: a longer one without its middle.
pub fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= longest {
        return text.into();
    }
    let half = longest.saturating_sub(3) / 2;
    let (begin, end) = (text.chars().take(half), text.chars().skip(length - half));
    begin.chain("...".chars()).chain(end).collect()
}

/// [`duration`] with four digits, for times that stand beside each other: `2.500 ms`.
pub fn measured(seconds: f64) -> String {
    match seconds {
        value if value >= 59.9995 => duration(Duration::from_secs_f64(value)),
        value if value >= 1.0 => format!("{value:.3} s"),
        value if value >= 1e-3 => format!("{:.3} ms", 1e3 * value),
        value => format!("{:.2} us", 1e6 * value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_shown_without_its_middle() {
        assert_eq!((shortened("short", 5), shortened("too long for it", 9)), ("short".into(), "too... it".into()));
    }

    #[test]
    fn byte_sizes_are_read_in_every_customary_form() {
        let cases = [
            ("0", 0),
            ("1234", 1234),
            ("1k", 1024),
            ("4GiB", 4 << 30),
            ("4Gi", 4 << 30),
            ("512 mi", 512 << 20),
            ("1.5Ti", 3 << 39),
            ("7Ki", 7 << 10),
            ("4 gib", 4 << 30),
            ("512M", 512 << 20),
            ("2GB", 2_000_000_000),
            ("1.5KiB", 1536),
            ("7B", 7),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn nonsense_byte_sizes_are_refused() {
        for text in
            ["", "GiB", "-1G", "4 apples", "nan", "inf", "1e300", "99999999999999999999", "18446744073709551615K"]
        {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn byte_sizes_read_back_as_written() {
        for bytes in [0, 1, 1023, 1024, 1536, 1 << 20, 3 << 30, (1 << 40) + 1, 5 << 40] {
            let text = ByteSize(bytes).to_string();
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        assert_eq!(ByteSize(3 << 30).to_string(), "3GiB");
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (60_000, "60,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(count), text);
        }
    }

    #[test]
    fn what_is_not_nothing_is_not_written_as_0() {
        let memory = [(0, "0 bytes"), (1, "1 byte"), (960, "960 bytes"), (5760, "5.6 KiB"), (188_160_000, "179.4 MiB")];
        for (bytes, text) in memory {
            assert_eq!(mebibytes(bytes), text);
        }
        for (part, text) in [(0.86, "86 %"), (0.0995, "10 %"), (0.032, "3.2 %"), (0.000_14, "0.0140 %"), (0.0, "0 %")] {
            assert_eq!(percent(part), text);
        }
        assert_eq!([1, 2].map(threads), ["1 thread", "2 threads"]);
    }

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0, "0"),
            (1.234e-6, "1.23e-6"),
            (1.2149, "1.21"),
            (0.0342, "0.0342"),
            (0.09994, "0.0999"),
            (0.09996, "0.100"),
            (0.01, "0.0100"),
            (-27.51, "-27.5"),
            (235.2, "235"),
            (1.5e9, "1.50e9"),
            (0.9999, "1.00"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn durations_change_unit_without_a_gap() {
        let cases = [
            (0.0, "0.00 s"),
            (0.000_031_2, "31.2 us"),
            (0.003_14, "3.1 ms"),
            (0.0094, "9.4 ms"),
            (0.0095, "0.01 s"),
            (0.42, "0.42 s"),
            (12.34, "12.3 s"),
            (59.94, "59.9 s"),
            (59.96, "1 min 00 s"),
            (151.0, "2 min 31 s"),
            (3599.6, "1 h 00 min"),
            (3725.0, "1 h 02 min"),
            (273_600.0, "3 d 04 h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn fractions_of_a_second_carry_the_unit_that_fits() {
        let texts = ["1 min 15 s", "2.500 s", "2.500 ms", "2.50 us"];
        assert_eq!([75.2, 2.5, 0.0025, 0.0000025].map(measured), texts);
    }
}
