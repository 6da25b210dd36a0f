//! The command line of `memorize`.

fn main() {}
