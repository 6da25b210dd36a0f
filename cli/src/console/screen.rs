//! The terminal that a bar is drawn on, a little narrower than it is.
//!
//! Ctrl-C is echoed as `^C` where the cursor stands. After a line that fills the terminal that is the next line, from
//! which the bar would be cleared one line too low; in the room that is left here it stays on the line that is cleared.

use std::io;

use console::Term;
use indicatif::TermLike;

/// Columns of `^C`.
const ECHO: u16 = 2;
/// Columns of a terminal that does not say how many it has.
const USUAL: u16 = 80;

/// Standard error as a bar sees it.
#[derive(Debug)]
pub(super) struct Screen(Term);

impl Screen {
    pub(super) fn new() -> Self {
        Self(Term::buffered_stderr())
    }

    /// Lines and columns that may be drawn on, as they are now.
    pub(super) fn size() -> (usize, usize) {
        let screen = Self(Term::stderr());
        (usize::from(screen.height()), usize::from(screen.width()))
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        let columns = self.0.size_checked().map_or(USUAL, |(_, columns)| columns);
        columns.saturating_sub(ECHO).max(1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_line_leaves_room_for_the_echo() {
        let (_, columns) = Screen::size();
        let terminal = Term::stderr().size_checked().map_or(usize::from(USUAL), |(_, columns)| usize::from(columns));
        assert_eq!(columns + "^C".len(), terminal);
        assert_eq!(columns, usize::from(Screen::new().width()), "the chart and the bar agree");
    }
}
