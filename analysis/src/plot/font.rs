//! The font of the pictures: which characters it has, how wide a text is, and what stands for a character that it
//! lacks.

use std::borrow::Cow;
use std::sync::LazyLock;

use ab_glyph::{Font, FontRef};
use plotters::style::{FontStyle, IntoFont};

use super::PlotError;

/// Fonts that viewers of the SVG choose from; the first is the one built in.
pub(super) const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
/// A subset of DejaVu Sans; `assets/DejaVuSans-LICENSE.txt` says which.
const FILE: &[u8] = include_bytes!("../../assets/DejaVuSans-subset.ttf");

/// The font, once plotters knows it too.
static BUILT_IN: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| {
    plotters::style::register_font(FONT, FontStyle::Normal, FILE).ok()?;
    FontRef::try_from_slice(FILE).ok()
});

/// Makes the built-in font known to plotters, once.
///
/// # Errors
/// If the font is unreadable.
pub(super) fn register() -> Result<(), PlotError> {
    match *BUILT_IN {
        Some(_) => Ok(()),
        None => Err(PlotError::Draw("the built-in font is unreadable".to_owned())),
    }
}

/// Whether the built-in font has a character.
pub fn has(letter: char) -> bool {
    BUILT_IN.as_ref().is_some_and(|font| font.glyph_id(letter).0 != 0)
}

/// A text in which a sign stands for every character that could not be seen: those that the built-in font lacks, where
/// it is the only one, and control characters, which no SVG may have.
pub(super) fn visible(text: &str, only_built_in: bool) -> Cow<'_, str> {
    let hidden = |letter: char| letter.is_control() || (only_built_in && !has(letter));
    if text.contains(hidden) {
        Cow::Owned(text.chars().map(|c| if hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The width of a text of this size, in pixels.
pub fn width(text: &str, size: i32) -> f64 {
    if register().is_err() {
        return 0.0;
    }
    // Measured large: plotters rounds to whole pixels.
    const FINER: i32 = 8;
    let measured = (FONT, size * FINER).into_font().box_size(&visible(text, true));
    measured.map_or(0.0, |(width, _)| f64::from(width) / f64::from(FINER))
}

/// As much of a text as has room, with its middle left out: names that a sweep gives differ at the end.
pub(super) fn fitted(text: &str, size: i32, room: f64) -> Cow<'_, str> {
    if width(text, size) <= room {
        return Cow::Borrowed(text);
    }
    let letters: Vec<char> = text.chars().collect();
    let shortened = |kept: usize| {
        let tail = kept / 3;
        let ends = [&letters[..kept - tail], &['\u{2026}'], &letters[letters.len() - tail..]];
        ends.concat().into_iter().collect::<String>()
    };
    // The longest that fits: the width grows with the letters.
    let (mut fits, mut too_long) = (0, letters.len());
    while too_long - fits > 1 {
        let middle = usize::midpoint(fits, too_long);
        if width(&shortened(middle), size) <= room { fits = middle } else { too_long = middle }
    }
    Cow::Owned(shortened(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_what_names_and_formulas_are_written_in() {
        for text in [
            "The quick brown fox 0123456789 ~!@#$%^&*()_+{}|:\"<>?`-=[]\\;',./",
            "\u{2018}\u{2019}\u{201c}\u{201d}\u{2026}\u{2013}\u{2014}\u{2022}\u{20}\u{a0}",
            "äöüßéèçñøåÆœŒšžłőğ¿¡§°µ·×÷±½²³",
            "αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
            "≤≥≠≈≡∑∏∫√∞∂∇∈∉∝−∗⊗⊙ℓℝ→←✓✗",
        ] {
            let missing: String = text.chars().filter(|&letter| !has(letter)).collect();
            assert_eq!(missing, "", "of {text}");
        }
        assert!(has(char::REPLACEMENT_CHARACTER));
    }

    #[test]
    fn what_could_not_be_seen_is_replaced_and_nothing_else() {
        assert_eq!(visible("the paper\u{2019}s λ", true), "the paper\u{2019}s λ");
        assert_eq!(visible("运行 1\t", true), "\u{fffd}\u{fffd} 1\u{fffd}");
        assert_eq!(visible("运行 1\t", false), "运行 1\u{fffd}", "a viewer of the SVG has other fonts");
    }

    #[test]
    fn a_replaced_character_takes_room_and_has_an_outline() {
        assert_eq!(width("运行", 18), width("\u{fffd}\u{fffd}", 18));
        let font = BUILT_IN.as_ref().unwrap();
        assert!(font.outline(font.glyph_id(char::REPLACEMENT_CHARACTER)).is_some());
        assert!(font.outline(font.glyph_id('\u{2019}')).is_some());
    }

    #[test]
    fn a_long_text_keeps_both_its_ends() {
        let name = format!("begin{}end", "x".repeat(500));
        let short = fitted(&name, 18, 200.0);
        assert!(width(&short, 18) <= 200.0 && width(&short, 18) > 180.0, "{short}");
        assert!(short.starts_with("beginx") && short.ends_with("xend") && short.contains('\u{2026}'), "{short}");
        assert_eq!(fitted("short", 18, 200.0), "short");
        assert_eq!(fitted(&name, 18, 0.0), "\u{2026}");
    }
}
