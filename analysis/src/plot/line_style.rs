//! How the lines of many runs are told apart: by colour and by dashes, on the page as in the pictures.

use plotters::style::RGBColor;

/// Colours that stand out from white; the page has the same, and lighter ones for a dark background.
pub const COLOURS: [RGBColor; 8] = [
    RGBColor(0x0b, 0x63, 0xb5),
    RGBColor(0xc2, 0x41, 0x0c),
    RGBColor(0x00, 0x78, 0x6a),
    RGBColor(0xa3, 0x31, 0x8f),
    RGBColor(0x8a, 0x5d, 0x00),
    RGBColor(0x54, 0x48, 0xc8),
    RGBColor(0x47, 0x55, 0x69),
    RGBColor(0xb0, 0x16, 0x4f),
];

/// Lines with the same dashes. Four of the colours are far enough apart for eyes that lack a kind of cone, eight are
/// not.
const ALIKE: usize = 4;

/// The style of a line: no two places have the same.
#[derive(Clone, Debug, PartialEq)]
pub struct LineStyle {
    /// Its colour.
    pub colour: RGBColor,
    /// Lengths of dashes and gaps in turn, in pixels; none of a solid line.
    pub dashes: Vec<u32>,
}

impl LineStyle {
    /// The style of the line at this place.
    pub fn of(place: usize) -> Self {
        const DASH: [u32; 2] = [9, 4];
        const DOT: [u32; 2] = [2, 4];
        let dashes = match place / ALIKE {
            0 => Vec::new(),
            1 => DASH.to_vec(),
            2 => DOT.to_vec(),
            pattern => [&DASH[..], &DOT.repeat(pattern - 2)].concat(),
        };
        Self { colour: COLOURS[place % COLOURS.len()], dashes }
    }

    /// A solid line of a colour.
    pub fn solid(colour: RGBColor) -> Self {
        Self { colour, dashes: Vec::new() }
    }

    /// The dashes as SVG has them: `none`, or lengths.
    pub fn dash_array(&self) -> String {
        if self.dashes.is_empty() {
            return "none".to_owned();
        }
        self.dashes.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
    }

    /// A line in pieces: one of a solid line, one for each dash of another.
    pub fn pieces(&self, points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        if self.dashes.is_empty() || points.len() < 2 {
            return vec![points.to_vec()];
        }
        let mut lengths = self.dashes.iter().cycle().map(|&length| f64::from(length));
        let (mut drawn, mut left) = (true, lengths.next().unwrap_or(f64::INFINITY));
        let mut pieces = Vec::new();
        let mut piece = vec![points[0]];
        for ends in points.windows(2) {
            let (mut from, to) = (ends[0], ends[1]);
            let mut distance = (to.0 - from.0).hypot(to.1 - from.1);
            while distance > left {
                let part = left / distance;
                from = (from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1));
                distance -= left;
                piece.push(from);
                if drawn {
                    pieces.push(std::mem::take(&mut piece));
                }
                piece = vec![from];
                (drawn, left) = (!drawn, lengths.next().unwrap_or(f64::INFINITY));
            }
            left -= distance;
            piece.push(to);
        }
        if drawn && piece.len() > 1 {
            pieces.push(piece);
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lines_look_the_same() {
        let styles: Vec<LineStyle> = (0..200).map(LineStyle::of).collect();
        for (i, style) in styles.iter().enumerate() {
            assert!(!styles[..i].contains(style), "{i}: {style:?}");
        }
        assert_eq!(
            styles[8],
            LineStyle { colour: COLOURS[0], dashes: vec![2, 4] },
            "the ninth has the first one's colour"
        );
        assert_eq!([0, 4, 12].map(|i| styles[i].dash_array()), ["none", "9 4", "9 4 2 4"]);
    }

    #[test]
    fn the_page_has_the_same_colours() {
        let css = include_str!("../../templates/page.css");
        for (i, RGBColor(r, g, b)) in COLOURS.into_iter().enumerate() {
            assert!(css.contains(&format!("--s{i}: #{r:02x}{g:02x}{b:02x};")), "colour {i}");
        }
    }

    #[test]
    fn colours_of_lines_with_the_same_dashes_differ_in_lightness_or_hue_and_all_stand_out_from_white() {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        for RGBColor(r, g, b) in COLOURS {
            let luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
            assert!(1.05 / (luminance + 0.05) >= 4.5, "{r:02x}{g:02x}{b:02x}");
        }
    }

    #[test]
    fn dashes_have_their_lengths_around_corners() {
        let style = LineStyle { colour: COLOURS[0], dashes: vec![9, 4] };
        let line = [(0.0, 0.0), (5.0, 0.0), (5.0, 30.0)];
        let pieces = style.pieces(&line);
        let length = |piece: &Vec<(f64, f64)>| -> f64 {
            piece.windows(2).map(|ends| (ends[1].0 - ends[0].0).hypot(ends[1].1 - ends[0].1)).sum()
        };
        assert_eq!(pieces[0], [(0.0, 0.0), (5.0, 0.0), (5.0, 4.0)]);
        assert_eq!(pieces[1][0], (5.0, 8.0));
        assert_eq!(pieces.iter().map(length).collect::<Vec<_>>(), [9.0, 9.0, 9.0]);
        assert_eq!(LineStyle::of(0).pieces(&line), [line]);
    }
}
