//! The commands on a page of Markdown or of the program's help, with what the page shows of their output.

use std::process::Command;

/// A command as it stands on its page.
pub struct Typed {
    /// Line on the page, from 1.
    pub line: usize,
    /// Its text, of several lines if the shell takes them for one command.
    pub text: String,
}

/// Commands that stand together.
#[derive(Default)]
pub struct Block {
    /// The commands, from top to bottom.
    pub commands: Vec<Typed>,
    /// The lines of the `text` block directly below; empty if there is none.
    pub shown: Vec<String>,
}

/// First words that give away a command in an indented block, which nothing here would run.
const GIVE_AWAY: [&str; 8] =
    ["memorize", "cargo", "mpirun", "python", "pip", "gunzip", "fuzz/run", "target/release/memorize"];

/// The `sh` blocks of a page of Markdown.
#[track_caller]
pub fn blocks_of_markdown(name: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fence: Option<&str> = None;
    // Whether only blank lines stand between here and the end of a block of commands.
    let mut below = false;
    let mut lines: Vec<Typed> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => {
                fence = Some(if language == "text" && !below { "" } else { language });
                below = false;
            }
            (None, None) => {
                let first = line.strip_prefix("    ").and_then(|line| line.split_whitespace().next());
                let hidden = first.is_some_and(|word| GIVE_AWAY.contains(&word));
                assert!(!hidden, "{name}:{number}: a command in an indented block; put it between ```sh and ```");
                below &= line.is_empty();
            }
            (Some("sh"), Some(_)) => {
                blocks.push(Block { commands: commands(name, std::mem::take(&mut lines)), shown: Vec::new() });
                (fence, below) = (None, true);
            }
            (Some("sh"), None) => lines.push(Typed { line: number, text: line.to_owned() }),
            (Some(_), Some(_)) => fence = None,
            (Some("text"), None) => blocks.last_mut().unwrap().shown.push(line.to_owned()),
            (Some(_), None) => {}
        }
    }
    blocks
}

/// The `Examples:` of a command's help, a block each: they need not follow from one another.
#[track_caller]
pub fn blocks_of_help(name: &str, text: &str) -> Vec<Block> {
    let lines = (1..).zip(text.lines()).skip_while(|(_, line)| *line != "Examples:").skip(1);
    let examples = lines.take_while(|(_, line)| !line.is_empty()).map(|(line, text)| {
        let command = text.strip_prefix("  ").filter(|text| text.starts_with("memorize "));
        let command = command.unwrap_or_else(|| panic!("{name}: {text:?} is no example, or one too long for its line"));
        // What follows several spaces is a remark.
        let text = command.split("   ").next().unwrap_or(command).to_owned();
        Block { commands: vec![Typed { line, text }], shown: Vec::new() }
    });
    examples.collect()
}

/// The commands that these lines are for a shell: a line each, but for what goes on in the next.
fn commands(name: &str, lines: Vec<Typed>) -> Vec<Typed> {
    let mut commands: Vec<Typed> = Vec::new();
    let mut open = false;
    for Typed { line, text } in lines {
        match commands.last_mut() {
            Some(before) if open => before.text = format!("{}\n{text}", before.text),
            _ => commands.push(Typed { line, text }),
        }
        open = commands.last().is_some_and(|command| !is_whole(&command.text));
    }
    assert!(!open, "{name}: the last command of a block has no end: {}", commands.last().unwrap().text);
    commands.retain(|command| !command.text.trim_start().starts_with('#') && !command.text.trim().is_empty());
    commands
}

/// Whether a shell would run this, and not wait for more of it, nor warn that it has waited in vain.
fn is_whole(text: &str) -> bool {
    let parsed = Command::new("bash").args(["-n", "-c", text]).output().unwrap();
    parsed.status.success() && parsed.stderr.is_empty() && !text.ends_with('\\')
}
