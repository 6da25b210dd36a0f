//! The program cannot reach a network: it has no function that could.

use std::collections::BTreeSet;
use std::fs;

use object::Object;

/// What every connection begins with, on both sides, and every look-up of a name.
const NETWORK: [&str; 12] = [
    "accept",
    "accept4",
    "bind",
    "connect",
    "getaddrinfo",
    "gethostbyname",
    "listen",
    "recvfrom",
    "sendto",
    "socket",
    "WSASocketW",
    "WSAStartup",
];

/// What the program takes from the system's libraries is listed in it. What it can call is there, whether a run calls
/// it or not.
#[test]
fn the_program_takes_no_network_function_from_the_system() {
    let program = fs::read(env!("CARGO_BIN_EXE_memorize")).unwrap();
    let program = object::File::parse(&*program).unwrap();
    let imports = program.imports().unwrap();
    // macOS puts an underscore before every name.
    let names: BTreeSet<_> = imports.iter().map(|i| String::from_utf8_lossy(i.name()).into_owned()).collect();
    let has = |name: &str| names.contains(name) || names.contains(&format!("_{name}"));
    assert!(has("read") && has("write"), "not the list of what it takes: {names:?}");
    let network: Vec<_> = NETWORK.into_iter().filter(|name| has(name)).collect();
    assert!(network.is_empty(), "the program can call {network:?}; which dependency brought that?");
}
