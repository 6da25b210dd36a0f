//! The program in the background, to be stopped.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{PROGRAM, mnist_folder};

/// How long to wait for something that happens within a second before calling it a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run in the background, ended with the test whatever happens.
pub struct Running(Option<Child>);

impl Running {
    /// The program with these arguments and `--out`.
    pub fn start(arguments: &str, out: &Path) -> Self {
        Self::spawn(Command::new(PROGRAM).args(arguments.split_whitespace()).arg("--out").arg(out))
    }

    /// `memorize resume`.
    pub fn resume(run: &Path) -> Self {
        Self::spawn(Command::new(PROGRAM).arg("resume").arg(run))
    }

    /// Starts a command that has all its arguments.
    pub fn spawn(command: &mut Command) -> Self {
        Self::printing_to(command, Stdio::piped())
    }

    /// The same with another standard output.
    pub fn printing_to(command: &mut Command, stdout: Stdio) -> Self {
        command.env_remove("MEMORIZE_ISA").env("MEMORIZE_DATA_DIR", mnist_folder());
        Self(Some(command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// Waits until records have arrived in this file.
    pub fn wait_for_records(&mut self, metrics: &Path) {
        self.wait_until("records", || fs::read_to_string(metrics).is_ok_and(|text| text.lines().count() > 32));
    }

    /// Waits until there is a file of this name.
    pub fn wait_for_file(&mut self, path: &Path) {
        self.wait_until(&path.display().to_string(), || path.exists());
    }

    /// Waits for anything else.
    pub fn wait_for(&mut self, what: &str, arrived: impl Fn() -> bool) {
        self.wait_until(what, arrived);
    }

    /// Waits until SIGINT no longer ends the process by itself.
    #[cfg(target_os = "linux")]
    pub fn wait_until_it_catches_interrupts(&mut self) {
        let status = format!("/proc/{}/status", self.child().id());
        let catches = || -> Option<bool> {
            let text = fs::read_to_string(&status).ok()?;
            let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
            Some(u64::from_str_radix(mask.trim(), 16).ok()? & 1 << (2 - 1) != 0)
        };
        self.wait_until("a handler", || catches() == Some(true));
    }

    /// Waits until a signal that was sent has been delivered.
    #[cfg(target_os = "linux")]
    pub fn wait_until_no_signal_is_pending(&mut self) {
        let status = format!("/proc/{}/status", self.child().id());
        let pending = || -> Option<u64> {
            let text = fs::read_to_string(&status).ok()?;
            let mask = text.lines().find_map(|line| line.strip_prefix("ShdPnd:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        };
        self.wait_until("the signal's delivery", || pending() == Some(0));
    }

    fn wait_until(&mut self, what: &str, arrived: impl Fn() -> bool) {
        let started = Instant::now();
        while !arrived() {
            if self.child().try_wait().unwrap().is_some() {
                let output = self.0.take().unwrap().wait_with_output().unwrap();
                panic!("the run has ended by itself, without {what}: {}", String::from_utf8_lossy(&output.stderr));
            }
            assert!(started.elapsed() < PATIENCE, "{what} do not arrive");
            sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal.
    pub fn send(&mut self, name: &str) {
        let process = self.child().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    /// Sends a signal and waits for the end.
    pub fn signal(mut self, name: &str) -> Output {
        self.send(name);
        self.ends()
    }

    /// Waits for the end.
    pub fn ends(mut self) -> Output {
        let started = Instant::now();
        while self.child().try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "the run does not end");
            sleep(Duration::from_millis(2));
        }
        self.0.take().unwrap().wait_with_output().unwrap()
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }
}

/// Whether hangups are ignored where the tests run, as under `nohup`: the programs that they start then ignore them,
/// too.
pub fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

/// The processes that a process has started.
pub fn children(of: u32) -> Vec<u32> {
    let parent = |process: u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut found: Vec<u32> = all.filter(|&process| parent(process) == Some(of)).collect();
    found.sort_unstable();
    found
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
