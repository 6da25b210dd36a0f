//! `memorize completions` and `memorize man`: what a shell and `man` want to know of the program.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use clap_complete::Shell;

/// `memorize completions`
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
A folder that is not there yet wants `mkdir -p` first.

Examples:
  memorize completions bash > ~/.local/share/bash-completion/completions/memorize
  memorize completions zsh > ~/.zfunc/_memorize      with `fpath+=~/.zfunc` before `compinit`
  memorize completions fish > ~/.config/fish/completions/memorize.fish";

/// `memorize man`
#[derive(Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManArgs {
    /// Folder for the pages, one a command
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Replace pages that are there
    #[arg(long)]
    pub overwrite: bool,
}

const MAN_EXAMPLES: &str = "\
Examples:
  memorize man ~/.local/share/man/man1      then: man memorize-train";
