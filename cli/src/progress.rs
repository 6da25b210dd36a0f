//! How far a run is: a bar on a terminal, plain lines in a log, JSON for programs, nothing when asked to be quiet. On standard error.

pub mod events;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use events::{Event, Now};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ranks;
use crate::units::{duration, scientific, thousands};

/// Shortest time between two refreshes of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// Shortest time between two lines in a log; an epoch that ends sooner gets none.
const LINE_AFTER: Duration = Duration::from_secs(1);
/// Longest time without a line in a log, as long as there are updates.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A bar that is redrawn, for terminals; coloured or not.
    Bar {
        /// Whether it may be coloured.
        colour: bool,
    },
    /// Lines, for logs.
    Lines,
    /// JSON objects, a line each, for programs.
    Json,
    /// Nothing.
    #[default]
    Quiet,
}

/// How a run speaks: nothing is said by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voice {
    /// How progress is shown.
    pub mode: Mode,
    /// Whether details are told, too.
    pub verbose: bool,
}

impl Mode {
    /// The mode for this process: quiet if asked for, a bar if standard error is a terminal that can redraw a line (and
    /// in colour unless `NO_COLOR` is set), else lines.
    pub fn detect(quiet: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self::choose(quiet || !ranks::is_first(), io::stderr().is_terminal() && !dumb, set("NO_COLOR"))
    }

    /// Says something outside of a run.
    pub fn tell(self, line: &str) {
        match self {
            Self::Bar { .. } | Self::Lines => write_line(&mut io::stderr(), line),
            Self::Json => self.send(&Event::Note { text: line }),
            Self::Quiet => {}
        }
    }

    /// Sends what is not told in words to the program that reads along, if there is one.
    pub fn send(self, event: &Event<'_>) {
        if self == Self::Json {
            write_line(&mut io::stderr(), &event.to_json());
        }
    }

    fn choose(quiet: bool, terminal: bool, no_colour: bool) -> Self {
        match (quiet, terminal) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar { colour: !no_colour },
            (false, false) => Self::Lines,
        }
    }
}

/// What a run sets out to do; unknown ends are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Iteration at which the run ends.
    pub iterations: Option<u64>,
    /// Epoch at which the run ends.
    pub epochs: Option<u64>,
    /// Iterations that were done before this process, by the run that it resumes.
    pub iterations_before: u64,
    /// Samples that were seen before this process.
    pub samples_before: u64,
    /// Whether the step size follows a schedule, so that each change of it is worth telling.
    pub decays: bool,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Steps done.
    pub iteration: u64,
    /// Passes over the training set done, with the fraction of the current one.
    pub epoch: f64,
    /// The loss f of this iteration.
    pub loss: f64,
    /// The moving mean of the loss, which is what is shown: the loss of one mini-batch jumps.
    pub smoothed_loss: f64,
    /// The step size in use.
    pub learning_rate: f64,
    /// Samples trained on, repeats counted.
    pub samples_seen: u64,
    /// Time since this process began to train.
    pub elapsed: Duration,
}

/// Shows how far a run is.
pub struct Progress {
    plan: Plan,
    sink: Sink,
    verbose: bool,
    shown: Option<Snapshot>,
    latest: Option<Snapshot>,
}

enum Sink {
    Bar(ProgressBar),
    Lines(Box<dyn Write + Send>),
    Json(Box<dyn Write + Send>),
    Quiet,
}

impl Progress {
    /// Starts to show a run.
    pub fn new(mode: Mode, plan: Plan) -> Self {
        let sink = match mode {
            Mode::Bar { colour } => Sink::Bar(bar(plan, colour)),
            Mode::Lines => Sink::Lines(Box::new(io::stderr())),
            Mode::Json => Sink::Json(Box::new(io::stderr())),
            Mode::Quiet => Sink::Quiet,
        };
        Self { plan, sink, verbose: false, shown: None, latest: None }
    }

    /// Lines, but to somewhere else.
    #[cfg(test)]
    fn to(out: impl Write + Send + 'static, plan: Plan) -> Self {
        Self { plan, sink: Sink::Lines(Box::new(out)), verbose: false, shown: None, latest: None }
    }

    /// JSON, but to somewhere else.
    #[cfg(test)]
    fn json_to(out: impl Write + Send + 'static, plan: Plan) -> Self {
        Self { plan, sink: Sink::Json(Box::new(out)), verbose: false, shown: None, latest: None }
    }

    /// Tells what happens on the way in words, too; programs that read along are told anyway.
    pub fn with_details(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// Tells where the run is. Cheap enough for every iteration: what is not due is not formatted.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let latest = self.latest.replace(*snapshot);
        if let Some(from) = latest.map(|latest| latest.learning_rate).filter(|_| self.plan.decays) {
            let Snapshot { iteration: step, epoch, learning_rate: to, .. } = *snapshot;
            if from != to {
                self.send(&Event::LearningRate { step, epoch, from, to });
            }
        }
        let due = self.shown.is_none_or(|shown| self.is_due(&shown, snapshot));
        if due {
            self.show(snapshot);
        }
    }

