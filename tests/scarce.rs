//! What the system does not give: threads, processes, maps of files. The program does without, says so, and computes
//! the same bits.
//!
//! A small library that is loaded before the system's refuses what each test is about; it is made by the C compiler,
//! and where there is none the tests say so and are left out.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::common::ground::Ground;
use crate::common::{Call, Outcome, left, memorize, scratch};

/// Refuses new threads if `NO_THREADS` is set (all of them, or all after so many), new processes if `NO_PROCESSES` is,
/// and maps of files that are shared (`NO_MAPS=shared`) or of any kind (`NO_MAPS=all`).
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int started;

int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x) {
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    const char *most = getenv("NO_THREADS");
    if (most && __sync_fetch_and_add(&started, 1) >= atoi(most)) return EAGAIN;
    if (!next) next = dlsym(RTLD_NEXT, "pthread_create");
    return next(t, a, f, x);
}

int posix_spawn(pid_t *p, const char *f, const posix_spawn_file_actions_t *a, const posix_spawnattr_t *t, char *const v[], char *const e[]) {
    static int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *);
    if (getenv("NO_PROCESSES")) return EAGAIN;
    if (!next) next = dlsym(RTLD_NEXT, "posix_spawn");
    return next(p, f, a, t, v, e);
}

int posix_spawnp(pid_t *p, const char *f, const posix_spawn_file_actions_t *a, const posix_spawnattr_t *t, char *const v[], char *const e[]) {
    static int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *);
    if (getenv("NO_PROCESSES")) return EAGAIN;
    if (!next) next = dlsym(RTLD_NEXT, "posix_spawnp");
    return next(p, f, a, t, v, e);
}

pid_t fork(void) {
    static pid_t (*next)(void);
    if (getenv("NO_PROCESSES")) { errno = EAGAIN; return -1; }
    if (!next) next = dlsym(RTLD_NEXT, "fork");
    return next();
}

static void *map(const char *name, void *a, size_t l, int p, int f, int fd, off_t o) {
    void *(*next)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, name);
    const char *which = getenv("NO_MAPS");
    if (which && fd >= 0 && (!strcmp(which, "all") || (f & MAP_SHARED))) { errno = ENODEV; return MAP_FAILED; }
    return next(a, l, p, f, fd, o);
}
void *mmap(void *a, size_t l, int p, int f, int fd, off_t o) { return map("mmap", a, l, p, f, fd, o); }
void *mmap64(void *a, size_t l, int p, int f, int fd, off_t o) { return map("mmap64", a, l, p, f, fd, o); }
"#;

/// The library, once it is made; none, with a word about it, where it cannot be.
fn library() -> Option<PathBuf> {
    static FOLDER: OnceLock<Option<TempDir>> = OnceLock::new();
    let made = || {
        let folder = scratch();
        let (source, library) = (folder.path().join("scarce.c"), folder.path().join("scarce.so"));
        fs::write(&source, LIBRARY).unwrap();
        let compiler =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").output();
        match compiler {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Some(folder)
            }
            Err(error) => {
                eprintln!("left out: there is no C compiler ({error})");
                None
            }
        }
    };
    FOLDER.get_or_init(made).as_ref().map(|folder| folder.path().join("scarce.so"))
}

/// A call that is refused what the variables say; none where the library cannot be made.
fn scarce(call: Call, variables: &[(&str, &str)]) -> Option<Call> {
    let library = library()?;
    let call = call.env("LD_PRELOAD", library.to_str().unwrap());
    Some(variables.iter().fold(call, |call, (name, value)| call.env(name, value)))
}

const FEWER: &str = "the system starts no more threads";

fn works(call: Option<Call>) -> Option<Outcome> {
    let outcome = call?.succeeds();
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    Some(outcome)
}

