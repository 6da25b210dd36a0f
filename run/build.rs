//! Records which compiler and which commit the program was built from, for reports that say so.

use std::process::Command;

fn main() {
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    println!("cargo:rustc-env=MEMORIZE_COMPILER={}", first_line(&compiler, &["--version"]));
    println!(
        "cargo:rustc-env=MEMORIZE_COMMIT={}",
        first_line("git", &["describe", "--always", "--dirty", "--abbrev=12"])
    );
    // Without a checkout there is no commit to follow.
    for file in ["../.git/HEAD", "../.git/index"] {
        if std::path::Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
}

/// The first line that a command prints, or `unknown`.
fn first_line(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().ok().filter(|output| output.status.success());
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok());
    text.and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_else(|| "unknown".to_owned())
}