    /// Shows the last state and clears the bar.
    pub fn finish(&mut self) {
        match (self.latest, &self.sink) {
            (_, Sink::Bar(bar)) => bar.finish_and_clear(),
            (Some(latest), Sink::Lines(_) | Sink::Json(_)) if self.shown != self.latest => self.show(&latest),
            _ => {}
        }
    }

    /// Prints a line above the bar, or into the log.
    pub fn note(&mut self, line: &str) {
        match &mut self.sink {
            Sink::Bar(bar) => bar.println(line),
            Sink::Lines(out) => write_line(out, line),
            Sink::Json(_) => self.send(&Event::Note { text: line }),
            Sink::Quiet => {}
        }
    }

    /// Sends an event to the program that reads along, if there is one, or tells of it if details are asked for.
    pub fn send(&mut self, event: &Event<'_>) {
        match &mut self.sink {
            Sink::Json(out) => write_line(out, &event.to_json()),
            Sink::Bar(_) | Sink::Lines(_) if self.verbose => event.words().iter().for_each(|line| self.note(line)),
            _ => {}
        }
    }

    fn is_due(&self, shown: &Snapshot, now: &Snapshot) -> bool {
        let since = now.elapsed.saturating_sub(shown.elapsed);
        match self.sink {
            Sink::Bar(_) => since >= BAR_EVERY,
            Sink::Lines(_) | Sink::Json(_) => {
                since >= LINE_EVERY || (since >= LINE_AFTER && now.epoch.floor() > shown.epoch.floor())
            }
            Sink::Quiet => false,
        }
    }

    fn show(&mut self, snapshot: &Snapshot) {
        self.shown = Some(*snapshot);
        match &mut self.sink {
            Sink::Bar(bar) => {
                bar.set_position(snapshot.iteration);
                bar.set_message(facts(&self.plan, snapshot, false));
            }
            Sink::Lines(out) => write_line(out, &facts(&self.plan, snapshot, true)),
            Sink::Json(_) => self.send(&Event::Progress(numbers(&self.plan, snapshot))),
            Sink::Quiet => {}
        }
    }
}