/// Every command that computes or looks at something, with no thread but its own.
#[test]
fn every_command_works_where_no_thread_can_be_started() {
    let ground = Ground::new();
    let path = |name: &str| ground.path(name).to_str().unwrap().to_owned();
    let (x, y, w, run) = (path("x.npy"), path("y.npy"), path("w.safetensors"), path("run"));
    let files = format!("--inputs {x} --targets {y}");
    let none: &[(&str, &str)] = &[("NO_THREADS", "0")];
    for (command, fewer) in [
        (format!("train {files} -r 4 --iterations 9 --threads 2 --checkpoint-every 3 --out {run}"), true),
        (format!("resume {run}"), false),
        (format!("solve {files} --threads 2"), true),
        (format!("eval --weights {w} {files} --threads 2"), true),
        (format!("certify --weights {w} {files} --threads 2"), true),
        (format!("condition {files} --threads 2"), true),
        (format!("race {files} --passes 2 --threads 2"), true),
        (
            format!("capacity --dim 4 --seeds 2 --iterations 9 --ratios 0.5,1 --threads 2 --out {}", path("capacity")),
            true,
        ),
        (format!("reproduce synthetic --quick --threads 2 --out {}", path("reproduced")), true),
        (format!("data info {x} {w}"), false),
        (format!("data convert {x} {}", path("z.idx")), false),
        (format!("data sample {x} --rows 3 --out {}", path("s.npy")), false),
        (format!("runs {}", path("")), false),
        (format!("report {run} --out {}", path("page")), false),
        (format!("compare {run} {} --out {}", path("reproduced"), path("differences")), false),
        ("config --default".to_owned(), false),
        ("bench --quick --shape 64x32x16 --filter gradient --threads 2".to_owned(), true),
    ] {
        let Some(outcome) = works(scarce(memorize(&command), none)) else { return };
        assert!(!fewer || outcome.stderr.contains(FEWER), "{command}:\n{}", outcome.stderr);
        assert!(!fewer || outcome.stderr.contains("with 1 thread instead of 2"), "{command}:\n{}", outcome.stderr);
    }
    // The same bits as with threads.
    memorize(&format!("train {files} -r 4 --iterations 9 --threads 2 --out {}", path("whole"))).succeeds();
    assert!(
        left(&ground.path("whole"), "checkpoint.safetensors") == left(&ground.path("run"), "checkpoint.safetensors")
    );
}

#[test]
fn as_many_threads_as_there_are_work() {
    let ground = Ground::new();
    let x = ground.path("x.npy");
    let call = memorize("condition --threads 8").with("--inputs", &x);
    // Of eight three are given, then none: a half of eight is begun with again.
    let Some(outcome) = works(scarce(call, &[("NO_THREADS", "3")])) else { return };
    assert!(outcome.stderr.contains("with 1 thread instead of 8"), "{}", outcome.stderr);
}

const SWEEP: &str = "[data]\nsource = \"synthetic\"\nsamples = 20\ndim = 5\n[network]\nneurons = 4\n[run]\niterations = 5\n[sweep.grid]\nrun.seed = [1, 2, 3]\n";

#[test]
fn a_sweep_works_without_threads_and_without_processes() {
    let ground = Ground::new();
    ground.write("seeds.toml", SWEEP.as_bytes());
    let call = |out: &str| {
        memorize("sweep --jobs 2").and(ground.path("seeds.toml").to_str().unwrap()).with("--out", ground.path(out))
    };
    call("whole").succeeds();
    for (out, variables) in [
        ("alone", &[("NO_THREADS", "0")][..]),
        ("here", &[("NO_PROCESSES", "1")]),
        ("both", &[("NO_THREADS", "0"), ("NO_PROCESSES", "1")]),
    ] {
        let Some(outcome) = works(scarce(call(out), variables)) else { return };
        let alone = outcome.stderr.contains("the system starts no more processes");
        assert_eq!(alone, variables.iter().any(|(name, _)| *name == "NO_PROCESSES"), "{}", outcome.stderr);
        for seed in 1..=3 {
            let run = |sweep: &str| {
                let folders = fs::read_dir(ground.path(sweep)).unwrap().map(|entry| entry.unwrap().path());
                let found =
                    folders.filter(|path| path.is_dir() && path.to_string_lossy().ends_with(&format!("seed={seed}")));
                found.last().unwrap_or_else(|| panic!("no run of seed {seed} in {sweep}"))
            };
            assert!(
                left(&run("whole"), "checkpoint.safetensors") == left(&run(out), "checkpoint.safetensors"),
                "{out} {seed}"
            );
        }
    }
}

#[test]
fn files_that_cannot_be_mapped_are_read() {
    let ground = Ground::new();
    let call = |out: &str| {
        let call = memorize("train -r 4 --iterations 9").with("--inputs", ground.path("x.npy"));
        call.with("--targets", ground.path("y.npy")).with("--out", ground.path(out))
    };
    call("whole").succeeds();
    // A private map is as good as a shared one, and needs no word.
    let Some(private) = works(scarce(call("private"), &[("NO_MAPS", "shared")])) else { return };
    assert!(!private.stderr.contains("not mapped"), "{}", private.stderr);
    let Some(read) = works(scarce(call("read"), &[("NO_MAPS", "all")])) else { return };
    assert!(read.stderr.contains("x.npy: not mapped (No such device (os error 19)) but read"), "{}", read.stderr);
    for out in ["private", "read"] {
        assert!(
            left(&ground.path("whole"), "checkpoint.safetensors") == left(&ground.path(out), "checkpoint.safetensors")
        );
    }
    let info = memorize("data info").and(ground.path("x.npy").to_str().unwrap());
    let told = works(scarce(info, &[("NO_MAPS", "all")])).unwrap();
    assert!(told.stderr.contains("not mapped"), "{}", told.stderr);
}