/// Progress is a courtesy: a log that cannot be written to does not stop the run.
fn write_line(out: &mut dyn Write, line: &str) {
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn bar(plan: Plan, colour: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(plan.iterations, ProgressDrawTarget::stderr_with_hz(10));
    let template = match (plan.iterations, colour) {
        (Some(_), true) => "{wide_bar:.cyan/blue} {percent:>3}%  {msg}",
        (Some(_), false) => "{wide_bar} {percent:>3}%  {msg}",
        (None, true) => "{spinner:.cyan} {msg}",
        (None, false) => "{spinner} {msg}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    bar
}

/// The facts of a snapshot in one line.
fn facts(plan: &Plan, now: &Snapshot, with_iteration: bool) -> String {
    let mut facts: Vec<Cow<str>> = vec![match plan.epochs {
        Some(epochs) => format!("epoch {:.1}/{epochs}", now.epoch).into(),
        None => format!("epoch {:.1}", now.epoch).into(),
    }];
    if with_iteration {
        facts.push(match plan.iterations {
            Some(total) => format!("iteration {}/{}", thousands(now.iteration), thousands(total)).into(),
            None => format!("iteration {}", thousands(now.iteration)).into(),
        });
    }
    facts.push(format!("loss {}", scientific(now.smoothed_loss)).into());
    // A solver has no step size.
    if now.learning_rate > 0.0 {
        facts.push(format!("lr {}", scientific(now.learning_rate)).into());
    }
    facts.extend(samples_per_second(plan, now).map(|rate| format!("{} samples/s", thousands(rate)).into()));
    facts.extend(time_left(plan, now).map(|left| format!("{} left", duration(left)).into()));
    facts.join("  ")
}

/// The same for programs.
fn numbers(plan: &Plan, now: &Snapshot) -> Now {
    Now {
        step: now.iteration,
        epoch: now.epoch,
        loss: now.loss,
        smoothed_loss: now.smoothed_loss,
        lr: (now.learning_rate > 0.0).then_some(now.learning_rate),
        samples_per_second: samples_per_second(plan, now),
        seconds_left: time_left(plan, now).map(|left| left.as_secs_f64()),
        elapsed: now.elapsed.as_secs_f64(),
    }
}

fn samples_per_second(plan: &Plan, now: &Snapshot) -> Option<u64> {
    let seconds = now.elapsed.as_secs_f64();
    let samples = now.samples_seen.saturating_sub(plan.samples_before) as f64;
    (seconds > 0.0 && samples > 0.0).then(|| (samples / seconds).round() as u64)
}

/// The time that the remaining iterations take at the mean pace so far.
fn time_left(plan: &Plan, now: &Snapshot) -> Option<Duration> {
    let done = now.iteration.saturating_sub(plan.iterations_before);
    let remaining = plan.iterations?.checked_sub(now.iteration)?;
    if done == 0 || remaining == 0 {
        return None;
    }
    Duration::try_from_secs_f64(now.elapsed.as_secs_f64() / done as f64 * remaining as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn lines(&self) -> Vec<String> {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
        }
    }

    const PLAN: Plan =
        Plan { iterations: Some(28_140), epochs: Some(60), iterations_before: 0, samples_before: 0, decays: true };

    fn at(iteration: u64, milliseconds: u64) -> Snapshot {
        Snapshot {
            iteration,
            epoch: iteration as f64 / 469.0,
            loss: 0.5,
            smoothed_loss: 1.234e-3,
            learning_rate: 0.003,
            samples_seen: 128 * iteration,
            elapsed: Duration::from_millis(milliseconds),
        }
    }

    #[test]
    fn a_line_has_all_the_facts() {
        assert_eq!(
            facts(&PLAN, &at(14_070, 60_000), true),
            "epoch 30.0/60  iteration 14,070/28,140  loss 1.23e-3  lr 3.00e-3  30,016 samples/s  1 min 00 s left"
        );
        let first = facts(&Plan::default(), &at(0, 0), true);
        assert_eq!(first, "epoch 0.0  iteration 0  loss 1.23e-3  lr 3.00e-3");
    }

    #[test]
    fn a_resumed_run_is_timed_from_where_it_resumed() {
        let plan = Plan { iterations_before: 14_070, samples_before: 14_070 * 128, ..PLAN };
        let now = at(21_105, 30_000);
        assert_eq!(samples_per_second(&plan, &now), Some(30_016));
        assert_eq!(time_left(&plan, &now), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_log_gets_a_line_each_epoch_and_the_last_state() {
        let log = Log::default();
        let mut progress = Progress::to(log.clone(), PLAN);
        // 2 s an epoch, three epochs and a bit.
        for iteration in (0..=1500).step_by(5) {
            progress.update(&at(iteration, iteration * 2000 / 469));
        }
        progress.finish();
        progress.finish();
        let epochs: Vec<String> = log.lines().iter().map(|line| line[..9].to_owned()).collect();
        assert_eq!(epochs, ["epoch 0.0", "epoch 1.0", "epoch 2.0", "epoch 3.0", "epoch 3.2"]);
    }

    #[test]
    fn long_epochs_get_a_line_every_ten_seconds_and_short_ones_do_not_flood() {
        let log = Log::default();
        let mut progress = Progress::to(log.clone(), PLAN);
        (0..=40).for_each(|second| progress.update(&at(second, second * 1000)));
        assert_eq!(log.lines().len(), 5);

        let log = Log::default();
        let mut progress = Progress::to(log.clone(), PLAN);
        for millisecond in 0..3500 {
            progress.update(&Snapshot { epoch: millisecond as f64, ..at(millisecond, millisecond) });
        }
        assert_eq!(log.lines().len(), 4);
    }

    #[test]
    fn notes_stand_between_the_lines() {
        let log = Log::default();
        let mut progress = Progress::to(log.clone(), PLAN);
        progress.note("route: neuron");
        progress.update(&at(0, 0));
        assert_eq!(log.lines().len(), 2);
        assert_eq!(log.lines()[0], "route: neuron");
    }

    #[test]
    fn programs_read_the_same_at_the_same_times_and_each_decay() {
        let log = Log::default();
        let mut progress = Progress::json_to(log.clone(), PLAN);
        progress.update(&at(0, 0));
        progress.update(&Snapshot { learning_rate: 0.001, loss: f64::NAN, ..at(7, 100) });
        progress.finish();
        let lines: Vec<serde_json::Value> =
            log.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["progress", "learning_rate", "progress"]);
        assert_eq!((&lines[1]["from"], &lines[1]["to"]), (&0.003.into(), &0.001.into()));
        assert_eq!((&lines[2]["step"], &lines[2]["lr"]), (&7.into(), &0.001.into()));
        assert!(lines[2]["loss"].is_null() && lines[2]["samples_per_second"] == 8960, "{}", lines[2]);
    }

    #[test]
    fn the_mode_follows_the_terminal_and_the_wishes() {
        assert_eq!(Mode::choose(false, true, false), Mode::Bar { colour: true });
        assert_eq!(Mode::choose(false, true, true), Mode::Bar { colour: false });
        assert_eq!(Mode::choose(false, false, false), Mode::Lines);
        assert_eq!(Mode::choose(true, true, false), Mode::Quiet);
        assert_eq!(Mode::choose(true, false, true), Mode::Quiet);
    }

    #[test]
    fn every_template_of_the_bar_is_valid() {
        for template in ["{wide_bar:.cyan/blue} {percent:>3}%  {msg}", "{spinner:.cyan} {msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
        let mut progress = Progress::new(Mode::Bar { colour: false }, PLAN);
        progress.update(&at(5, 100));
        progress.note("x");
        progress.finish();
    }
}
